/// A set of Linux capabilities, one bit each, numbered as in `linux/capability.h`.
public struct CapabilitySet: Sendable, Hashable {
    public var bits: UInt64

    public init(bits: UInt64 = 0) { self.bits = bits }

    /// By number: the index is the capability's value.
    static let names = [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
        "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
        "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
        "PERFMON", "BPF", "CHECKPOINT_RESTORE",
    ]

    /// What a container has when it asks for nothing: the set of containerd and Docker.
    static let containerDefault = CapabilitySet(naming: [
        "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
        "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
    ])

    /// Every capability this kernel knows.
    static func all(last: Int) -> CapabilitySet {
        CapabilitySet(bits: last >= 63 ? .max : (UInt64(1) << UInt64(last + 1)) - 1)
    }

    private init(naming names: [String]) {
        bits = 0
        for name in names { insert(name) }
    }

    public func contains(_ name: String) -> Bool {
        guard let value = Self.names.firstIndex(of: name) else { return false }
        return bits & (1 << UInt64(value)) != 0
    }

    /// The names without `CAP_`, in numerical order.
    public var names: [String] { Self.names.filter(contains) }

    private mutating func insert(_ name: String) {
        if let value = Self.names.firstIndex(of: name) { bits |= 1 << UInt64(value) }
    }

    private mutating func remove(_ name: String) {
        if let value = Self.names.firstIndex(of: name) { bits &= ~(1 << UInt64(value)) }
    }

    /// The set for a container, in the order containerd applies it: ALL added, ALL dropped, single ones added, single ones dropped.
    /// - Parameter available: what the agent can give: the kernel may be older, the agent itself confined.
    static func resolve(_ security: SecurityConfiguration, available everything: CapabilitySet) throws(RuntimeError) -> CapabilitySet {
        for name in security.addCapabilities + security.dropCapabilities where name != "ALL" && !Self.names.contains(name) {
            throw RuntimeError(.invalidConfiguration, "unknown capability \"\(name)\": expected a name of capabilities(7) without \"CAP_\", or ALL")
        }
        if security.privileged { return everything }
        var set = containerDefault
        if security.addCapabilities.contains("ALL") { set = everything }
        if security.dropCapabilities.contains("ALL") { set = CapabilitySet() }
        for name in security.addCapabilities { set.insert(name) }
        for name in security.dropCapabilities { set.remove(name) }
        // As in runc, what is not there is not given: an older kernel must not fail capset for BPF or PERFMON.
        set.bits &= everything.bits
        return set
    }
}
