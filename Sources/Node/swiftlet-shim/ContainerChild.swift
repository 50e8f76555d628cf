import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// What every process of the pod needs to know of it.
struct PodContext {
    let plan: SandboxPlan
    let namespaces: PodNamespaces
    /// The pod's directory.
    let path: String
    /// An empty directory to mount on, in each container's own mount namespace.
    var staging: String { "\(path)/root" }
    var sharedMemory: String { "\(path)/shm" }
}

/// A container's first process, from its clone to its execve. One thread, no way back: every failure is a message.
///
/// ```
/// host's mount namespace   oom score, cgroups, sources of mounts opened (so that shared ones stay shared)
/// pod's namespaces         user, network, IPC, UTS joined; PID namespace made
/// own mount namespace      root staged, mounts, devices, masks, pivot_root
/// created                  waits for start, unless it runs at once
/// started                  stdio, credentials, seccomp, execve
/// ```
struct ContainerChild {
    let plan: ContainerPlan
    let pod: PodContext
    let channel: ChildChannel
    /// stdin, stdout, stderr; empty with a terminal.
    let stdio: [FileDescriptor]
    /// Sources of mounts, sent by the agent.
    let descriptors: [FileDescriptor]
    let runsAtOnce: Bool

    /// True if the container's process cannot be cloned straight from the shim: a user or PID namespace is entered by
    /// the children of the one who joins it.
    static func needsIntermediate(_ plan: ContainerPlan, _ pod: PodContext) -> Bool {
        pod.namespaces.user != nil || plan.pidNamespace == .pod
    }

    /// Namespaces for the shim's own clone.
    static func firstClone(_ plan: ContainerPlan, _ pod: PodContext) -> NamespaceKinds {
        needsIntermediate(plan, pod) || plan.pidNamespace != .own ? [] : .pid
    }

    func run() -> Never {
        do throws(SystemError) {
            try build()
            Processes.exitNow(127)
        } catch {
            channel.send(.failure(ShimFailure(error)))
            Processes.exitNow(127)
        }
    }

    private func build() throws(SystemError) {
        let namespaces = pod.namespaces
        let kept = [channel.socket, namespaces.user, namespaces.network, namespaces.ipc, namespaces.uts, namespaces.pid].compactMap { $0 } + stdio + descriptors
        try ChildDescriptors.closeAll(except: kept.map(\.raw))
        try adjustOOMScore(plan.process.oomScoreAdjustment, channel)
        try CgroupMembership(plan.cgroups, birth: plan.birthCgroup).join()
        try Credentials.setDumpable(false)
        // Modes are meant as they are written; the process gets its own umask later.
        _ = rawCall(Int32(SYS_umask), 0)
        let sources = try MountSources.open(plan, pod: pod, descriptors: descriptors)
        try Mounts.changeDirectory(to: pod.staging)
        try namespaces.join()
        if ContainerChild.needsIntermediate(plan, pod) { try enterPIDNamespace() }
        try Namespaces.unshare(plan.newCgroupNamespace ? [.mount, .cgroup] : .mount)

        let builder = RootBuilder(plan: plan, pod: pod, sources: sources)
        let root = try builder.build()
        var setup = ProcessSetup(plan: plan.process)
        if plan.process.terminal {
            setup.terminal = try Terminal.open(in: root, owner: plan.process.uid)
            try setup.terminal?.bindConsole(in: root)
        }
        try builder.finish(root: root)
        try Mounts.pivot(to: root)
        try setup.startSession()
        if !runsAtOnce || setup.terminal != nil { channel.send(.ready, descriptor: setup.terminal?.master) }
        setup.terminal?.master.close()
        // False: the shim is gone, or the container was deleted.
        guard runsAtOnce ? channel.isOpen : channel.waitForRelease() else { Processes.exitNow(127) }
        try setup.execute(stdio: stdio, channel: channel)
    }

    /// Joins the pod's PID namespace, or makes one inside its user namespace; goes on in the child.
    private func enterPIDNamespace() throws(SystemError) {
        if plan.pidNamespace == .pod {
            guard let pid = pod.namespaces.pid else { throw SystemError(operation: "join pod PID namespace", errno: ESRCH) }
            try Namespaces.join(pid, .pid)
        }
        guard let child = try Processes.fork(namespaces: plan.pidNamespace == .own ? .pid : [], asSibling: true) else { return }
        channel.send(.pid(child.pid))
        Processes.exitNow(0)
    }
}

/// oom_score_adj; a host that does not let it be lowered gets a note instead of a dead container.
func adjustOOMScore(_ value: Int32?, _ channel: ChildChannel) throws(SystemError) {
    guard let value else { return }
    do throws(SystemError) { try Files.writeExisting("\(value)", to: "/proc/self/oom_score_adj") } catch {
        guard error.errno == EACCES || error.errno == EPERM else { throw error }
        channel.send(.note("oom_score_adj \(value) was not set: lowering it needs CAP_SYS_RESOURCE, which this host does not give"))
    }
}
