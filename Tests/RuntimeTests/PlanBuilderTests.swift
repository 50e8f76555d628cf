import Cgroups
import LinuxSystem
@testable import Runtime
import ShimProtocol
import Testing

@Suite struct PlanBuilderTests {
    private static let v1 = CgroupPlaces(
        directories: ["/sys/fs/cgroup/cpu/n/c1", "/sys/fs/cgroup/memory/n/c1"], oomEvents: "/sys/fs/cgroup/memory/n/c1/memory.oom_control", version: .v1,
        shown: [.init(hierarchy: "cpu", directory: "/sys/fs/cgroup/cpu/n/c1"), .init(hierarchy: "memory", directory: "/sys/fs/cgroup/memory/n/c1")])
    private static let v2 = CgroupPlaces(
        directories: ["/sys/fs/cgroup/n/c1"], birth: "/sys/fs/cgroup/n/c1", oomEvents: "/sys/fs/cgroup/n/c1/memory.events", version: .v2)

    private static let capable = HostAbilities(capabilities: .all(last: 40), openFiles: 20_000)

    private static func sandbox(
        _ change: (inout SandboxConfiguration) -> Void = { _ in }, userNamespace: UInt32? = nil, host: HostAbilities = capable
    ) throws -> SandboxPlan {
        var configuration = SandboxConfiguration(uid: "u", namespace: "n", name: "p", hostname: "web-0", logDirectory: "/l", cgroupParent: "kubepods/podu")
        change(&configuration)
        let record = SandboxRecord(id: "u-0", configuration: configuration, state: .notReady, addresses: [], createdAt: 0, userNamespaceStart: userNamespace)
        return try PlanBuilder.sandbox(record, shim: v2, initial: v1, host: host)
    }

    @Test func aPlainSandbox() throws {
        let plan = try Self.sandbox()
        #expect(plan.newNetwork && plan.newIPC && plan.newUTS && !plan.sharedPID && !plan.usesUserNamespace)
        #expect(plan.hostname == "web-0")
        #expect(plan.sharedMemorySize == 64 << 20)
        #expect(plan.shimCgroups == Self.v2.directories && plan.initCgroups.isEmpty)
        #expect(plan.sysctls.contains(KeyValue("net.ipv4.ip_unprivileged_port_start", "0")))
        #expect(plan.sysctls.contains(KeyValue("net.ipv4.ping_group_range", "0 2147483647")))
        #expect(plan.shimOOMScoreAdjustment == -998)
    }

    @Test func hostNamespaces() throws {
        let plan = try Self.sandbox { $0.hostNetwork = true; $0.hostIPC = true }
        #expect(!plan.newNetwork && !plan.newIPC && !plan.newUTS)
        #expect(plan.hostname.isEmpty && plan.sysctls.isEmpty && plan.sharedMemorySize == 0)
        #expect(try Self.sandbox { $0.hostPID = true; $0.shareProcessNamespace = true }.sharedPID == false)
    }

    @Test func sharedProcessesHaveAnInitInTheirCgroup() throws {
        let plan = try Self.sandbox { $0.shareProcessNamespace = true }
        #expect(plan.sharedPID && plan.initCgroups == Self.v1.directories)
    }

    @Test func userNamespace() throws {
        let plan = try Self.sandbox({ $0.hostUsers = false }, userNamespace: 0x7001_0000)
        #expect(plan.uidMap == [IDMapping(container: 0, host: 0x7001_0000, count: 65536)] && plan.gidMap == plan.uidMap)
        #expect(plan.sysctls.contains(KeyValue("net.ipv4.ping_group_range", "0 65535")))
    }

    @Test(arguments: ["kernel.hostname", "vm.swappiness", "kernel.panic", "fs.file-max"])
    func sysctlsOfTheHostAreRefused(name: String) {
        let error = #expect(throws: RuntimeError.self) { try Self.sandbox { $0.sysctls = [name: "1"] } }
        #expect(error?.message.contains(name) == true)
    }

    @Test func sysctlsThatWouldReachTheHostAreRefused() throws {
        #expect(throws: RuntimeError.self) { try Self.sandbox { $0.hostNetwork = true; $0.sysctls = ["net.core.somaxconn": "1"] } }
        #expect(throws: RuntimeError.self) { try Self.sandbox { $0.hostIPC = true; $0.sysctls = ["kernel.shmmax": "1"] } }
        let plan = try Self.sandbox { $0.sysctls = ["net/core/somaxconn": "9", "kernel.shmmax": "1", "net.ipv4.ip_unprivileged_port_start": "1024"] }
        #expect(plan.sysctls.contains(KeyValue("net.core.somaxconn", "9")) && plan.sysctls.contains(KeyValue("kernel.shmmax", "1")))
        #expect(plan.sysctls.filter { $0.key == "net.ipv4.ip_unprivileged_port_start" } == [KeyValue("net.ipv4.ip_unprivileged_port_start", "1024")])
    }

