public import Cgroups

/// Where a node's runtime keeps its things, and what it may use. Every path is given, so that many nodes run side by side.
public struct RuntimeConfiguration: Sendable {
    /// Upper directories and the ledger; survives a reboot.
    public var dataDirectory: String
    /// Pod directories, sockets and pinned namespaces; gone after a reboot.
    public var runDirectory: String
    /// The cgroups of this node. Pods lie at their `cgroupParent` below it, shims in ``shimCgroup``.
    public var cgroupRoot: CgroupRoot
    /// Leaf cgroup of the shims, relative to the root: outside the agent's service and the pods' limits.
    public var shimCgroup: String
    /// Top of the pods' cgroups, relative to the root; `reset` removes it.
    public var podCgroup: String
    /// The program `swiftlet-shim`.
    public var shimPath: String
    /// Directory of seccomp profiles for `Localhost`; profiles outside it are refused.
    public var seccompProfileDirectory: String
    /// The first host id given to user namespaces. The default lies in the range that systemd's UIDS-GIDS.md calls unused.
    public var userNamespaceFirstID: UInt32
    /// How many pods can have a user namespace at one time, 65536 ids each.
    public var userNamespaceCount: UInt32
    /// Log files are rotated by the shim when they have grown to this many bytes; 0 leaves rotation to others.
    public var logMaximumBytes: UInt64
    /// Rotated log files kept beside the current one.
    public var logMaximumFiles: UInt32
    /// How long a running shim may stay silent when an agent connects to it, before it is taken for dead and its pod with it.
    /// A shim answers from memory: only one that is stopped, or a machine that hardly moves, needs seconds. It is long, because
    /// pods that run are worth more than an agent that is soon ready.
    public var shimGreetingTimeout: Duration

    public init(
        dataDirectory: String = "/var/lib/swiftlet", runDirectory: String = "/run/swiftlet", cgroupRoot: CgroupRoot, shimCgroup: String = "shims",
        podCgroup: String = "kubepods", shimPath: String, seccompProfileDirectory: String? = nil, userNamespaceFirstID: UInt32 = 0x7000_0000, userNamespaceCount: UInt32 = 4096,
        logMaximumBytes: UInt64 = 10 << 20, logMaximumFiles: UInt32 = 5, shimGreetingTimeout: Duration = .seconds(30)
    ) {
        self.dataDirectory = dataDirectory
        self.runDirectory = runDirectory
        self.cgroupRoot = cgroupRoot
        self.shimCgroup = shimCgroup
        self.podCgroup = podCgroup
        self.shimPath = shimPath
        self.seccompProfileDirectory = seccompProfileDirectory ?? dataDirectory + "/seccomp"
        self.userNamespaceFirstID = userNamespaceFirstID
        self.userNamespaceCount = userNamespaceCount
        self.logMaximumBytes = logMaximumBytes
        self.logMaximumFiles = logMaximumFiles
        self.shimGreetingTimeout = shimGreetingTimeout
    }

    var directories: NodeDirectories { NodeDirectories(data: dataDirectory, run: runDirectory) }
}
