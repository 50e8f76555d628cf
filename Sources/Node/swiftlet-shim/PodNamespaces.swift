import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// The pod's namespaces: made once, pinned by bind mounts in `ns/`, joined by every container.
struct PodNamespaces {
    var user: FileDescriptor?
    var network: FileDescriptor?
    var ipc: FileDescriptor?
    var uts: FileDescriptor?
    /// Of the minimal init.
    var pid: FileDescriptor?
    var initProcess: (pid: Int32, pidfd: FileDescriptor)?
    /// `ns/` is a mount of its own, with the pins in it: they are let go by one call, not by one each, for which the kernel
    /// would wait every time.
    private var isPinned = false

    /// The kinds that a process of the pod joins, but for PID and mount.
    var kinds: NamespaceKinds {
        var kinds: NamespaceKinds = []
        if user != nil { kinds.insert(.user) }
        if network != nil { kinds.insert(.network) }
        if ipc != nil { kinds.insert(.ipc) }
        if uts != nil { kinds.insert(.uts) }
        return kinds
    }

    /// Joins all of them; the user namespace first, which brings the right to join the others.
    func join() throws(SystemError) {
        if let user {
            try Namespaces.join(user, .user)
            try Credentials.set(uid: 0, gid: 0, groups: [])
        }
        if let network { try Namespaces.join(network, .network) }
        if let ipc { try Namespaces.join(ipc, .ipc) }
        if let uts { try Namespaces.join(uts, .uts) }
    }

    /// Makes what the plan asks for. On failure nothing stays mounted.
    static func make(_ plan: SandboxPlan, in directory: FileDescriptor, path: String) throws(SystemError) -> PodNamespaces {
        var pod = PodNamespaces()
        do throws(SystemError) {
            if !plan.joinNetwork.isEmpty { pod.network = try Namespaces.open(plan.joinNetwork) }
            if !plan.joinIPC.isEmpty { pod.ipc = try Namespaces.open(plan.joinIPC) }
            if !plan.joinUTS.isEmpty { pod.uts = try Namespaces.open(plan.joinUTS) }
            try pod.makeNew(plan, in: directory, path: path)
            if plan.sharedPID {
                let process = try PodInit.start(plan, pod: pod, staging: "\(path)/root")
                pod.initProcess = process
                pod.pid = try Namespaces.open("/proc/\(process.pid)/ns/pid")
            }
            return pod
        } catch {
            pod.unpin(path: path)
            throw error
        }
    }

    private mutating func makeNew(_ plan: SandboxPlan, in directory: FileDescriptor, path: String) throws(SystemError) {
        var kinds: NamespaceKinds = []
        if plan.usesUserNamespace { kinds.insert(.user) }
        if plan.newNetwork, plan.joinNetwork.isEmpty { kinds.insert(.network) }
        if plan.newIPC, plan.joinIPC.isEmpty { kinds.insert(.ipc) }
        if plan.newUTS, plan.joinUTS.isEmpty { kinds.insert(.uts) }
        if kinds.isEmpty { return }
        let (mine, theirs) = try UnixSockets.pair(.sequencedPackets)
        // One clone makes them all: the user namespace first, which then owns the others (sysfs and CAP_NET_ADMIN need that).
        guard let child = try Processes.fork(namespaces: kinds) else {
            NamespaceHelper(plan: plan, kinds: kinds, channel: ChildChannel(theirs)).run()
        }
        theirs.close()
        defer { _ = try? Processes.wait(pidfd: child.pidfd, blocking: true) } // it ends when `mine` closes
        defer { mine.close() }
        if kinds.contains(.user) {
            try writeMap(plan.uidMap, to: "/proc/\(child.pid)/uid_map")
            try writeMap(plan.gidMap, to: "/proc/\(child.pid)/gid_map")
        }
        let channel = ShimChannel(mine)
        try channel.release()
        switch try channel.receive() {
        case .ready: break
        case .failure(let failure): throw SystemError(operation: failure.step, errno: failure.errno, path: failure.path.isEmpty ? nil : failure.path)
        default: throw SystemError(operation: "make namespaces", errno: ECHILD)
        }
        try Mounts.mount("\(path)/ns", at: "\(path)/ns", flags: .bind)
        isPinned = true
        for (kind, name) in NamespaceKinds.names where kinds.contains(kind) {
            try Files.write([], to: "ns/\(name)", at: directory)
            try Mounts.mount("/proc/\(child.pid)/ns/\(name)", at: "\(path)/ns/\(name)", flags: .bind)
            let file = try Namespaces.open("ns/\(name)", at: directory)
            switch kind {
            case .user: user = file
            case .network: network = file
            case .ipc: ipc = file
            default: uts = file
            }
        }
    }

    private func writeMap(_ map: [IDMapping], to path: String) throws(SystemError) {
        try Files.writeExisting(map.map { "\($0.container) \($0.host) \($0.count)\n" }.joined(), to: path)
    }

    /// Lets go of the pins: the namespaces end with their last process.
    mutating func unpin(path: String) {
        if isPinned { try? Mounts.unmount("\(path)/ns", detach: true) } // not mounted any more is as good
        isPinned = false
    }
}

/// The process that is born in the new namespaces, sets them up from inside, and ends.
struct NamespaceHelper {
    let plan: SandboxPlan
    let kinds: NamespaceKinds
    let channel: ChildChannel

    func run() -> Never {
        do throws(SystemError) {
            try ChildDescriptors.closeAll(except: [channel.socket.raw])
            // The id maps must be there before anything else is done.
            guard channel.waitForRelease() else { Processes.exitNow(1) }
            if kinds.contains(.user) { try Credentials.set(uid: 0, gid: 0, groups: []) }
            if kinds.contains(.uts) {
                try setName(Int32(SYS_sethostname), "sethostname", plan.hostname)
                if !plan.domainname.isEmpty { try setName(Int32(SYS_setdomainname), "setdomainname", plan.domainname) }
            }
            for sysctl in plan.sysctls {
                let path = "/proc/sys/" + String(sysctl.key.map { $0 == "." ? "/" : $0 == "/" ? "." : $0 })
                guard isNamespaced(sysctl.key) else { throw SystemError(operation: "sysctl \(sysctl.key) is not namespaced", errno: EINVAL, path: path) }
                do throws(SystemError) { try Files.writeExisting(sysctl.value, to: path) } catch {
                    throw SystemError(operation: "sysctl \(sysctl.key)", errno: error.errno, path: path)
                }
            }
            channel.send(.ready)
            _ = channel.waitForRelease() // until the shim has pinned what this process keeps alive
            Processes.exitNow(0)
        } catch {
            channel.send(.failure(ShimFailure(error)))
            Processes.exitNow(1)
        }
    }

    /// A sysctl outside a namespace would change the host.
    private func isNamespaced(_ key: String) -> Bool {
        guard !key.contains("..") else { return false }
        if key.hasPrefix("net.") { return kinds.contains(.network) }
        let ipc = ["kernel.shm", "kernel.msg", "fs.mqueue."].contains { key.hasPrefix($0) } || key == "kernel.sem"
        return ipc && kinds.contains(.ipc)
    }

    private func setName(_ number: Int32, _ operation: String, _ name: String) throws(SystemError) {
        _ = try systemCall(operation) { name.withCString { rawCall(number, $0.argument, name.utf8.count) } }
    }
}
