import Cgroups
import Glibc
import LinuxSystem
import ShimProtocol
import Testing

@Suite(.privileged, .serialized) struct ShimIsolationTests {
    let node: ShimHarness
    init() throws { node = try ShimHarness() }

    @Test func processesAndFilesOfTheHostAreOutOfReach() throws {
        let processes = try node.shell("ps", "for d in /proc/[0-9]*; do echo ${d#/proc/}; done").split(separator: "\n")
        #expect(processes == ["1"])
        let files = try node.shell("ls", "ls -A /").split(separator: "\n").map(String.init)
        #expect(Set(files) == ["bin", "etc", "tmp", "proc", "sys", "dev", "root"])
        let mounts = try node.shell("mounts", "cat /proc/self/mountinfo")
        #expect(!mounts.contains("/tmp") && !mounts.contains(" - ext4 ") && !mounts.contains("shim-"))
        #expect(try node.shell("up", "ls /../../../../.. | tr '\\n' ' '").contains("proc"))
        #expect(try node.shell("up2", "test -e /../\(node.path) && echo found; echo done") == "done\n")
    }

    @Test func maskedPathsAreEmptyAndReadOnlyPathsRefuse() throws {
        #expect(try node.shell("file", "cat /proc/kcore | wc -c; stat -c %t:%T /proc/keys") == "0\n1:3\n")
        #expect(try node.shell("folder", "ls -A /sys/firmware | wc -l; touch /sys/firmware/x 2>&1").hasPrefix("0\n"))
        #expect(try node.shell("write", "echo 1 > /proc/sys/kernel/domainname; echo $?").hasSuffix("1\n"))
        #expect(try node.output("write", stream: "stderr").contains("Read-only file system"))
        #expect(try node.shell("sys", "mkdir /sys/x 2>&1; grep -c ' /sys sysfs ro,' /proc/mounts").hasSuffix("1\n"))
    }

    @Test func noDescriptorLeaks() throws {
        #expect(try node.shell("fd", "ls /proc/self/fd") == "0\n1\n2\n3\n")
        let links = try node.shell("links", "readlink /proc/self/fd/0; readlink /proc/self/cwd; readlink /proc/self/root")
        #expect(links == "/dev/null\n/\n/\n")
    }

    @Test func signalsAreClean() throws {
        let status = try node.shell("signals", "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status | tr -d '\\t'")
        #expect(status == "SigBlk:0000000000000000\nSigIgn:0000000000000000\nSigCgt:0000000000000000\n")
    }

    @Test func credentialsAreExactlyThePlan() throws {
        let status = try node.shell("user", "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:)' /proc/self/status | tr '\\t' ' '; umask") { plan in
            (plan.process.uid, plan.process.gid, plan.process.groups) = (1000, 2000, [5, 3000])
            plan.process.capabilities = CapabilitySets(bounding: 0x401, effective: 0x400, permitted: 0x401, inheritable: 0x400, ambient: 0x400)
            plan.process.noNewPrivileges = true
            plan.process.umask = 0o027
        }
        #expect(status.contains("Uid: 1000 1000 1000 1000\n") && status.contains("Gid: 2000 2000 2000 2000\n") && status.contains("Groups: 5 3000"))
        #expect(status.contains("CapInh: 0000000000000400\nCapPrm: 0000000000000400\nCapEff: 0000000000000400\nCapBnd: 0000000000000401\nCapAmb: 0000000000000400\n"))
        #expect(status.contains("NoNewPrivs: 1\n") && status.contains("Seccomp: 0\n") && status.hasSuffix("0027\n"))
        let root = try node.shell("root", "grep Cap /proc/self/status | tr -d '\\t'")
        #expect(root == "CapInh:0000000000000000\nCapPrm:00000000a80425fb\nCapEff:00000000a80425fb\nCapBnd:00000000a80425fb\nCapAmb:0000000000000000\n")
    }

