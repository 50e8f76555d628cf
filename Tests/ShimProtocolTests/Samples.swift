import LinuxSystem
import ShimProtocol

/// Plans in which every field differs from its default.
enum Samples {
    static var process: ProcessPlan {
        var plan = ProcessPlan()
        plan.arguments = ["/bin/sh", "-c", "echo \"ü\"", ""]
        plan.environment = ["PATH=/bin", "EMPTY="]
        plan.workingDirectory = "/srv"
        plan.umask = 0
        (plan.uid, plan.gid, plan.groups) = (1000, .max, [0, 5, 1000])
        plan.capabilities = CapabilitySets(bounding: 1, effective: 2, permitted: .max, inheritable: 4, ambient: 1 << 63)
        plan.noNewPrivileges = true
        plan.seccomp = Array(0...255)
        plan.limits = [ResourceLimit(resource: 7, soft: 1024, hard: .max)]
        plan.oomScoreAdjustment = -997
        (plan.terminal, plan.columns, plan.rows, plan.stdin, plan.stdinOnce) = (true, 80, 24, true, true)
        return plan
    }

    static var container: ContainerPlan {
        var plan = ContainerPlan()
        plan.id = "abc"
        plan.root = RootPlan(layersDirectory: "/l", lower: ["1", "2"], writable: "/w", isVolatile: true, readOnly: true)
        plan.root.directory = "/d"
        var mount = MountPlan(.tmpfs, target: "/dev", source: "x", readOnly: true, options: [KeyValue("size", "64k"), KeyValue("flag")])
        (mount.descriptor, mount.noSetUID, mount.noDevices, mount.noExecute, mount.recursive, mount.recursiveReadOnly, mount.idMapped) = (3, true, true, true, true, true, true)
        mount.propagation = .bidirectional
        plan.mounts = [mount, MountPlan(.proc, target: "/proc")]
        plan.devices = DevicePlan.standard
        plan.devices[0].uid = 1
        plan.devices[0].gid = 2
        plan.devices[0].kind = .block
        plan.maskedPaths = ["/proc/kcore", "/proc/keys"]
        plan.readOnlyPaths = ["/proc/sys"]
        plan.process = process
        plan.pidNamespace = .pod
        plan.newCgroupNamespace = true
        plan.cgroups = ["/sys/fs/cgroup/a", "/sys/fs/cgroup/b"]
        plan.birthCgroup = "/sys/fs/cgroup/b"
        plan.oomEventsPath = "/sys/fs/cgroup/a/memory.events"
        plan.log = LogPlan(path: "/var/log/x", maximumSize: 1000, maximumFiles: 3)
        return plan
    }

    static var sandbox: SandboxPlan {
        var plan = SandboxPlan()
        plan.id = "pod"
        (plan.newNetwork, plan.newIPC, plan.newUTS, plan.sharedPID) = (true, true, true, true)
        plan.uidMap = [IDMapping(container: 0, host: 100_000, count: 65536)]
        plan.gidMap = [IDMapping(container: 1, host: 200_000, count: 65535)]
        (plan.joinNetwork, plan.joinIPC, plan.joinUTS) = ("/n", "/i", "/u")
        (plan.hostname, plan.domainname) = ("host", "domain")
        plan.sysctls = [KeyValue("net.ipv4.ip_unprivileged_port_start", "0")]
        plan.sharedMemorySize = 64 << 20
        (plan.shimCgroups, plan.initCgroups, plan.shimOOMScoreAdjustment) = (["/a"], ["/b"], -998)
        (plan.shimBirthCgroup, plan.initBirthCgroup) = ("/a", "/b")
        return plan
    }

    static var exec: ExecPlan {
        var plan = ExecPlan()
        (plan.container, plan.id, plan.process, plan.timeout, plan.killOnDisconnect) = ("abc", .max, process, 1_000_000_000, true)
        return plan
    }

    static var exit: ExitRecord {
        var record = ExitRecord()
        record.version = 7
        (record.container, record.code, record.signal, record.outOfMemory, record.startedAt) = ("abc", 137, 9, true, 1)
        (record.finishedAt, record.timedOut, record.droppedLines) = (.max, true, 12)
        record.failure = ShimFailure(step: "execve", errno: 2, path: "/x", message: "no such file or directory")
        return record
    }

    static var event: ShimEvent {
        var event = ShimEvent(.containerExited, container: "abc", exec: 4, pid: 77, time: -1, exit: exit, message: "note")
        event.sequence = 99
        return event
    }

    static var requests: [ShimRequest] {
        [.create(container), .run(container), .start(container: "c"), .kill(container: "c", signal: 15), .delete(container: "c"), .exec(exec),
         .killExec(id: 3, signal: 9), .attach(container: "c", input: true, output: false, errorOutput: true),
         .resize(container: "c", columns: 80, rows: 25), .reopenLog(container: "c"), .status, .subscribe(after: 5),
         .acknowledge(upTo: .max), .shutdown]
    }
}