    private static func container(
        cgroup: CgroupPlaces, host: HostAbilities = capable, sandbox: (inout SandboxConfiguration) -> Void = { _ in },
        change: (inout ContainerConfiguration) -> Void = { _ in }
    ) throws -> ContainerPlan {
        var configuration = ContainerConfiguration(name: "web", image: "i", command: ["/bin/web"], logPath: "web/0.log")
        change(&configuration)
        var pod = SandboxConfiguration(uid: "u", namespace: "n", name: "p", hostname: "h", logDirectory: "/l", cgroupParent: "kubepods/podu")
        sandbox(&pod)
        let resolved = try ResolvedContainer.resolve(
            configuration, image: ImageDefaults(), accounts: AccountFiles(passwd: nil, group: nil), pod: PodContext(hostname: "h"), host: host)
        let prepared = PlanBuilder.Prepared(
            id: "c1", layersDirectory: "/l", layers: ["2", "1"], writable: "/c/c1", cgroup: cgroup, seccomp: [1, 2, 3, 4, 5, 6, 7, 8], logPath: "/l/web/0.log",
            logMaximumBytes: 7, logMaximumFiles: 3)
        return PlanBuilder.container(resolved, configuration: configuration, sandbox: pod, prepared: prepared)
    }

    /// What the host refuses is not asked of it: every shim would send a note about it.
    @Test func scoresThatCannotBeSetAreNotAskedFor() throws {
        var capabilities = CapabilitySet.all(last: 40)
        capabilities.bits &= ~(1 << 24)
        let confined = HostAbilities(capabilities: capabilities, openFiles: 1024, lowestOOMScoreAdjustment: 100)
        #expect(try Self.sandbox(host: confined).shimOOMScoreAdjustment == 100)
        func score(_ host: HostAbilities, _ wanted: Int?) throws -> Int32? {
            try Self.container(cgroup: Self.v2, host: host, change: { $0.resources.oomScoreAdjustment = wanted }).process.oomScoreAdjustment
        }
        #expect(try [-997, nil, 100, 500].map { try score(confined, $0) } == [100, 100, 100, 500])
        #expect(try [-5000, -997, nil, 5000].map { try score(Self.capable, $0) } == [-1000, -997, 0, 1000])
        #expect(Self.capable.limitation == nil)
        #expect(confined.limitation?.hasPrefix("CAP_SYS_RESOURCE is missing: oom_score_adj of pods and their shims is not lowered below 100") == true)
    }

    @Test func aPlainContainer() throws {
        let plan = try Self.container(cgroup: Self.v2)
        #expect(plan.root == RootPlan(layersDirectory: "/l", lower: ["2", "1"], writable: "/c/c1", isVolatile: true))
        #expect(plan.devices == DevicePlan.standard)
        #expect(plan.mounts.first { $0.target == "/sys/fs/cgroup" }?.kind == .cgroup2)
        #expect(plan.mounts.first { $0.target == "/dev/shm" }?.kind == .sharedMemory)
        #expect(plan.mounts.first { $0.target == "/dev/pts" }?.options == [KeyValue("newinstance"), KeyValue("ptmxmode", "0666"), KeyValue("mode", "0620"), KeyValue("gid", "5")])
        let proc = try #require(plan.mounts.first { $0.kind == .proc })
        #expect(proc.noSetUID && proc.noDevices && proc.noExecute && !proc.readOnly)
        #expect(plan.maskedPaths.contains("/proc/kcore") && plan.readOnlyPaths.contains("/proc/sys") && !plan.readOnlyPaths.contains("/sys/fs/cgroup"))
        #expect(plan.pidNamespace == .own && plan.newCgroupNamespace)
        #expect(plan.cgroups == Self.v2.directories && plan.oomEventsPath == Self.v2.oomEvents)
        #expect(plan.log == LogPlan(path: "/l/web/0.log", maximumSize: 7, maximumFiles: 3))
        #expect(plan.process.seccomp.count == 8 && plan.process.oomScoreAdjustment == 0)
        #expect(plan.process.capabilities == CapabilitySets(bounding: 0xa804_25fb, effective: 0xa804_25fb, permitted: 0xa804_25fb))
    }

    @Test func cgroupsOfVersion1AreBoundReadOnly() throws {
        let plan = try Self.container(cgroup: Self.v1)
        let mounts = plan.mounts.filter { $0.target.hasPrefix("/sys/fs/cgroup") }
        #expect(mounts.map(\.kind) == [.tmpfs, .bind, .bind])
        #expect(mounts.map(\.target) == ["/sys/fs/cgroup", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/memory"])
        #expect(mounts[1].source == "/sys/fs/cgroup/cpu/n/c1" && mounts[1].readOnly && mounts[2].readOnly)
        #expect(plan.readOnlyPaths.contains("/sys/fs/cgroup"))
        let privileged = try Self.container(cgroup: Self.v1, change: { $0.security.privileged = true })
        #expect(!privileged.readOnlyPaths.contains("/sys/fs/cgroup"))
        #expect(privileged.mounts.first { $0.target == "/sys/fs/cgroup/cpu" }?.readOnly == false)
    }

