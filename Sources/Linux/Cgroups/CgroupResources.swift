/// Limits of one cgroup, in the terms of v1 and the OCI runtime specification; v2 values are derived. Nil leaves a value as it is.
public struct CgroupResources: Sendable, Hashable {
    /// CPU weight, 2 to 262144; the kernel's default is 1024.
    public var cpuShares: UInt64?
    /// Microseconds of CPU time in each period; negative: no limit.
    public var cpuQuota: Int64?
    /// Microseconds, 1000 to 1000000; the kernel's default is 100000.
    public var cpuPeriod: UInt64?
    /// CPUs as a list of ranges: `0-3,7`.
    public var cpusetCPUs: String?
    /// Memory nodes as a list of ranges.
    public var cpusetMemoryNodes: String?
    /// Bytes; negative: no limit.
    public var memoryLimit: Int64?
    /// Bytes of memory and swap together; negative: no limit. Nil with a memory limit: the memory limit, hence no swap.
    public var memorySwapLimit: Int64?
    /// v2: one OOM kill takes every process of the cgroup (memory.oom.group). v1 has nothing like it.
    public var killsWholeGroupOnOOM: Bool?
    /// Processes and threads; negative: no limit.
    public var pidsLimit: Int64?
    /// Bytes for each page size, named as the kernel does: `2MB`, `1GB`.
    public var hugepageLimits: [String: UInt64]
    /// The devices that may be used, everything else refused; nil: no restriction is made.
    public var devices: [DeviceRule]?

    public init(
        cpuShares: UInt64? = nil, cpuQuota: Int64? = nil, cpuPeriod: UInt64? = nil, cpusetCPUs: String? = nil, cpusetMemoryNodes: String? = nil,
        memoryLimit: Int64? = nil, memorySwapLimit: Int64? = nil, killsWholeGroupOnOOM: Bool? = nil, pidsLimit: Int64? = nil,
        hugepageLimits: [String: UInt64] = [:], devices: [DeviceRule]? = nil
    ) {
        (self.cpuShares, self.cpuQuota, self.cpuPeriod) = (cpuShares, cpuQuota, cpuPeriod)
        (self.cpusetCPUs, self.cpusetMemoryNodes) = (cpusetCPUs, cpusetMemoryNodes)
        (self.memoryLimit, self.memorySwapLimit, self.killsWholeGroupOnOOM) = (memoryLimit, memorySwapLimit, killsWholeGroupOnOOM)
        (self.pidsLimit, self.hugepageLimits, self.devices) = (pidsLimit, hugepageLimits, devices)
    }

    /// The controllers these limits need.
    var neededControllers: [CgroupController] {
        var needed: [CgroupController] = []
        if cpuShares != nil || cpuQuota != nil || cpuPeriod != nil { needed.append(.cpu) }
        if cpusetCPUs != nil || cpusetMemoryNodes != nil { needed.append(.cpuset) }
        if memoryLimit != nil || memorySwapLimit != nil { needed.append(.memory) }
        if pidsLimit != nil { needed.append(.pids) }
        if !hugepageLimits.isEmpty { needed.append(.hugetlb) }
        if devices != nil { needed.append(.devices) }
        return needed
    }
}

/// A device that processes of a cgroup may use.
public struct DeviceRule: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable { case all = "a", character = "c", block = "b" }
    /// What may be done, in the kernel's letters.
    public struct Access: OptionSet, Sendable, Hashable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// BPF_DEVCG_ACC_MKNOD, READ, WRITE have these values.
        public static let mknod = Access(rawValue: 1)
        public static let read = Access(rawValue: 2)
        public static let write = Access(rawValue: 4)
        public static let all: Access = [.mknod, .read, .write]
    }
    public var kind: Kind
    /// Nil: every one.
    public var major: UInt32?
    /// Nil: every one.
    public var minor: UInt32?
    public var access: Access

    public init(_ kind: Kind, major: UInt32? = nil, minor: UInt32? = nil, access: Access = .all) {
        (self.kind, self.major, self.minor, self.access) = (kind, major, minor, access)
    }

    /// What the OCI runtime specification gives every container (config-linux, default devices): its nodes may be used, any
    /// node may be made but not opened.
    public static let containerDefaults: [DeviceRule] = [
        DeviceRule(.character, access: .mknod), DeviceRule(.block, access: .mknod),
        DeviceRule(.character, major: 1, minor: 3), DeviceRule(.character, major: 1, minor: 5),  // null, zero
        DeviceRule(.character, major: 1, minor: 7), DeviceRule(.character, major: 1, minor: 8),  // full, random
        DeviceRule(.character, major: 1, minor: 9), DeviceRule(.character, major: 5, minor: 0),  // urandom, tty
        DeviceRule(.character, major: 5, minor: 2), DeviceRule(.character, major: 136),  // ptmx, pts/*
    ]

    /// A privileged container's: everything.
    public static let everything: [DeviceRule] = [DeviceRule(.all)]
}
