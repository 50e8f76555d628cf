import Cgroups
import Images
import LinuxSystem
import Runtime
import Testing

/// Real containers through the whole runtime: image, plan, shim, kernel.
@Suite(.privileged, .serialized) struct RuntimeContainerTests {
    @Test func runsAndReports() async throws {
        try await TestNode.run { node in
            let events = try await node.runtime.events()
            let status = try await node.runtime.runSandbox(node.sandbox())
            #expect(status.state == .ready && status.addresses == ["10.99.0.2"])
            let id = try await node.runtime.createContainer(in: status.id, node.container("main", "echo out; echo err >&2; exit 3"))
            #expect(id.count == 64)
            #expect(await (try node.runtime.containers(in: status.id)).map(\.state) == [.created])
            try await node.runtime.startContainer(id)
            let exit = try await TestNode.exit(of: id, events)
            #expect(exit.code == 3 && exit.reason == "Error" && exit.signal == nil && exit.finishedAt > 0)
            #expect(Set(try node.log()) == ["out", "err"])
            let containers = try await node.runtime.containers(in: nil)
            #expect(containers.map(\.state) == [.exited(exit)])
            #expect(containers[0].startedAt > 0 && containers[0].createdAt <= containers[0].startedAt && containers[0].startedAt <= exit.finishedAt)
            try await node.runtime.removeContainer(id)
            try await node.runtime.removeContainer(id)
            #expect(try await node.runtime.containers(in: nil).isEmpty)
            try await node.runtime.stopSandbox(status.id)
            try await node.runtime.stopSandbox(status.id)
            #expect(try await node.runtime.sandboxes().map(\.state) == [.notReady])
            try await node.runtime.removeSandbox(status.id)
            try await node.runtime.removeSandbox(status.id)
            #expect(try await node.runtime.sandboxes().isEmpty)
            #expect(node.network.attached.isEmpty)
            try node.audit()
        }
    }

