@testable import Cgroups
import LinuxSystem
import Testing

@Suite struct LimitTests {
    /// Minimum, default and maximum meet; between them the values runc 1.3.2 and crun 1.23 give.
    @Test(arguments: [(2, 1), (1024, 100), (262_144, 10_000), (0, 1), (1_000_000, 10_000), (100, 17), (2048, 174), (512, 59)] as [(UInt64, UInt64)])
    func sharesBecomeWeights(shares: UInt64, weight: UInt64) {
        #expect(CPUController.weight(shares: shares) == weight)
    }

    @Test func weightsNeverFallAsSharesRise() {
        var last: UInt64 = 0
        for shares in stride(from: UInt64(2), through: 262_144, by: 37) {
            let weight = CPUController.weight(shares: shares)
            #expect(weight >= last && weight >= 1 && weight <= 10_000)
            last = weight
        }
    }

    @Test func versionOneFiles() throws {
        let host = try TemporaryHost.v1(["cpu", "memory", "pids", "cpuset", "hugetlb"])
        for (file, value) in [
            ("cpu/p/cpu.shares", ""), ("cpu/p/cpu.cfs_period_us", ""), ("cpu/p/cpu.cfs_quota_us", ""), ("memory/p/memory.limit_in_bytes", ""),
            ("memory/p/memory.memsw.limit_in_bytes", ""), ("pids/p/pids.max", ""), ("cpuset/p/cpuset.cpus", ""), ("cpuset/p/cpuset.mems", ""),
            ("hugetlb/p/hugetlb.2MB.limit_in_bytes", ""),
        ] { try host.write(value, file) }
        try CgroupRoot(mountPoint: host.path).cgroup("p").update(CgroupResources(
            cpuShares: 1, cpuQuota: 50_000, cpuPeriod: 100_000, cpusetCPUs: "0-1", cpusetMemoryNodes: "0", memoryLimit: 64 << 20, pidsLimit: -1,
            hugepageLimits: ["2MB": 4 << 20]))
        #expect(try host.read("cpu/p/cpu.shares") == "2")
        #expect(try host.read("cpu/p/cpu.cfs_period_us") == "100000")
        #expect(try host.read("cpu/p/cpu.cfs_quota_us") == "50000")
        #expect(try host.read("memory/p/memory.limit_in_bytes") == "67108864")
        #expect(try host.read("memory/p/memory.memsw.limit_in_bytes") == "67108864", "no swap beyond the limit")
        #expect(try host.read("pids/p/pids.max") == "max")
        #expect(try host.read("cpuset/p/cpuset.cpus") == "0-1")
        #expect(try host.read("hugetlb/p/hugetlb.2MB.limit_in_bytes") == "4194304")
    }

    @Test func versionTwoFiles() throws {
        let host = try TemporaryHost.v2("cpu memory pids")
        for (file, value) in [("p/cpu.weight", ""), ("p/cpu.max", "max 100000\n"), ("p/memory.max", ""), ("p/memory.swap.max", ""), ("p/memory.oom.group", ""), ("p/pids.max", "")] {
            try host.write(value, file)
        }
        let cgroup = try CgroupRoot(mountPoint: host.path).cgroup("p")
        try cgroup.update(CgroupResources(cpuShares: 1024, cpuQuota: 20_000, memoryLimit: 1 << 30, killsWholeGroupOnOOM: true, pidsLimit: 7))
        #expect(try host.read("p/cpu.weight") == "100")
        #expect(try host.read("p/cpu.max").hasPrefix("20000 100000"))
        #expect(try host.read("p/memory.max") == "1073741824")
        #expect(try host.read("p/memory.swap.max") == "0")
        #expect(try host.read("p/memory.oom.group") == "1")
        #expect(try host.read("p/pids.max") == "7")
    }

    @Test func swapInVersionTwoIsTheDifference() {
        #expect(MemoryController.swapMaximum(.init(memoryLimit: 100, memorySwapLimit: 150)) == "50")
        #expect(MemoryController.swapMaximum(.init(memoryLimit: 100, memorySwapLimit: -1)) == "max")
        #expect(MemoryController.swapMaximum(.init(memoryLimit: 100)) == "0")
        #expect(MemoryController.swapMaximum(.init(memoryLimit: -1)) == "max")
        #expect(MemoryController.swapMaximum(.init()) == nil)
    }

    @Test func quotaAndPeriodKeepWhatIsNotGiven() {
        #expect(CPUController.maximum(.init(cpuQuota: -1), current: "5000 50000") == "max 50000")
        #expect(CPUController.maximum(.init(cpuPeriod: 20_000), current: "5000 50000") == "5000 20000")
        #expect(CPUController.maximum(.init(cpuQuota: 1000), current: "") == "1000 100000")
    }

    @Test func missingControllersAreNamed() throws {
        let host = try TemporaryHost.v1(["memory"])
        let cgroup = try CgroupRoot(mountPoint: host.path).cgroup("p")
        #expect { try cgroup.update(.init(pidsLimit: 3)) } throws: { error in
            (error as? CgroupError)?.code == .controllerUnavailable && "\(error)".contains("pids")
        }
    }

    @Test func kernelErrorsNameFileAndValue() throws {
        let host = try TemporaryHost.v1(["pids"])
        #expect { try CgroupRoot(mountPoint: host.path).cgroup("absent").update(.init(pidsLimit: 3)) } throws: { error in
            (error as? CgroupError)?.cause?.errno == 2 && "\(error)".contains("pids/absent/pids.max")
        }
    }
}
