internal import LinuxSystem

/// Huge pages: usage and, where the kernel counts it, reservation.
enum HugetlbController {
    static func apply(_ resources: CgroupResources, in directory: String, _ version: CgroupRoot.Version) throws(SystemError) {
        for (size, limit) in resources.hugepageLimits.sorted(by: { $0.key < $1.key }) {
            let suffix = version == .v1 ? "limit_in_bytes" : "max"
            try ControlFile.write(String(limit), to: "\(directory)/hugetlb.\(size).\(suffix)")
            _ = try ControlFile.writeIfPresent(String(limit), to: "\(directory)/hugetlb.\(size).rsvd.\(suffix)")
        }
    }
}