    @Test(arguments: [true, false]) func seccompIsInForce(noNewPrivileges: Bool) throws {
        let output = try node.shell("seccomp", "mkdir /tmp/x 2>&1; touch /tmp/y && echo fine; grep Seccomp: /proc/self/status | tr -d '\\t'") { plan in
            plan.process.seccomp = ShimIsolationTests.refuseMkdir
            plan.process.noNewPrivileges = noNewPrivileges
        }
        #expect(output == "mkdir: can't create directory '/tmp/x': Operation not permitted\nfine\nSeccomp:2\n")
    }

    /// mkdir and mkdirat; arm64 has the second alone.
    #if arch(x86_64)
    static let mkdirNumbers: (UInt32, UInt32) = (83, 258)
    #else
    static let mkdirNumbers: (UInt32, UInt32) = (34, 34)
    #endif

    /// A hand-made program: mkdir and mkdirat fail with EPERM, all else is allowed.
    static let refuseMkdir: [UInt8] = {
        func instruction(_ code: UInt16, _ jt: UInt8, _ jf: UInt8, _ k: UInt32) -> [UInt8] {
            [UInt8(code & 0xff), UInt8(code >> 8), jt, jf] + (0..<4).map { UInt8(truncatingIfNeeded: k >> (8 * $0)) }
        }
        return instruction(0x20, 0, 0, 0) // ld [nr]
            + instruction(0x15, 1, 0, mkdirNumbers.0) // jeq mkdir
            + instruction(0x15, 0, 1, mkdirNumbers.1) // jeq mkdirat
            + instruction(0x06, 0, 0, 0x0005_0001) // ret ERRNO(EPERM)
            + instruction(0x06, 0, 0, 0x7fff_0000) // ret ALLOW
    }()

    @Test func aReadOnlyRootRefusesWrites() throws {
        let output = try node.shell("ro", "touch /x 2>&1; touch /dev/shm/fine && echo shm; touch /data/fine && echo data") { plan in
            plan.root.readOnly = true
            try? Files.makeDirectory("\(node.path)/volume") // the mount tells if it is missing
            plan.mounts.append(MountPlan(.bind, target: "/data", source: "\(node.path)/volume"))
        }
        #expect(output == "touch: /x: Read-only file system\nshm\ndata\n")
        #expect(Files.exists("\(node.path)/volume/fine"))
    }

    @Test func volumesAreBound() throws {
        try Files.makeDirectories("\(node.path)/volume/sub")
        try Files.write(Array("inside".utf8), to: "\(node.path)/volume/sub/file", mode: 0o644)
        try Files.write(Array("token".utf8), to: "\(node.path)/secret", mode: 0o644)
        // A subPath, resolved once by the agent: later swaps of the path do not matter.
        let path = "\(node.path)/volume/sub"
        let folder = try Namespaces.inside("/proc/self/fd/\(node.mountNamespace.raw)", .mount) { try openFile(path, [.path, .directory]) }
        try Files.rename("\(node.path)/volume/sub", to: "\(node.path)/volume/moved")
        var plan = node.plan("volumes", ["sh", "-c", "cat /a/b/c/file /run/secret; echo; touch /run/secret 2>&1; touch /a/b/c/new && echo new"])
        var sub = MountPlan(.bind, target: "/a/b/c")
        sub.descriptor = 1
        plan.mounts += [sub, MountPlan(.bind, target: "/run/secret", source: "\(node.path)/secret", readOnly: true)]
        _ = try node.run(plan, descriptors: [folder])
        #expect(try node.output("volumes") == "insidetoken\ntouch: /run/secret: Read-only file system\nnew\n")
        #expect(Files.exists("\(node.path)/volume/moved/new"))
    }

    @Test func linksInTheImageDoNotLeadMountsOutside() throws {
        try Files.makeDirectories("\(node.path)/victim")
        try Files.makeDirectories("\(node.path)/volume")
        try Files.write([], to: "\(node.path)/volume/marker", mode: 0o644)
        try Files.symlink("\(node.path)/victim", at: "\(node.lower)/absolute")
        try Files.symlink("../../../../../..\(node.path)/victim", at: "\(node.lower)/upwards")
        try Files.makeDirectories("\(node.lower)\(node.path)/victim")
        let output = try node.shell("links", "ls /absolute /upwards") { plan in
            plan.mounts += [MountPlan(.bind, target: "/absolute", source: "\(node.path)/volume"), MountPlan(.bind, target: "/upwards", source: "\(node.path)/volume")]
        }
        #expect(output == "/absolute:\nmarker\n\n/upwards:\nmarker\n")
        #expect(try Files.list("\(node.path)/victim").isEmpty)
    }

