import Glibc
import LinuxSystem

/// What this agent can give to a container: a confined agent (a container itself, a hardened service) has less than root has.
struct HostAbilities: Sendable, Hashable {
    var capabilities: CapabilitySet
    /// The highest RLIMIT_NOFILE that can be set.
    var openFiles: UInt64

    /// Asks the kernel.
    static func current() throws(SystemError) -> HostAbilities {
        let permitted = CapabilitySet(bits: try Credentials.capabilities().permitted)
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(7), &limit) == 0 else { throw SystemError(operation: "getrlimit", errno: errno) }
        // Only with CAP_SYS_RESOURCE can a hard limit be raised, and never above fs.nr_open.
        let most = UInt64(try Files.readString("/proc/sys/fs/nr_open").prefix { $0.isNumber }) ?? UInt64(limit.rlim_max)
        return HostAbilities(capabilities: permitted, openFiles: permitted.contains("SYS_RESOURCE") ? most : UInt64(limit.rlim_max))
    }
}
