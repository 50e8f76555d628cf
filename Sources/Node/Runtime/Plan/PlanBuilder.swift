import Cgroups
import LinuxSystem
import ShimProtocol

/// Turns what was resolved into the shim's plans. Pure: whatever is on the host has been made before and comes in as paths.
enum PlanBuilder {
    /// Ids of a pod's user namespace.
    static func idMappings(start: UInt32) -> [IDMapping] { [IDMapping(container: 0, host: start, count: UserNamespaceRanges.size)] }

    /// - Parameters:
    ///   - shim: the leaf cgroup of the shims.
    ///   - initial: the cgroup of the minimal init; only with a shared PID namespace.
    static func sandbox(_ record: SandboxRecord, shim: CgroupPlaces, initial: CgroupPlaces?, host: HostAbilities) throws(RuntimeError) -> SandboxPlan {
        let configuration = record.configuration
        var plan = SandboxPlan()
        plan.id = record.id
        plan.newNetwork = !configuration.hostNetwork
        plan.newIPC = !configuration.hostIPC
        // The host's UTS namespace goes with its network, as in the CRI: a host-network pod has the node's name.
        plan.newUTS = !configuration.hostNetwork
        plan.sharedPID = configuration.shareProcessNamespace && !configuration.hostPID
        if let start = record.userNamespaceStart {
            plan.uidMap = idMappings(start: start)
            plan.gidMap = idMappings(start: start)
        }
        if plan.newUTS {
            plan.hostname = configuration.hostname
            plan.domainname = configuration.domainname
        }
        plan.sysctls = try sysctls(configuration)
        plan.sharedMemorySize = configuration.hostIPC ? 0 : MountTable.sharedMemoryBytes
        (plan.shimCgroups, plan.shimBirthCgroup) = (shim.directories, shim.birth)
        if plan.sharedPID, let initial { (plan.initCgroups, plan.initBirthCgroup) = (initial.directories, initial.birth) }
        // The pod's parent should outlive the pod's own memory shortage; one step below the agent's usual -999.
        plan.shimOOMScoreAdjustment = host.oomScoreAdjustment(-998)
        return plan
    }

