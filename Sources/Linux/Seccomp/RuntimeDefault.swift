/// The profile that pods run under unless they ask otherwise (Kubernetes `RuntimeDefault`).
///
/// The list was written for this project; it agrees with the defaults of containerd and Docker on what is allowed, because
/// images are tested against those. The reasons for what is missing: kernel keyrings are not namespaced; io_uring goes
/// around the filter; userfaultfd, bpf, perf and module loading widen every kernel bug; new namespaces (unshare, setns and
/// the flags of clone) open kernel code that a container has no use for.
extension SeccompProfile {
    /// - Parameter capabilities: what the process will hold, names without `CAP_`, upper case. A capability that would be
    ///   useless behind the filter opens the calls it stands for.
    public static func runtimeDefault(capabilities: Set<String> = []) -> SeccompProfile {
        var rules = [Rule(AllowedSystemCalls.all)]
        rules += personalities.map { Rule(["personality"], when: [Condition(argument: 0, .equal, $0)]) }
        // AF_VSOCK would reach the hypervisor's host past the network namespace.
        rules.append(Rule(["socket"], when: [Condition(argument: 0, .notEqual, 40)]))
        for (capability, names) in callsOfCapabilities.sorted(by: { $0.key < $1.key }) where capabilities.contains(capability) {
            rules.append(Rule(names))
        }
        if capabilities.contains("SYS_ADMIN") {
            rules.append(Rule(["clone", "clone3"]))
        } else {
            rules.append(Rule(["clone"], when: [Condition(argument: 0, .maskedEqual(mask: namespaceFlags), 0)]))
            // Its flags are behind a pointer that a filter cannot follow; ENOSYS makes the C library use clone.
            rules.append(Rule(["clone3"], .errno(38)))
        }
        return SeccompProfile(defaultAction: .errno(1), rules: rules)
    }

    /// The capabilities that change ``runtimeDefault(capabilities:)``: sets that agree on these compile to the same program.
    public static let significantCapabilities = Set(callsOfCapabilities.keys)

    /// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
    static let namespaceFlags: UInt64 = 0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000

    /// PER_LINUX, PER_LINUX32, both with UNAME26, and the query.
    static let personalities: [UInt64] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff]

    static let callsOfCapabilities: [String: [String]] = [
        "BPF": ["bpf"],
        "DAC_READ_SEARCH": ["open_by_handle_at"],
        "PERFMON": ["perf_event_open"],
        "SYSLOG": ["syslog"],
        "SYS_ADMIN": [
            "bpf", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie", "mount", "mount_setattr", "move_mount",
            "open_tree", "perf_event_open", "quotactl", "quotactl_fd", "setdomainname", "sethostname", "setns", "syslog", "umount",
            "umount2", "unshare",
        ],
        "SYS_BOOT": ["reboot"],
        "SYS_CHROOT": ["chroot"],
        "SYS_MODULE": ["delete_module", "finit_module", "init_module"],
        "SYS_NICE": ["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"],
        "SYS_PACCT": ["acct"],
        "SYS_PTRACE": ["kcmp", "pidfd_getfd", "process_madvise"],
        "SYS_RAWIO": ["ioperm", "iopl"],
        "SYS_TIME": ["clock_settime", "clock_settime64", "settimeofday", "stime"],
        "SYS_TTY_CONFIG": ["vhangup"],
    ]
}
