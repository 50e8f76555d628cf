import Cgroups

/// Which parts of the kernel's file systems a container may see and write: the lists of runc's users (moby's `oci/defaults.go`
/// is the reference; `interrupts` and `powercap` were added there after side-channel reports).
enum KernelSurface {
    static let maskedPaths = [
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
        "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
    ]
    static let readOnlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

    static func maskedPaths(_ security: SecurityConfiguration) -> [String] {
        security.privileged || !security.maskPaths ? [] : maskedPaths
    }

    static func readOnlyPaths(_ security: SecurityConfiguration) -> [String] {
        security.privileged || !security.maskPaths ? [] : readOnlyPaths
    }

    /// A device node, made by mknod or, in a user namespace, bound from the host.
    struct Device: Sendable, Hashable {
        var path: String
        var major: UInt32
        var minor: UInt32
        var mode: UInt32 = 0o666
        var isBlock = false
    }

    /// The nodes that the runtime specification demands (config-linux.md, default devices).
    static let devices = [
        Device(path: "/dev/null", major: 1, minor: 3), Device(path: "/dev/zero", major: 1, minor: 5), Device(path: "/dev/full", major: 1, minor: 7),
        Device(path: "/dev/random", major: 1, minor: 8), Device(path: "/dev/urandom", major: 1, minor: 9), Device(path: "/dev/tty", major: 5, minor: 0),
    ]

    /// What the device controller allows after everything was denied.
    static func deviceRules(_ security: SecurityConfiguration) -> [DeviceRule] {
        security.privileged ? DeviceRule.everything : DeviceRule.containerDefaults
    }
}