    @Test func shimsJoinOnlyWhatTheyMustLeave() {
        let all = ["blkio", "cpu,cpuacct", "devices", "freezer", "memory", "pids", "systemd", "unified"]
        let places = CgroupPlaces(
            directories: all.map { "/c/\($0)/shims" }, birth: "/c/unified/shims", oomEvents: "", version: .v1,
            shown: all.dropLast().map { .init(hierarchy: $0, directory: "/c/\($0)/shims") })
        #expect(places.forShims.directories == ["/c/cpu,cpuacct/shims", "/c/memory/shims", "/c/pids/shims", "/c/systemd/shims", "/c/unified/shims"])
        #expect(places.forShims.birth == "/c/unified/shims")
        #expect(Self.v2.forShims == Self.v2)
    }

    @Test func placesAreThoseThatWereMade() throws {
        let root = try CgroupRoot()
        let made = CgroupDirectories(v1: ["\(root.mountPoint)/cpu,cpuacct/a/b", "\(root.mountPoint)/memory/a/b"], v2: "\(root.mountPoint)/unified/a/b", memory: "\(root.mountPoint)/memory/a/b")
        let places = CgroupPlaces(made, root: root)
        #expect(places.directories == made.all && places.birth == made.v2)
        #expect(places.shown.map(\.hierarchy) == ["cpu,cpuacct", "memory"])
        #expect(places.oomEvents.hasPrefix("\(root.mountPoint)/memory/a/b/memory."))
    }

    @Test func processNamespaces() throws {
        #expect(try Self.container(cgroup: Self.v2, sandbox: { $0.shareProcessNamespace = true }).pidNamespace == .pod)
        #expect(try Self.container(cgroup: Self.v2, sandbox: { $0.shareProcessNamespace = true; $0.hostPID = true }).pidNamespace == .host)
    }

    @Test func execHasTheContainersRights() throws {
        let plan = try Self.container(cgroup: Self.v2, change: { $0.stdin = true; $0.security.user = 7 })
        let exec = try PlanBuilder.exec(ExecRequest(command: ["sh", "-c", "id"], tty: true, timeout: .milliseconds(1500)), container: "c1", id: 9, of: plan.process)
        #expect(exec.process.arguments == ["sh", "-c", "id"] && exec.process.terminal && !exec.process.stdin)
        #expect(exec.process.uid == 7 && exec.process.capabilities == plan.process.capabilities && exec.process.seccomp == plan.process.seccomp)
        #expect(exec.timeout == 1_500_000_000 && exec.killOnDisconnect && exec.id == 9 && exec.container == "c1")
        #expect(exec.process.environment.contains("TERM=xterm"))
        let plain = try PlanBuilder.exec(ExecRequest(command: ["true"]), container: "c1", id: 1, of: plan.process)
        #expect(plain.timeout == 0 && !plain.killOnDisconnect)
        #expect(throws: RuntimeError.self) { try PlanBuilder.exec(ExecRequest(command: []), container: "c1", id: 1, of: plan.process) }
    }

    /// What users of runc search for, then what developers need.
    @Test(arguments: [
        ("foo", Int32(2), "exec: \"foo\": executable file not found in $PATH (step execve, errno ENOENT)"),
        ("/bin/foo", 2, "exec: \"/bin/foo\": no such file or directory (step execve, errno ENOENT)"),
        ("/etc/passwd", 13, "exec: \"/etc/passwd\": permission denied (step execve, errno EACCES)"),
        ("/data", 8, "exec: \"/data\": exec format error (step execve, errno ENOEXEC)"),
    ])
    func startErrors(program: String, errno: Int32, expected: String) {
        let failure = ShimFailure(step: "execve", errno: errno, path: program, message: "x")
        let error = ShimClient.startError(ShimError(.failed, failure.description, failure: failure), program: program)
        #expect(error.code == .startFailed && error.message == expected && error.errno == errno && error.step == "execve")
    }

    @Test func otherStepsAreNamed() {
        let failure = ShimFailure(step: "mount proc", errno: 1, path: "/proc", message: "operation not permitted (EPERM)")
        let error = ShimClient.startError(ShimError(.failed, failure.description, failure: failure), program: "/bin/sh")
        #expect(error.message == "start the container: mount proc /proc: operation not permitted (EPERM)")
        #expect(error.step == "mount proc" && error.errno == 1 && error.code == .startFailed)
        let lost = ShimClient.startError(ShimError(.disconnected, "the connection to the shim is closed"), program: "/bin/sh")
        #expect(lost.code == .shimFailed)
    }

    @Test(arguments: [(Int32(0), Int32(0), false, "Completed"), (1, 0, false, "Error"), (137, 9, true, "OOMKilled"), (137, 9, false, "Error"), (0, 0, true, "Completed"), (1, 0, true, "OOMKilled")])
    func exitReasons(code: Int32, signal: Int32, outOfMemory: Bool, reason: String) {
        var record = ExitRecord()
        record.code = code
        record.signal = signal
        record.outOfMemory = outOfMemory
        record.startedAt = 1
        record.finishedAt = 2
        let exit = ContainerExit(record, isStarting: false)
        #expect(exit.reason == reason && exit.code == code && exit.signal == (signal == 0 ? nil : signal) && exit.finishedAt == 2)
    }
}
