internal import Glibc
internal import LinuxSystem

/// CPU weight and bandwidth (v1 cpu.shares, cpu.cfs_*; v2 cpu.weight, cpu.max).
enum CPUController {
    static func apply(_ resources: CgroupResources, in directory: String, _ version: CgroupRoot.Version) throws(SystemError) {
        switch version {
        case .v1:
            if let shares = resources.cpuShares { try ControlFile.write(String(clamp(shares)), to: directory + "/cpu.shares") }
            try applyBandwidthV1(resources, in: directory)
        case .v2:
            if let shares = resources.cpuShares { try ControlFile.write(String(weight(shares: shares)), to: directory + "/cpu.weight") }
            guard resources.cpuQuota != nil || resources.cpuPeriod != nil else { return }
            let current = try ControlFile.readIfPresent(directory + "/cpu.max") ?? ""
            try ControlFile.write(maximum(resources, current: current), to: directory + "/cpu.max")
        }
    }

    /// The kernel checks quota against period at each write, so a change of both can need either order.
    private static func applyBandwidthV1(_ resources: CgroupResources, in directory: String) throws(SystemError) {
        let period = resources.cpuPeriod.map { (String($0), directory + "/cpu.cfs_period_us") }
        let quota = resources.cpuQuota.map { (String(max($0, -1)), directory + "/cpu.cfs_quota_us") }
        guard let period, let quota else {
            for (value, file) in [period, quota].compactMap({ $0 }) { try ControlFile.write(value, to: file) }
            return
        }
        do throws(SystemError) {
            try ControlFile.write(period.0, to: period.1)
            try ControlFile.write(quota.0, to: quota.1)
        } catch {
            guard error.errno == EINVAL else { throw error }
            try ControlFile.write(quota.0, to: quota.1)
            try ControlFile.write(period.0, to: period.1)
        }
    }

    /// `cpu.max`: quota (or `max`) and period, both in microseconds; what is not given stays as it is.
    static func maximum(_ resources: CgroupResources, current: String) -> String {
        let words = current.split(separator: " ").map(String.init)
        let quota = resources.cpuQuota.map { $0 < 0 ? "max" : String($0) } ?? words.first ?? "max"
        let period = resources.cpuPeriod.map { String($0) } ?? (words.count > 1 ? words[1] : "100000")
        return "\(quota) \(period)"
    }

    static func clamp(_ shares: UInt64) -> UInt64 { min(max(shares, 2), 262_144) }

    /// v1 shares to v2 weight along a curve through (2, 1), (1024, 100) and (262144, 10000): minimum, default and maximum of
    /// one are those of the other. This is runc's since 1.3.2 and crun's since 1.23; the older straight line gave a
    /// container of one CPU a weight of 39.
    static func weight(shares: UInt64) -> UInt64 {
        if shares <= 2 { return 1 }
        if shares >= 262_144 { return 10_000 }
        let l = log2(Double(shares))
        let exponent = (l * l + 125 * l) / 612 - 7.0 / 34
        // Rounding errors of the curve must not push an exact value up.
        return UInt64((pow(10, exponent) - 1e-9).rounded(.up))
    }
}
