import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// A command's process on its way into a running container: joins the cgroups, then every namespace by one setns on the
/// container's pidfd, then is cloned again so that it is in the PID namespace too, as a child of the shim.
struct ExecChild {
    let plan: ExecPlan
    let container: ContainerPlan
    let pod: PodContext
    let target: FileDescriptor
    let channel: ChildChannel
    let stdio: [FileDescriptor]

    func run() -> Never {
        do throws(SystemError) {
            try ChildDescriptors.closeAll(except: [channel.socket.raw, target.raw] + stdio.map(\.raw))
            try adjustOOMScore(plan.process.oomScoreAdjustment, channel)
            try CgroupMembership(container.cgroups, birth: container.birthCgroup).join()
            // Before joining: a process of the container must not trace or open this one (CVE-2019-5736).
            try Credentials.setDumpable(false)
            try Namespaces.join(target, kinds)
            if let child = try Processes.fork(asSibling: true) {
                channel.send(.pid(child.pid))
                Processes.exitNow(0)
            }
            if pod.namespaces.user != nil { try Credentials.set(uid: 0, gid: 0, groups: []) }
            var setup = ProcessSetup(plan: plan.process)
            if plan.process.terminal { setup.terminal = try Terminal.open(in: openFile("/", [.path, .directory]), owner: plan.process.uid) }
            try setup.startSession()
            if let terminal = setup.terminal {
                channel.send(.ready, descriptor: terminal.master)
                terminal.master.close()
            }
            try setup.execute(stdio: stdio, channel: channel)
            Processes.exitNow(127)
        } catch {
            channel.send(.failure(ShimFailure(error)))
            Processes.exitNow(127)
        }
    }

    /// Joining one's own user namespace is refused, so only what the pod made is asked for.
    private var kinds: NamespaceKinds {
        var kinds = pod.namespaces.kinds.union(.mount)
        if container.pidNamespace != .host { kinds.insert(.pid) }
        if container.newCgroupNamespace { kinds.insert(.cgroup) }
        return kinds
    }
}
