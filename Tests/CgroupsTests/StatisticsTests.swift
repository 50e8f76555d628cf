import Cgroups
import LinuxSystem
import Testing

@Suite struct StatisticsTests {
    @Test func versionTwo() throws {
        let host = try TemporaryHost.v2("cpu memory pids")
        try host.write("usage_usec 1500\nuser_usec 1000\nnr_periods 10\nnr_throttled 3\nthrottled_usec 20\n", "p/cpu.stat")
        try host.write("1000\n", "p/memory.current")
        try host.write("max\n", "p/memory.max")
        try host.write("anon 600\ninactive_file 300\npgfault 5\npgmajfault 1\n", "p/memory.stat")
        try host.write("low 0\noom 2\noom_kill 1\n", "p/memory.events")
        try host.write("4\n", "p/pids.current")
        try host.write("10\n", "p/pids.max")
        let statistics = try CgroupRoot(mountPoint: host.path).cgroup("p").statistics()
        #expect(statistics.cpuUsage == 1_500_000)
        #expect(statistics.cpuThrottledPeriods == 3 && statistics.cpuThrottledTime == 20_000)
        #expect(statistics.memoryUsage == 1000 && statistics.memoryWorkingSet == 700 && statistics.memoryResident == 600)
        #expect(statistics.memoryLimit == nil)
        #expect(statistics.oomKills == 1)
        #expect(statistics.pids == 4 && statistics.pidsLimit == 10)
    }

    @Test func versionOne() throws {
        let host = try TemporaryHost.v1(["cpu,cpuacct", "memory", "pids"])
        try host.write("123456\n", "cpu,cpuacct/p/cpuacct.usage")
        try host.write("nr_periods 10\nnr_throttled 3\nthrottled_time 99\n", "cpu,cpuacct/p/cpu.stat")
        try host.write("1000\n", "memory/p/memory.usage_in_bytes")
        try host.write("9223372036854771712\n", "memory/p/memory.limit_in_bytes")
        try host.write("total_inactive_file 1200\ntotal_rss 7\n", "memory/p/memory.stat")
        try host.write("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", "memory/p/memory.oom_control")
        let cgroup = try CgroupRoot(mountPoint: host.path).cgroup("p")
        let statistics = try cgroup.statistics()
        #expect(statistics.cpuUsage == 123_456 && statistics.cpuThrottledTime == 99)
        #expect(statistics.memoryWorkingSet == 0, "never below zero")
        #expect(statistics.memoryLimit == nil && statistics.memoryResident == 7)
        #expect(try cgroup.oomKills() == 2)
    }

    @Test func whatIsGoneHasNoCounters() throws {
        let host = try TemporaryHost.v1(["memory"])
        let gone = try CgroupRoot(mountPoint: host.path).cgroup("gone")
        #expect(try gone.statistics() == CgroupStatistics())
        #expect(try gone.oomKills() == 0)
        #expect(try gone.processes().isEmpty)
        #expect(!gone.exists)
        try gone.kill()
        try gone.remove()
    }
}
