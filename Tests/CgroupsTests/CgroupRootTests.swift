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