    @Test func processIsAsConfigured() async throws {
        try await TestNode.run { node in
            let script = """
                echo "env:$FROM_IMAGE:$GIVEN:$HOSTNAME:$HOME:$PATH"; pwd; id -u; id -g; id -G; hostname; cat /proc/1/comm; umask
                grep -E 'NoNewPrivs|CapEff|CapBnd|Seccomp:' /proc/self/status; cat /proc/self/oom_score_adj; ulimit -n; ls /proc/self/fd | wc -l
                """
            let (exit, output) = try await node.runToEnd(script) {
                $0.environment = [EnvironmentVariable(name: "GIVEN", value: "by the pod")]
                $0.workingDirectory = "/made/by/runtime"
                $0.security.user = 1000
                $0.security.supplementalGroups = [77]
                $0.security.noNewPrivileges = true
                $0.resources.oomScoreAdjustment = 500
            }
            #expect(exit.code == 0, "\(output)")
            #expect(output.prefix(8) == [
                "env:yes:by the pod:host-pod:/home/tester:/bin:/usr/bin", "/made/by/runtime", "1000", "1000", "1000 50 77", "host-pod", "sh", "0022",
            ])
            #expect(output.contains("NoNewPrivs:\t1") && output.contains("Seccomp:\t2"))
            #expect(output.contains("CapEff:\t0000000000000000") && output.contains("CapBnd:\t00000000a80425fb"))
            // 0, 1, 2 and the directory that ls itself reads.
            #expect(output.suffix(3).first == "500" && output.last == "4", "\(output)")
        }
    }

    @Test func isIsolated() async throws {
        try await TestNode.run { node in
            let events = try await node.runtime.events()
            let other = try await node.run("exec sleep 1000", pod: "other")
            _ = other
            let script = """
                ls -d /proc/[0-9]* | wc -l; ls /; ls /sys/class/net; ls -A /proc/acpi /sys/firmware 2>/dev/null | grep -v : ; head -c1 /proc/kcore | wc -c
                echo x 2>/dev/null > /proc/sys/kernel/hostname || echo proc-sys-is-read-only
                touch /sys/x 2>/dev/null || echo sys-is-read-only
                mount -t tmpfs none /tmp 2>/dev/null || echo mount-is-forbidden
                mknod /tmp/sda b 8 0 && head -c1 /tmp/sda 2>/dev/null || echo no-block-device
                ls -A /sys/fs/cgroup | head -1 >/dev/null && touch /sys/fs/cgroup/x 2>/dev/null || echo cgroup-is-read-only
                """
            let (exit, output) = try await node.runToEnd(script, pod: "pod")
            #expect(exit.code == 0, "\(output)")
            // The shell and ls.
            #expect(output.first.flatMap { Int($0) }.map { $0 <= 3 } == true, "other processes are visible: \(output)")
            #expect(!output.contains { $0.contains("swiftlet") }, "the host is visible: \(output)")
            #expect(output.contains("lo") && !output.contains("eth0"))
            for line in ["proc-sys-is-read-only", "sys-is-read-only", "mount-is-forbidden", "no-block-device", "cgroup-is-read-only"] {
                #expect(output.contains(line), "\(line) is missing in \(output)")
            }
            #expect(output.contains("0"), "a masked file can be read")
            _ = events
        }
    }

    @Test func memoryLimitEndsInOOMKilled() async throws {
        try await TestNode.run { node in
            let (exit, _) = try await node.runToEnd("exec tail /dev/zero") { $0.resources.memoryLimit = 24 << 20 }
            #expect(exit.reason == "OOMKilled" && exit.code == 137 && exit.signal == 9)
        }
    }

    @Test func cpuLimitThrottles() async throws {
        try await TestNode.run { node in
            let made = try await node.run("while :; do :; done") { $0.resources.cpuQuota = 5000; $0.resources.cpuPeriod = 100_000 }
            let cgroup = try node.cgroupRoot.cgroup("kubepods/besteffort/podpod/\(made.container)")
            try await TestNode.eventually("the container is throttled") { try (cgroup.statistics().cpuThrottledPeriods ?? 0) > 2 }
            let used = try #require(try cgroup.statistics().cpuUsage)
            #expect(used < 2_000_000_000, "the limit of a twentieth of a CPU has no effect")
        }
    }

    @Test func pidLimitHolds() async throws {
        try await TestNode.run { node in
            let (_, output) = try await node.runToEnd("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 5 & done 2>&1; echo end") { $0.resources.pidsLimit = 5 }
            #expect(output.contains { $0.contains("fork") }, "\(output)")
        }
    }

    @Test func forbiddenSystemCallsFail() async throws {
        try await TestNode.run { node in
            let script = "unshare -m true 2>/dev/null && echo unshared || echo refused"
            let add: (inout ContainerConfiguration) -> Void = { $0.security.addCapabilities = ["SYS_ADMIN"] }
            #expect(try await node.runToEnd(script, pod: "default").output == ["refused"])
            #expect(try await node.runToEnd(script, pod: "admin", container: add).output == ["unshared"])
            // With the capability but without the call: a profile of the node's own.
            try Files.makeDirectories(node.base + "/data/seccomp")
            let profile = #"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["unshare"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}"#
            try Files.write(Array(profile.utf8), to: node.base + "/data/seccomp/no-unshare.json")
            #expect(try await node.runToEnd(script, pod: "profile") {
                $0.security.addCapabilities = ["SYS_ADMIN"]
                $0.security.seccomp = .localhost(path: "no-unshare.json")
            }.output == ["refused"])
            let sandbox = try await node.runtime.runSandbox(node.sandbox("escape"))
            await #expect(throws: RuntimeError.self) {
                try await node.runtime.createContainer(in: sandbox.id, node.container("main", "true") { $0.security.seccomp = .localhost(path: "../../secret") })
            }
        }
    }

    @Test func mountsAndReadOnlyRoot() async throws {
        try await TestNode.run { node in
            try Files.makeDirectories(node.base + "/volume/sub")
            try Files.write(Array("content".utf8), to: node.base + "/volume/file")
            let script = """
                cat /v/file /file; echo; touch /v/new && echo writable; touch /ro/new 2>/dev/null || echo read-only; touch /new 2>/dev/null || echo root-read-only
                mkdir /dev/shm/x && echo shm; cat /etc/hosts
                """
            let (exit, output) = try await node.runToEnd(script) {
                $0.mounts = [
                    Mount(source: node.base + "/volume", target: "/v"), Mount(source: node.base + "/volume", target: "/ro", readOnly: true),
                    Mount(source: node.base + "/volume/file", target: "/file", readOnly: true), Mount(source: node.base + "/volume/file", target: "/etc/hosts"),
                ]
                $0.security.readOnlyRootFilesystem = true
            }
            #expect(exit.code == 0)
            #expect(output == ["contentcontent", "writable", "read-only", "root-read-only", "shm", "content"])
            #expect(Files.exists(node.base + "/volume/new"))
        }
    }

    @Test func privilegedSeesDevicesAndMayMount() async throws {
        try await TestNode.run { node in
            let (_, output) = try await node.runToEnd("mount -t tmpfs none /tmp && echo mounted; echo 1 > /proc/sys/net/ipv4/ip_forward && echo wrote; grep CapEff /proc/self/status") {
                $0.security.privileged = true
            }
            #expect(output.prefix(2) == ["mounted", "wrote"], "\(output)")
            let own = try Files.readString("/proc/self/status").split(separator: "\n").first { $0.hasPrefix("CapPrm") }
            #expect(output.last?.split(separator: "\t").last == own?.split(separator: "\t").last)
        }
    }

    @Test(arguments: [
        ("no-such-program", "exec: \"no-such-program\": executable file not found in $PATH", Int32(2), Int32(127)),
        ("/bin/nothing", "exec: \"/bin/nothing\": no such file or directory", 2, 127),
        ("/etc/passwd", "exec: \"/etc/passwd\": permission denied", 13, 128),
    ])
    func commandsThatCannotRun(program: String, message: String, errno: Int32, code: Int32) async throws {
        try await TestNode.run { node in
            let sandbox = try await node.runtime.runSandbox(node.sandbox())
            let id = try await node.runtime.createContainer(in: sandbox.id, node.container("main", "") { $0.command = [program] })
            let error = await #expect(throws: RuntimeError.self) { try await node.runtime.startContainer(id) }
            #expect(error?.code == .startFailed && error?.errno == errno && error?.step == "execve")
            #expect(error?.message.hasPrefix(message) == true, "\(String(describing: error))")
            guard case .exited(let exit)? = try await node.runtime.containers(in: sandbox.id).first?.state else {
                Issue.record("a container that cannot run has not exited")
                return
            }
            #expect(exit.reason == "ContainerCannotRun" && exit.code == code)
            try await node.runtime.removeContainer(id)
        }
    }

    @Test func refusedConfigurationsLeaveNothing() async throws {
        try await TestNode.run { node in
            let sandbox = try await node.runtime.runSandbox(node.sandbox())
            let refused: [(RuntimeError.Code, (inout ContainerConfiguration) -> Void)] = [
                (.imageNotFound, { $0.image = "localhost/missing:1" }),
                (.invalidConfiguration, { $0.security.addCapabilities = ["NONSENSE"] }),
                (.invalidConfiguration, { $0.logPath = "../escape" }),
                (.createFailed, { $0.security.seccomp = .localhost(path: "missing.json") }),
                (.createFailed, { $0.resources.cpuPeriod = 1 }),
            ]
            for (code, change) in refused {
                let error = await #expect(throws: RuntimeError.self) { try await node.runtime.createContainer(in: sandbox.id, node.container("main", "true", change)) }
                #expect(error?.code == code, "\(String(describing: error))")
            }
            #expect(try Files.list(node.base + "/data/containers").isEmpty)
            #expect(try node.images.holds().isEmpty)
            await #expect(throws: RuntimeError.self) { try await node.runtime.startContainer("none") }
            await #expect(throws: RuntimeError.self) { try await node.runtime.createContainer(in: "none", node.container("main", "true")) }
            await #expect(throws: RuntimeError.self) { try await node.runtime.runSandbox(node.sandbox()) }
        }
    }
}
