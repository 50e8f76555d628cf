import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// The first process of a shared PID namespace (`shareProcessNamespace`): reaps orphans, does nothing else.
///
/// Containers see it as pid 1, so it must be worth nothing to them: an empty read-only root, no capabilities, not
/// dumpable, no descriptors.
enum PodInit {
    static func start(_ plan: SandboxPlan, pod: PodNamespaces, staging: String) throws(SystemError) -> (pid: Int32, pidfd: FileDescriptor) {
        let (mine, theirs) = try UnixSockets.pair(.sequencedPackets)
        let cgroup = try CgroupMembership(plan.initCgroups, birth: plan.initBirthCgroup).openBirth()
        guard let intermediate = try Processes.fork(cgroup: cgroup) else { run(plan, pod, staging, ChildChannel(theirs)) }
        theirs.close()
        defer { _ = try? Processes.wait(pidfd: intermediate.pidfd, blocking: true) } // it has nothing to do but end
        let channel = ShimChannel(mine)
        var process: (pid: Int32, pidfd: FileDescriptor)?
        while true {
            switch try channel.receive() {
            case .pid(let pid): process = (pid, try Processes.openPidfd(pid))
            case .ready:
                if let process { return process }
            case .failure(let failure):
                if let process { _ = try? Processes.wait(pidfd: process.pidfd, blocking: true) } // it ends after its report
                throw SystemError(operation: failure.step, errno: failure.errno, path: failure.path.isEmpty ? nil : failure.path)
            default: throw SystemError(operation: "start pod init", errno: ECHILD)
            }
        }
    }

    private static func run(_ plan: SandboxPlan, _ pod: PodNamespaces, _ staging: String, _ channel: ChildChannel) -> Never {
        do throws(SystemError) {
            let kept = [channel.socket, pod.user, pod.network, pod.ipc, pod.uts].compactMap { $0?.raw }
            try ChildDescriptors.closeAll(except: kept)
            try CgroupMembership(plan.initCgroups, birth: plan.initBirthCgroup).join()
            try Credentials.setDumpable(false)
            try Mounts.changeDirectory(to: staging)
            try pod.join()
            if let child = try Processes.fork(namespaces: [.pid, .mount], asSibling: true) {
                channel.send(.pid(child.pid))
                Processes.exitNow(0)
            }
            try becomeInit()
            channel.send(.ready)
            _ = channel.socket.release()
            try ChildDescriptors.closeAll(except: [])
            reapForever()
        } catch {
            channel.send(.failure(ShimFailure(error)))
            Processes.exitNow(1)
        }
    }

    private static func becomeInit() throws(SystemError) {
        try Credentials.setName("pause")
        try Mounts.mount(nil, at: "/", flags: [.slave, .recursive])
        let empty = try Mounts.create("tmpfs", options: [("size", "4k"), ("mode", "0555")], attributes: [.readOnly, .noDevices, .noExecute, .noSetUID])
        try Mounts.attach(empty, to: nil, path: ".")
        try Mounts.pivot(to: empty)
        try Credentials.setNoNewPrivileges()
        try Credentials.limitBounding(to: 0)
        try Credentials.set(effective: 0, permitted: 0, inheritable: 0)
        try Signals.setMask(.max) // SIGKILL and SIGSTOP from outside the namespace still work
    }

    private static func reapForever() -> Never {
        var child = UInt64(1) << UInt64(SIGCHLD - 1)
        while true {
            while let exit = try? Processes.wait(.any, blocking: false), exit.pid > 0 {} // ECHILD: nobody is left
            _ = withUnsafePointer(to: &child) { rawCall(Int32(SYS_rt_sigtimedwait), $0.argument, 0, 0, 8) }
        }
    }
}
