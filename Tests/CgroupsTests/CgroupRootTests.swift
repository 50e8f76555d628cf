import Cgroups
import LinuxSystem
import Testing

@Suite struct CgroupRootTests {
    @Test func findsVersionTwo() throws {
        let host = try TemporaryHost.v2("cpuset cpu io memory pids")
        let root = try CgroupRoot(mountPoint: host.path, prefix: "swiftlet/a")
        #expect(root.version == .v2)
        #expect(root.controllers == [.cpuset, .cpu, .memory, .pids, .devices, .freezer])
        #expect(try root.cgroup("kubepods/x").path == "swiftlet/a/kubepods/x")
    }

    @Test func findsVersionOneWithSharedHierarchies() throws {
        let host = try TemporaryHost.v1(["cpu,cpuacct", "memory", "pids", "net_cls"])
        let root = try CgroupRoot(mountPoint: host.path)
        #expect(root.version == .v1)
        #expect(root.controllers == [.cpu, .cpuacct, .memory, .pids])
    }

    /// systemd's hybrid layout: an empty v2 beside the v1 controllers must not be taken for the real one.
    @Test func hybridIsVersionOne() throws {
        let host = try TemporaryHost.v1(["memory"])
        try host.write("hugetlb", "unified/cgroup.controllers")
        #expect(try CgroupRoot(mountPoint: host.path).version == .v1)
    }

    /// A hierarchy costs time to make, to join and to remove: only what is used is made.
    @Test func onlyWhatIsNeededIsMade() throws {
        let all = ["cpu,cpuacct", "cpuset", "devices", "freezer", "memory", "pids", "systemd"]
        let host = try TemporaryHost.v1(all)
        func directories(_ hierarchies: String...) -> [String] { hierarchies.map { "\(host.path)/\($0)/a/b" } }
        let alone = try CgroupRoot(mountPoint: host.path, prefix: "a").cgroup("b")
        #expect(try alone.create() == CgroupDirectories(v1: directories("cpu,cpuacct", "freezer", "memory", "pids"), memory: "\(host.path)/memory/a/b"))
        #expect(try alone.create(tracked: true).v1 == directories("cpu,cpuacct", "freezer", "memory", "pids", "systemd"))
        #expect(try alone.create().all.allSatisfy { Files.exists($0) })
        #expect(!Files.exists("\(host.path)/devices/a") && !Files.exists("\(host.path)/cpuset/a"))
        #expect(try alone.removeIfEmpty() && !alone.exists)
        // The v2 beside it freezes and kills.
        try host.write("", "unified/cgroup.controllers")
        let hybrid = try CgroupRoot(mountPoint: host.path, prefix: "a").cgroup("b")
        #expect(try hybrid.create() == CgroupDirectories(
            v1: directories("cpu,cpuacct", "memory", "pids"), v2: "\(host.path)/unified/a/b", memory: "\(host.path)/memory/a/b"))
    }

    @Test func whatIsNotEmptyStays() throws {
        let host = try TemporaryHost.v1(["memory", "pids"])
        let root = try CgroupRoot(mountPoint: host.path)
        try root.cgroup("a/b").create()
        #expect(try !root.cgroup("a").removeIfEmpty())
        #expect(Files.exists("\(host.path)/memory/a/b"))
        try root.cgroup("a").remove()
        #expect(!Files.exists("\(host.path)/memory/a") && !Files.exists("\(host.path)/pids/a"))
    }

    @Test func sayWhatIsMissing() throws {
        let host = try TemporaryHost()
        #expect { try CgroupRoot(mountPoint: host.path) } throws: { error in
            (error as? CgroupError)?.code == .notMounted && "\(error)".contains(host.path)
        }
    }

    @Test(arguments: ["../x", "a/../b", "/a", "a//b", "a/", ".", "a\nb", String(repeating: "x", count: 256)])
    func pathsStayInside(path: String) throws {
        let host = try TemporaryHost.v2("cpu")
        let root = try CgroupRoot(mountPoint: host.path)
        #expect(throws: CgroupError.self) { try root.cgroup(path) }
    }

    @Test func prefixIsCheckedToo() throws {
        let host = try TemporaryHost.v2("cpu")
        #expect(throws: CgroupError.self) { try CgroupRoot(mountPoint: host.path, prefix: "../other") }
    }
}