    @Test func theWorkingDirectoryIsMadeAndEntered() throws {
        #expect(try node.shell("cwd", "pwd") { $0.process.workingDirectory = "/made/for/me" } == "/made/for/me\n")
        #expect(try node.shell("env", "echo $A:$HOME") { $0.process.environment.append("A=b") } == "b:/root\n")
    }

    @Test func limitsAndOOMScoreAreSet() throws {
        let output = try node.shell("limits", "grep -E 'open files|core file' /proc/self/limits | tr -s ' '; cat /proc/self/oom_score_adj") { plan in
            plan.process.limits = [ResourceLimit(resource: 7, soft: 100, hard: 200), ResourceLimit(resource: 4, soft: 0, hard: 0)]
            plan.process.oomScoreAdjustment = 500
        }
        #expect(output.contains("Max open files 100 200 files") && output.contains("Max core file size 0 0 bytes") && output.hasSuffix("500\n"))
    }

    @Test func loweringTheOOMScoreDegradesWithANote() throws {
        let canLower = try Credentials.capabilities().effective & (1 << 24) != 0 // CAP_SYS_RESOURCE
        let output = try node.shell("oom", "cat /proc/self/oom_score_adj") { $0.process.oomScoreAdjustment = -997 }
        let notes = node.inbox.all.filter { $0.kind == .note }
        if canLower {
            #expect(output == "-997\n" && notes.isEmpty)
        } else {
            #expect(output == "0\n" && notes.count == 1 && notes[0].message.contains("CAP_SYS_RESOURCE") && notes[0].container == "oom")
        }
    }

    /// In every hierarchy, whichever way: born in v2, moved by one thread in v1; a command, too.
    @Test(arguments: [true, false]) func processesAreInTheirCgroups(bornInV2: Bool) throws {
        let cgroup = try CgroupRoot(prefix: "swiftlet-test-\(node.path.split(separator: "-").last ?? "")").cgroup("")
        let made = try cgroup.create()
        defer {
            #expect(throws: Never.self) {
                try cgroup.kill()
                try cgroup.remove()
            }
        }
        var plan = node.plan("in", ["sleep", "1000"])
        (plan.cgroups, plan.birthCgroup) = (made.all, bornInV2 ? made.v2 ?? "" : "")
        let pid = try node.start(plan)
        var exec = ExecPlan()
        (exec.container, exec.id, exec.process) = ("in", 1, node.plan("in", ["sleep", "1000"]).process)
        let null = try openFile("/dev/null", .readWrite)
        let command = try node.connection.call(.exec(exec), descriptors: [null, null, null]).reply.pid
        for directory in made.all {
            let members = try Set(Files.readString("\(directory)/cgroup.procs").split(separator: "\n").compactMap { Int32($0) })
            #expect(members == [pid, command], "\(directory)")
        }
    }

    @Test func theOutOfMemoryKillerIsTold() throws {
        let cgroup = try CgroupRoot(prefix: "swiftlet-test-\(node.path.split(separator: "-").last ?? "")").cgroup("")
        let made = try cgroup.create(CgroupResources(memoryLimit: 16 << 20))
        defer { #expect(throws: Never.self) { try cgroup.remove() } }
        var plan = node.plan("oom", ["sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M count=1"])
        (plan.cgroups, plan.birthCgroup) = (made.all, made.v2 ?? "")
        plan.oomEventsPath = try #require(["memory.events", "memory.oom_control"].map { "\(made.memory ?? "")/\($0)" }.first { Files.exists($0) })
        let record = try node.run(plan)
        #expect(record.outOfMemory && record.code != 0)
        var fine = node.plan("fine", ["true"])
        (fine.cgroups, fine.oomEventsPath) = (plan.cgroups, plan.oomEventsPath)
        #expect(try !node.run(fine).outOfMemory, "kills before the container do not count")
    }
}
