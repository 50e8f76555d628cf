internal import LinuxSystem

/// What a cgroup has used. Nil: the host does not count it.
public struct CgroupStatistics: Sendable, Hashable {
    /// CPU time, nanoseconds.
    public var cpuUsage: UInt64?
    /// Periods with a quota, and those in which it ran out.
    public var cpuPeriods: UInt64?
    public var cpuThrottledPeriods: UInt64?
    /// Nanoseconds that runnable tasks waited for the next period.
    public var cpuThrottledTime: UInt64?
    /// Bytes, page cache included.
    public var memoryUsage: UInt64?
    /// Bytes that reclaim cannot take back at once: usage without inactive file pages (what Kubernetes evicts by).
    public var memoryWorkingSet: UInt64?
    /// Bytes of anonymous memory.
    public var memoryResident: UInt64?
    /// Bytes; nil also for no limit.
    public var memoryLimit: UInt64?
    /// The highest usage ever, bytes.
    public var memoryPeak: UInt64?
    public var pageFaults: UInt64?
    public var majorPageFaults: UInt64?
    /// Processes of this cgroup that the OOM killer took.
    public var oomKills: UInt64?
    /// Processes and threads now.
    public var pids: UInt64?
    /// Nil also for no limit.
    public var pidsLimit: UInt64?
    public init() {}
}

extension Cgroup {
    /// Reads every counter that exists; a cgroup that is gone has none.
    public func statistics() throws(CgroupError) -> CgroupStatistics {
        var result = CgroupStatistics()
        do throws(SystemError) {
            switch root.version {
            case .v1: try readV1(&result)
            case .v2: try readV2(&result)
            }
            if let directory = directory(.pids) {
                result.pids = try ControlFile.number(directory + "/pids.current")
                result.pidsLimit = try ControlFile.number(directory + "/pids.max")
            }
        } catch {
            throw CgroupError(error)
        }
        return result
    }

    /// How many processes of this cgroup the OOM killer took; 0 if it is gone.
    public func oomKills() throws(CgroupError) -> UInt64 {
        guard let directory = directory(.memory) else { return 0 }
        do throws(SystemError) {
            let file = root.version == .v1 ? "/memory.oom_control" : "/memory.events"
            return try ControlFile.table(directory + file)["oom_kill"] ?? 0
        } catch {
            throw CgroupError(error)
        }
    }

    private func readV1(_ result: inout CgroupStatistics) throws(SystemError) {
        if let directory = directory(.cpuacct) { result.cpuUsage = try ControlFile.number(directory + "/cpuacct.usage") }
        if let directory = directory(.cpu) {
            let table = try ControlFile.table(directory + "/cpu.stat")
            (result.cpuPeriods, result.cpuThrottledPeriods) = (table["nr_periods"], table["nr_throttled"])
            result.cpuThrottledTime = table["throttled_time"]
        }
        guard let directory = directory(.memory) else { return }
        result.memoryUsage = try ControlFile.number(directory + "/memory.usage_in_bytes")
        result.memoryPeak = try ControlFile.number(directory + "/memory.max_usage_in_bytes")
        // "No limit" is the largest multiple of the page size.
        result.memoryLimit = try ControlFile.number(directory + "/memory.limit_in_bytes").flatMap { $0 >= 1 << 62 ? nil : $0 }
        let table = try ControlFile.table(directory + "/memory.stat")
        result.memoryResident = table["total_rss"]
        (result.pageFaults, result.majorPageFaults) = (table["total_pgfault"], table["total_pgmajfault"])
        result.memoryWorkingSet = workingSet(result.memoryUsage, table["total_inactive_file"])
        result.oomKills = try ControlFile.table(directory + "/memory.oom_control")["oom_kill"]
    }

    private func readV2(_ result: inout CgroupStatistics) throws(SystemError) {
        let directory = directory(in: root.mountPoint)
        let cpu = try ControlFile.table(directory + "/cpu.stat")
        result.cpuUsage = cpu["usage_usec"].map { $0 &* 1000 }
        (result.cpuPeriods, result.cpuThrottledPeriods) = (cpu["nr_periods"], cpu["nr_throttled"])
        result.cpuThrottledTime = cpu["throttled_usec"].map { $0 &* 1000 }
        result.memoryUsage = try ControlFile.number(directory + "/memory.current")
        result.memoryPeak = try ControlFile.number(directory + "/memory.peak")
        result.memoryLimit = try ControlFile.number(directory + "/memory.max")
        let table = try ControlFile.table(directory + "/memory.stat")
        result.memoryResident = table["anon"]
        (result.pageFaults, result.majorPageFaults) = (table["pgfault"], table["pgmajfault"])
        result.memoryWorkingSet = workingSet(result.memoryUsage, table["inactive_file"])
        result.oomKills = try ControlFile.table(directory + "/memory.events")["oom_kill"]
    }

    private func workingSet(_ usage: UInt64?, _ inactive: UInt64?) -> UInt64? {
        guard let usage, let inactive else { return nil }
        return usage > inactive ? usage - inactive : 0
    }
}
