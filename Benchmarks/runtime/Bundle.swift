import Cgroups
import JSONTree
import LinuxSystem
import Seccomp

/// An OCI bundle that asks of crun and runc what the node's runtime gives its containers.
enum Bundle {
    private static let capabilities = [
        "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT",
        "KILL", "AUDIT_WRITE",
    ]

    /// Writes `config.json` beside a root file system.
    static func write(to directory: String, rootFilesystem: String, cgroup: String) throws {
        try Files.makeDirectories(directory)
        try Files.write(configuration(rootFilesystem, cgroup).bytes(), to: directory + "/config.json")
    }

    private static func configuration(_ root: String, _ cgroup: String) -> JSON {
        let granted = JSON(capabilities.map { "CAP_" + $0 })
        return [
            "ociVersion": "1.0.2",
            "process": [
                "terminal": false, "user": ["uid": 0, "gid": 0], "args": ["/bin/true"], "env": ["PATH=/bin"], "cwd": "/", "noNewPrivileges": true,
                "capabilities": ["bounding": granted, "effective": granted, "permitted": granted],
            ],
            "root": ["path": JSON(root), "readonly": false], "hostname": "bench", "mounts": mounts, "linux": linux(cgroup),
        ]
    }

    private static let mounts: JSON = [
        ["destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]],
        ["destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]],
        ["destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]],
        ["destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]],
        ["destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]],
        ["destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]],
        ["destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]],
    ]

    private static func linux(_ cgroup: String) -> JSON {
        [
            "cgroupsPath": JSON(cgroup),
            "namespaces": [["type": "pid"], ["type": "network"], ["type": "ipc"], ["type": "uts"], ["type": "mount"], ["type": "cgroup"]],
            "resources": [
                "devices": [["allow": false, "access": "rwm"]],
                "memory": ["limit": JSON(Limits.memory), "swap": JSON(Limits.memory)],
                "cpu": ["shares": JSON(Limits.cpuShares), "quota": JSON(Limits.cpuQuota), "period": JSON(Limits.cpuPeriod)],
                "pids": ["limit": JSON(Limits.pids)],
            ],
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
                "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            "seccomp": seccomp,
        ]
    }

    /// The project's own default profile in the specification's form: the same rules for everybody.
    private static var seccomp: JSON {
        let profile = SeccompProfile.runtimeDefault(capabilities: Set(capabilities))
        return [
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": .array(profile.rules.map(rule)),
        ]
    }

    private static func rule(_ rule: SeccompProfile.Rule) -> JSON {
        var object: JSON = ["names": JSON(rule.names), "action": "SCMP_ACT_ALLOW", "args": .array(rule.conditions.map(condition))]
        if case .errno(let number) = rule.action {
            object["action"] = "SCMP_ACT_ERRNO"
            object["errnoRet"] = JSON(Int64(number))
        }
        return object
    }

    private static func condition(_ condition: SeccompProfile.Condition) -> JSON {
        var object: JSON = ["index": JSON(Int64(condition.argument)), "value": JSON(Int64(condition.value))]
        switch condition.comparison {
        case .equal: object["op"] = "SCMP_CMP_EQ"
        case .notEqual: object["op"] = "SCMP_CMP_NE"
        case .less: object["op"] = "SCMP_CMP_LT"
        case .lessOrEqual: object["op"] = "SCMP_CMP_LE"
        case .greater: object["op"] = "SCMP_CMP_GT"
        case .greaterOrEqual: object["op"] = "SCMP_CMP_GE"
        case .maskedEqual(let mask):
            // Of the specification's two numbers the first is the mask.
            object["op"] = "SCMP_CMP_MASKED_EQ"
            object["value"] = JSON(Int64(mask))
            object["valueTwo"] = JSON(Int64(condition.value))
        }
        return object
    }
}
