import CLinux
import Glibc

/// The five capability sets as 64-bit masks (capabilities(7)).
public struct CapabilitySets: Sendable, Hashable {
    public var bounding: UInt64
    public var effective: UInt64
    public var permitted: UInt64
    public var inheritable: UInt64
    public var ambient: UInt64
    public init(bounding: UInt64 = 0, effective: UInt64 = 0, permitted: UInt64 = 0, inheritable: UInt64 = 0, ambient: UInt64 = 0) {
        (self.bounding, self.effective, self.permitted, self.inheritable, self.ambient) = (bounding, effective, permitted, inheritable, ambient)
    }
}

/// The calling thread's credentials, straight from the kernel: glibc's wrappers would signal every thread.
public enum Credentials {
    /// prctl(2).
    @discardableResult
    public static func control(_ option: Int, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, name: String = "prctl") throws(SystemError) -> Int {
        try systemCall(name) { rawCall(Int32(SYS_prctl), option, a, b, c, d) }
    }

    public static func setDumpable(_ on: Bool) throws(SystemError) { try control(4, on ? 1 : 0, name: "prctl PR_SET_DUMPABLE") }
    public static func setNoNewPrivileges() throws(SystemError) { try control(38, 1, name: "prctl PR_SET_NO_NEW_PRIVS") }
    public static func setChildSubreaper() throws(SystemError) { try control(36, 1, name: "prctl PR_SET_CHILD_SUBREAPER") }
    public static func setKeepCapabilities(_ on: Bool) throws(SystemError) { try control(8, on ? 1 : 0, name: "prctl PR_SET_KEEPCAPS") }
    /// The name in `ps`; at most 15 bytes count.
    public static func setName(_ name: String) throws(SystemError) {
        _ = try systemCall("prctl PR_SET_NAME") { name.withCString { rawCall(Int32(SYS_prctl), 15, $0.argument) } }
    }

    /// Drops every capability from the bounding set that is not in `keep`.
    public static func limitBounding(to keep: UInt64) throws(SystemError) {
        for capability in 0..<64 where keep & (1 << UInt64(capability)) == 0 {
            let result = rawCall(Int32(SYS_prctl), 24, capability)
            if result == -Int(EINVAL) { return } // past the last capability of this kernel
            // EPERM: without CAP_SETPCAP nothing can be dropped, not even what is not there.
            if result == -Int(EPERM), rawCall(Int32(SYS_prctl), 23, capability) == 0 { continue }
            _ = try systemCall("prctl PR_CAPBSET_DROP") { result }
        }
    }

    /// capset(2).
    public static func set(effective: UInt64, permitted: UInt64, inheritable: UInt64) throws(SystemError) {
        var header: (UInt32, Int32) = (0x2008_0522, 0)
        func low(_ set: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: set) }
        func high(_ set: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: set >> 32) }
        var data: (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32) =
            (low(effective), low(permitted), low(inheritable), high(effective), high(permitted), high(inheritable))
        _ = try systemCall("capset") {
            withUnsafePointer(to: &header) { header in
                withUnsafePointer(to: &data) { rawCall(Int32(SYS_capset), header.argument, $0.argument) }
            }
        }
    }

    /// The calling thread's effective, permitted and inheritable sets (capget(2)).
    public static func capabilities() throws(SystemError) -> (effective: UInt64, permitted: UInt64, inheritable: UInt64) {
        var header: (UInt32, Int32) = (0x2008_0522, 0)
        var data: (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0, 0, 0)
        _ = try systemCall("capget") {
            withUnsafePointer(to: &header) { header in
                withUnsafeMutablePointer(to: &data) { rawCall(Int32(SYS_capget), header.argument, $0.argument) }
            }
        }
        func join(_ low: UInt32, _ high: UInt32) -> UInt64 { UInt64(high) << 32 | UInt64(low) }
        return (join(data.0, data.3), join(data.1, data.4), join(data.2, data.5))
    }

    /// Empties the ambient set and raises `set`, which must be permitted and inheritable.
    public static func setAmbient(_ set: UInt64) throws(SystemError) {
        try control(47, 4, name: "prctl PR_CAP_AMBIENT_CLEAR_ALL")
        for capability in 0..<64 where set & (1 << UInt64(capability)) != 0 {
            try control(47, 2, capability, name: "prctl PR_CAP_AMBIENT_RAISE")
        }
    }

    /// setgroups, setresgid, setresuid, in the only order that works.
    public static func set(uid: UInt32, gid: UInt32, groups: [UInt32]?) throws(SystemError) {
        if let groups {
            _ = try systemCall("setgroups") {
                groups.withUnsafeBytes { rawCall(Int32(SYS_setgroups), groups.count, Int(bitPattern: $0.baseAddress)) }
            }
        }
        _ = try systemCall("setresgid") { rawCall(Int32(SYS_setresgid), Int(gid), Int(gid), Int(gid)) }
        _ = try systemCall("setresuid") { rawCall(Int32(SYS_setresuid), Int(uid), Int(uid), Int(uid)) }
    }

    /// Loads a seccomp BPF program (struct sock_filter array) for this thread.
    public static func setSeccomp(program: [UInt8]) throws(SystemError) {
        guard program.count % 8 == 0, program.count / 8 <= 4096, !program.isEmpty else { throw SystemError(operation: "seccomp program", errno: EINVAL) }
        _ = try systemCall("seccomp") {
            program.withUnsafeBytes { bytes in
                // struct sock_fprog: u16 count, padding, pointer.
                var header: (UInt64, UInt64) = (UInt64(program.count / 8), UInt64(UInt(bitPattern: bytes.baseAddress)))
                return withUnsafePointer(to: &header) { rawCall(Int32(SYS_seccomp), 1, 0, $0.argument) }
            }
        }
    }

    /// prlimit(2) on oneself.
    /// - Parameter resource: RLIMIT_* number of the kernel.
    public static func setLimit(resource: UInt32, soft: UInt64, hard: UInt64) throws(SystemError) {
        var limit: (UInt64, UInt64) = (soft, hard)
        _ = try systemCall("prlimit \(resource)") { withUnsafePointer(to: &limit) { rawCall(Int32(SYS_prlimit64), 0, Int(resource), $0.argument, 0) } }
    }
}
