import Glibc
import LinuxSystem

/// What this agent can give to a container: a confined agent (a container itself, a hardened service) has less than root has.
struct HostAbilities: Sendable, Hashable {
    var capabilities: CapabilitySet
    /// The highest RLIMIT_NOFILE that can be set.
    var openFiles: UInt64
    /// The lowest oom_score_adj that can be set: without CAP_SYS_RESOURCE, the agent's own.
    var lowestOOMScoreAdjustment: Int32 = -1000

    /// Asks the kernel.
    static func current() throws(SystemError) -> HostAbilities {
        let permitted = CapabilitySet(bits: try Credentials.capabilities().permitted)
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(7), &limit) == 0 else { throw SystemError(operation: "getrlimit", errno: errno) }
        // Only with CAP_SYS_RESOURCE can a hard limit be raised, and never above fs.nr_open.
        let most = UInt64(try Files.readString("/proc/sys/fs/nr_open").prefix { $0.isNumber }) ?? UInt64(limit.rlim_max)
        let isFree = permitted.contains("SYS_RESOURCE")
        // The kernel's bound is the lowest value that was ever set with the capability, which it does not show; the present one is never below it.
        let score = isFree ? -1000 : Int32(try Files.readString("/proc/self/oom_score_adj").prefix { $0 == "-" || $0.isNumber }) ?? 0
        return HostAbilities(capabilities: permitted, openFiles: isFree ? most : UInt64(limit.rlim_max), lowestOOMScoreAdjustment: score)
    }

    /// What can be set of a wanted oom_score_adj.
    func oomScoreAdjustment(_ wanted: Int) -> Int32 { max(Int32(clamping: min(max(wanted, -1000), 1000)), lowestOOMScoreAdjustment) }

    /// What users should know once, and not with every pod; nil if nothing is missing.
    var limitation: String? {
        guard !capabilities.contains("SYS_RESOURCE") else { return nil }
        return "CAP_SYS_RESOURCE is missing: oom_score_adj of pods and their shims is not lowered below \(lowestOOMScoreAdjustment),"
            + " so that a shortage of memory can end critical and Guaranteed pods as soon as others; the limit of open files is \(openFiles)"
    }
}
