import Cgroups
import Glibc
import LinuxSystem
import Testing

/// Cgroups against the running kernel, in a subtree of its own.
@Suite(.privileged, .serialized) struct CgroupKernelTests {
    /// What this machine runs, and the empty v2 of a hybrid host: that one has no limits, but the whole life cycle.
    static let roots: [CgroupRoot] = {
        let prefix = "swiftlet-test-\(UInt32.random(in: 0 ... .max))"
        return ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].compactMap { try? CgroupRoot(mountPoint: $0, prefix: prefix) }
    }()

    /// Runs the body with a cgroup `pod/container`, then removes the subtree and verifies that nothing is left.
    func withCgroup(_ root: CgroupRoot, _ body: (Cgroup) throws -> Void) throws {
        let top = try root.cgroup("")
        let result = Result { try body(try root.cgroup("kubepods/pod/container")) }
        try top.kill()
        try top.remove()
        #expect(!top.exists)
        try result.get()
    }

    func start(_ command: [String], in cgroup: Cgroup) throws -> Int32 {
        let null = try openFile("/dev/null", .readWrite)
        // The shell joins before it becomes the command, as a container's init does.
        let join = cgroup.processFiles().map { "echo 0 > \($0)" }.joined(separator: " && ")
        return try Processes.spawn(
            "/bin/sh", arguments: ["sh", "-c", "\(join) && exec \"$@\"", "sh"] + command, environment: ["PATH=/usr/bin:/bin"],
            descriptors: [null.raw, null.raw, null.raw])
    }

    /// Waits until the condition holds: joining has no event that the outside could wait for.
    func eventually(_ what: String, _ condition: () throws -> Bool) throws {
        let end = Clocks.monotonic() + 10_000_000_000
        while try !condition() {
            guard Clocks.monotonic() < end else { Issue.record("\(what) did not happen"); return }
            _ = try Poller().wait(milliseconds: 2)
        }
    }

    @Test(arguments: roots) func lifeCycle(root: CgroupRoot) throws {
        try withCgroup(root) { cgroup in
            try cgroup.create()
            try cgroup.create()
            #expect(cgroup.exists)
            let pid = try start(["sleep", "1000"], in: cgroup)
            try eventually("joining") { try cgroup.processes() == [pid] && Files.readString("/proc/\(pid)/comm") == "sleep\n" }
            #expect(try Files.readString("/proc/\(pid)/cgroup").contains("/\(cgroup.path)\n"))
            try cgroup.freeze()
            try cgroup.thaw()
            #expect(throws: CgroupError.self, "busy") { try cgroup.remove(deadline: .milliseconds(20)) }
            try cgroup.kill()
            #expect(try Processes.wait(.pid(pid), blocking: true)?.signal == 9)
            #expect(try cgroup.processes().isEmpty)
        }
    }

    @Test(arguments: roots) func killingReachesFrozenAndForkingProcesses(root: CgroupRoot) throws {
        try withCgroup(root) { cgroup in
            try cgroup.create()
            // Forks all the time, each child outliving its parent, faster than a list of pids can be read.
            let pid = try start(["sh", "-c", "f() { sleep 100 & sleep 0.01; f & }; f; f; f; sleep 100"], in: cgroup)
            try eventually("forking") { try cgroup.processes().count > 8 }
            try cgroup.freeze()
            try cgroup.kill()
            #expect(try cgroup.processes().isEmpty)
            #expect(try Processes.wait(.pid(pid), blocking: true)?.signal == 9)
        }
    }

    @Test func limitsReachTheKernel() throws {
        let root = try #require(Self.roots.first)
        try withCgroup(root) { cgroup in
            try cgroup.create(CgroupResources(
                cpuShares: 512, cpuQuota: 50_000, cpuPeriod: 100_000, memoryLimit: 64 << 20, pidsLimit: 20, devices: DeviceRule.containerDefaults))
            let statistics = try cgroup.statistics()
            #expect(statistics.memoryLimit == 64 << 20)
            #expect(statistics.pidsLimit == 20)
            // Raising and lowering both work, although memory+swap must never be below memory.
            try cgroup.update(.init(memoryLimit: 128 << 20))
            try cgroup.update(.init(memoryLimit: 32 << 20))
            #expect(try cgroup.statistics().memoryLimit == 32 << 20)
            try cgroup.update(.init(cpuQuota: 1000, cpuPeriod: 1000))
            try cgroup.update(.init(cpuQuota: -1))
        }
    }

    @Test func cpuQuotaThrottles() throws {
        let root = try #require(Self.roots.first)
        try withCgroup(root) { cgroup in
            try cgroup.create(.init(cpuQuota: 5000, cpuPeriod: 100_000))
            let pid = try start(["sh", "-c", "while :; do :; done"], in: cgroup)
            try eventually("throttling") { try cgroup.statistics().cpuThrottledPeriods ?? 0 > 0 }
            try cgroup.kill()
            #expect(try Processes.wait(.pid(pid), blocking: true)?.signal == 9)
        }
    }

    @Test func runningOutOfMemoryIsAnEvent() throws {
        let root = try #require(Self.roots.first)
        try withCgroup(root) { cgroup in
            try cgroup.create(.init(memoryLimit: 16 << 20))
            let events = try MemoryEvents(cgroup)
            #expect(try events.oomKills() == 0)
            let pid = try start(["tail", "/dev/zero"], in: cgroup)
            let poller = try Poller()
            try poller.add(events.descriptor, .readable, token: 1)
            try #require(try poller.wait(milliseconds: 20_000).count == 1, "the event came")
            try events.acknowledge()
            #expect(try Processes.wait(.pid(pid), blocking: true)?.signal == 9)
            #expect(try events.oomKills() == 1)
            #expect(try cgroup.statistics().oomKills == 1)
            try events.acknowledge()
        }
    }

    @Test(arguments: roots) func devicesAreRefused(root: CgroupRoot) throws {
        try withCgroup(root) { cgroup in
            try cgroup.create(.init(devices: DeviceRule.containerDefaults))
            func canRead(_ device: String) throws -> Bool {
                let pid = try start(["dd", "if=\(device)", "of=/dev/null", "bs=8192", "count=1"], in: cgroup)
                return try Processes.wait(.pid(pid), blocking: true)?.code == 0
            }
            #expect(try canRead("/dev/zero"))
            #expect(try !canRead("/dev/kmsg"), "1:11 is not in the list")
            // A second update replaces the first: on v2 every attached program would have to agree.
            try cgroup.update(.init(devices: DeviceRule.containerDefaults + [DeviceRule(.character, major: 1, minor: 11, access: .read)]))
            #expect(try canRead("/dev/kmsg"))
            try cgroup.update(.init(devices: [DeviceRule(.character, major: 1, minor: 3)]))
            #expect(try !canRead("/dev/zero"))
        }
    }

    /// What `create` says is where it is, and a process gets into each directory by the ways that do not wait.
    @Test(arguments: roots) func directoriesAreToldAndJoined(root: CgroupRoot) throws {
        try withCgroup(root) { cgroup in
            let made = try cgroup.create(.init(devices: DeviceRule.containerDefaults))
            #expect(Set(made.all) == Set(cgroup.processFiles().map { String($0.dropLast("/cgroup.procs".count)) }))
            #expect((made.v2 != nil) == Files.exists("\(root.mountPoint)/cgroup.procs") || root.version == .v1)
            let join = made.v1.map { "echo 0 > \($0)/tasks" }.joined(separator: "; ")
            let null = try openFile("/dev/null", .readWrite)
            let pid = try Processes.spawn(
                "/bin/sh", arguments: ["sh", "-ec", "\(join); exec sleep 1000"], environment: ["PATH=/bin:/usr/bin"], descriptors: [null.raw, null.raw, null.raw])
            if !made.v1.isEmpty {
                try eventually("joining") { try cgroup.processes() == [pid] && Files.readString("/proc/\(pid)/comm") == "sleep\n" }
                #expect(try !cgroup.removeIfEmpty())
            }
            try Processes.kill(pid, SIGKILL)
            _ = try Processes.wait(.pid(pid), blocking: true)
            try eventually("an empty cgroup is removed at once") { try cgroup.removeIfEmpty() }
            #expect(!cgroup.exists)
        }
    }
}