    /// The pod's sysctls over the defaults of containerd 2: low ports and ping need no capability inside a pod's own network.
    static func sysctls(_ configuration: SandboxConfiguration) throws(RuntimeError) -> [KeyValue] {
        var values: [String: String] = [:]
        if !configuration.hostNetwork {
            values["net.ipv4.ip_unprivileged_port_start"] = "0"
            // Groups that the user namespace does not map are refused by the kernel.
            values["net.ipv4.ping_group_range"] = configuration.hostUsers ? "0 2147483647" : "0 \(UserNamespaceRanges.size - 1)"
        }
        for (name, value) in configuration.sysctls {
            let name = name.contains(".") ? name : name.split(separator: "/").joined(separator: ".")
            if name.hasPrefix("net."), configuration.hostNetwork {
                throw RuntimeError(.invalidConfiguration, "sysctl \(name) is not possible with the host's network: it would change the host")
            }
            if ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."].contains(where: name.hasPrefix), configuration.hostIPC {
                throw RuntimeError(.invalidConfiguration, "sysctl \(name) is not possible with the host's IPC: it would change the host")
            }
            guard ["net.", "kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."].contains(where: name.hasPrefix) else {
                throw RuntimeError(.invalidConfiguration, "sysctl \(name) has no namespace: it would change the host")
            }
            values[name] = value
        }
        return values.sorted { $0.key < $1.key }.map { KeyValue($0.key, $0.value) }
    }

    /// Everything of a container that was made or looked up on the host before.
    struct Prepared: Sendable {
        var id: String
        /// Unpacked layers, the uppermost first: names below the layers directory.
        var layersDirectory: String
        var layers: [String]
        /// Directory of the overlay's upper and work directories.
        var writable: String
        var cgroup: CgroupPlaces
        /// Compiled filter; empty: unconfined.
        var seccomp: [UInt8]
        /// Absolute.
        var logPath: String
        var logMaximumBytes: UInt64
        var logMaximumFiles: UInt32
    }

    static func container(
        _ container: ResolvedContainer, configuration: ContainerConfiguration, sandbox: SandboxConfiguration, prepared: Prepared
    ) -> ContainerPlan {
        var plan = ContainerPlan()
        plan.id = prepared.id
        // Volatile: what a container writes to its root does not survive a reboot, which takes the record of the container.
        plan.root = RootPlan(
            layersDirectory: prepared.layersDirectory, lower: prepared.layers, writable: prepared.writable, isVolatile: true, readOnly: container.readOnlyRoot)
        plan.mounts = container.mounts.flatMap { MountPlan.plans(for: $0, cgroup: prepared.cgroup) }
        plan.devices = container.devices.map { DevicePlan($0.path, $0.major, $0.minor, mode: $0.mode, kind: $0.isBlock ? .block : .character) }
        plan.maskedPaths = container.maskedPaths
        plan.readOnlyPaths = container.readOnlyPaths
        if prepared.cgroup.version == .v1, !configuration.security.privileged, container.mounts.contains(where: { $0.kind == .cgroup }) {
            plan.readOnlyPaths.append("/sys/fs/cgroup")
        }
        plan.process = process(container, seccomp: prepared.seccomp)
        plan.process.stdin = configuration.stdin
        plan.process.stdinOnce = configuration.stdinOnce
        plan.pidNamespace = sandbox.hostPID ? .host : sandbox.shareProcessNamespace ? .pod : .own
        // The mounts of v1 show the container's own directories already.
        plan.newCgroupNamespace = true
        (plan.cgroups, plan.birthCgroup) = (prepared.cgroup.directories, prepared.cgroup.birth)
        plan.oomEventsPath = prepared.cgroup.oomEvents
        plan.log = LogPlan(path: prepared.logPath, maximumSize: prepared.logMaximumBytes, maximumFiles: prepared.logMaximumFiles)
        return plan
    }

    private static func process(_ container: ResolvedContainer, seccomp: [UInt8]) -> ProcessPlan {
        var plan = ProcessPlan()
        plan.arguments = container.arguments
        plan.environment = container.environment
        plan.workingDirectory = container.workingDirectory
        plan.uid = container.identity.uid
        plan.gid = container.identity.gid
        plan.groups = container.identity.groups
        // No inheritable and no ambient capabilities (CVE-2022-24769): a process that is not root holds none after exec.
        let bits = container.capabilities.bits
        plan.capabilities = CapabilitySets(bounding: bits, effective: bits, permitted: bits)
        plan.noNewPrivileges = container.noNewPrivileges
        plan.seccomp = seccomp
        plan.limits = container.limits.map { ResourceLimit(resource: $0.resource, soft: $0.soft, hard: $0.hard) }
        plan.oomScoreAdjustment = container.oomScoreAdjustment
        plan.terminal = container.terminal
        return plan
    }

    /// A command in a running container: what the container's process has, with another command line.
    static func exec(_ request: ExecRequest, container: String, id: UInt64, of plan: ProcessPlan) throws(RuntimeError) -> ExecPlan {
        guard let program = request.command.first, !program.isEmpty else {
            throw RuntimeError(.execFailed, "no command specified: expected a program to execute")
        }
        var exec = ExecPlan()
        exec.container = container
        exec.id = id
        exec.process = plan
        exec.process.arguments = request.command
        exec.process.terminal = request.tty
        exec.process.stdin = false
        exec.process.stdinOnce = false
        if request.tty, !plan.environment.contains(where: { $0.hasPrefix("TERM=") }) { exec.process.environment.append("TERM=xterm") }
        if let timeout = request.timeout {
            let (seconds, attoseconds) = timeout.components
            exec.timeout = max(1, UInt64(clamping: seconds) &* 1_000_000_000 &+ UInt64(clamping: attoseconds / 1_000_000_000))
        }
        // Probes, which have a timeout, end with the agent; what a user runs sees its input end or its terminal hang up.
        exec.killOnDisconnect = request.timeout != nil
        return exec
    }
}
