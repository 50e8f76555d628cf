import Cgroups
import LinuxSystem
import Runtime
import Testing

/// What the containers of a pod have in common, and how they end.
@Suite(.privileged, .serialized) struct RuntimePodTests {
    private static let namespaces = "for n in net ipc uts pid mnt user cgroup; do readlink /proc/self/ns/$n; done; exec sleep 1000"

    private static func twoContainers(_ node: TestNode, _ change: (inout SandboxConfiguration) -> Void = { _ in }) async throws -> ([String], [String]) {
        let sandbox = try await node.runtime.runSandbox(node.sandbox("pod", change))
        var outputs: [[String]] = []
        for name in ["one", "two"] {
            let id = try await node.runtime.createContainer(in: sandbox.id, node.container(name, namespaces))
            try await node.runtime.startContainer(id)
            // Both stay: the kernel uses the numbers of namespaces that are gone again.
            try await TestNode.eventually("the script has written") { try node.log(container: name).count == 7 }
            outputs.append(try node.log(container: name))
        }
        return (outputs[0], outputs[1])
    }

    @Test func containersShareNetworkIPCAndHostname() async throws {
        try await TestNode.run { node in
            let (one, two) = try await Self.twoContainers(node)
            #expect(one.count == 7)
            #expect(Array(one[..<3]) == Array(two[..<3]), "network, IPC and UTS are the pod's")
            #expect(one[3] != two[3] && one[4] != two[4], "PID and mounts are the container's")
            let host = try ["net", "ipc", "uts", "pid", "mnt"].map { try Files.readLink("/proc/self/ns/\($0)") }
            for (index, name) in host.enumerated() { #expect(one[index] != name, "\(name) is the host's") }
            #expect(one[5] == (try Files.readLink("/proc/self/ns/user")))
        }
    }

    @Test func hostNamespacesAreTheHosts() async throws {
        try await TestNode.run { node in
            let (one, _) = try await Self.twoContainers(node) { $0.hostNetwork = true; $0.hostIPC = true; $0.hostPID = true }
            for (index, kind) in ["net", "ipc", "uts", "pid"].enumerated() { #expect(one[index] == (try Files.readLink("/proc/self/ns/\(kind)"))) }
            #expect(node.network.attached.isEmpty)
        }
    }

    @Test func processesCanBeShared() async throws {
        try await TestNode.run { node in
            let sandbox = try await node.runtime.runSandbox(node.sandbox("pod") { $0.shareProcessNamespace = true })
            let first = try await node.runtime.createContainer(in: sandbox.id, node.container("one", "exec sleep 4242"))
            try await node.runtime.startContainer(first)
            let second = try await node.runtime.createContainer(in: sandbox.id, node.container("two", "exec sleep 1000"))
            try await node.runtime.startContainer(second)
            let result = try await node.exec(second, ["ps"])
            #expect(result.output.contains("sleep 4242"), "\(result)")
            try await node.runtime.stopContainer(first, signal: nil, grace: .zero)
            #expect(try await node.exec(second, ["true"]).code == 0)
        }
    }

    @Test func userNamespaceMapsRoot() async throws {
        try await TestNode.run { node in
            let script = "cat /proc/self/uid_map; id -u; touch /made-by-root && stat -c %u /made-by-root /bin/busybox; ls /sys/class/net; exec sleep 1000"
            let made = try await node.run(script, sandbox: { $0.hostUsers = false })
            try await TestNode.eventually("the script has written") { try node.log().contains("lo") }
            let output = try node.log()
            #expect(output.first?.split(separator: " ").map(String.init) == ["0", "1879048192", "65536"], "\(output)")
            #expect(output.dropFirst().prefix(3) == ["0", "0", "0"], "\(output)")
            guard case .running(let pid)? = try await node.runtime.containers(in: made.sandbox).first?.state else {
                Issue.record("not running")
                return
            }
            #expect(try Files.status("/proc/\(pid)").uid == 1_879_048_192, "root of the pod is nobody on the host")
            try await node.runtime.stopSandbox(made.sandbox)
            try await node.runtime.removeSandbox(made.sandbox)
        }
    }

    @Test func stopSendsTheSignalThenKills() async throws {
        try await TestNode.run { node in
            let events = try await node.runtime.events()
            let polite = try await node.run("trap 'echo got-it; exit 7' TERM; echo ready; while :; do sleep 0.05; done", pod: "polite")
            try await TestNode.eventually("the trap is set") { try node.log(pod: "polite") == ["ready"] }
            try await node.runtime.stopContainer(polite.container, signal: nil, grace: .seconds(20))
            #expect(try await TestNode.exit(of: polite.container, events).code == 7)
            #expect(try node.log(pod: "polite") == ["ready", "got-it"])

            let stubborn = try await node.run("trap '' TERM; echo ready; while :; do sleep 0.05; done", pod: "stubborn")
            try await TestNode.eventually("the trap is set") { try node.log(pod: "stubborn") == ["ready"] }
            let clock = ContinuousClock()
            let time = try await clock.measure { try await node.runtime.stopContainer(stubborn.container, signal: nil, grace: .milliseconds(300)) }
            #expect(time >= .milliseconds(300) && time < .seconds(5))
            guard case .exited(let exit)? = try await node.runtime.containers(in: stubborn.sandbox).first?.state else {
                Issue.record("not exited after stop")
                return
            }
            #expect(exit.code == 137 && exit.signal == 9)
            try await node.runtime.stopContainer(stubborn.container, signal: nil, grace: .seconds(1))
        }
    }

    @Test func execRunsInTheContainer() async throws {
        try await TestNode.run { node in
            let made = try await node.run("exec sleep 1000") { $0.security.user = 1000 }
            let result = try await node.exec(made.container, ["sh", "-c", "echo out; echo err >&2; id -u; cat /proc/1/comm; exit 5"])
            #expect(result.code == 5 && result.output == "out\n1000\nsleep\n" && result.errors == "err\n")
            #expect(try await node.exec(made.container, ["sh", "-c", "kill -9 $$"]).code == 137)

            let session = try await node.runtime.exec(in: made.container, ExecRequest(command: ["cat"], stdin: true))
            let input = FileDescriptor(owning: try #require(session.input))
            try input.writeAll(Array("through the pipe".utf8))
            input.close()
            _ = FileDescriptor(owning: try #require(session.errorOutput))
            #expect(try await TestNode.readAll(FileDescriptor(owning: session.output)) == "through the pipe")
            #expect(try await session.wait() == 0)

            let missing = await #expect(throws: RuntimeError.self) { try await node.exec(made.container, ["no-such-program"]) }
            #expect(missing?.message.contains("executable file not found in $PATH") == true)
            #expect(missing?.code == .execFailed)
        }
    }

    @Test func execTimeoutAndKill() async throws {
        try await TestNode.run { node in
            let made = try await node.run("exec sleep 1000")
            let error = await #expect(throws: RuntimeError.self) { try await node.exec(made.container, ["sleep", "1000"], timeout: .milliseconds(200)) }
            #expect(error?.code == .timedOut)
            let session = try await node.runtime.exec(in: made.container, ExecRequest(command: ["sleep", "1000"]))
            for number in [session.output, try #require(session.errorOutput)] { FileDescriptor(owning: number).close() }
            await session.kill()
            #expect(try await session.wait() == 137)
            #expect(try await node.exec(made.container, ["ps"]).output.contains("sleep 1000"), "the container itself goes on")
        }
    }

    @Test func execWithATerminal() async throws {
        try await TestNode.run { node in
            let made = try await node.run("exec sleep 1000")
            let session = try await node.runtime.exec(
                in: made.container, ExecRequest(command: ["sh", "-c", "tty; read line; stty size; echo got:$line"], tty: true, stdin: true))
            #expect(session.errorOutput == nil && session.input == session.output)
            let terminal = FileDescriptor(owning: session.output)
            try await session.resize(columns: 132, rows: 43)
            try terminal.writeAll(Array("hello\n".utf8))
            let output = try await TestNode.readAll(terminal)
            #expect(try await session.wait() == 0)
            #expect(output.contains("/dev/pts/0") && output.contains("43 132") && output.contains("got:hello"), "\(output)")
        }
    }

    @Test func stoppingASandboxEndsItsExecs() async throws {
        try await TestNode.run { node in
            let made = try await node.run("exec sleep 1000")
            let session = try await node.runtime.exec(in: made.container, ExecRequest(command: ["sleep", "1000"]))
            for number in [session.output, try #require(session.errorOutput)] { FileDescriptor(owning: number).close() }
            try await node.runtime.stopSandbox(made.sandbox)
            _ = try? await TestNode.deadline { try await session.wait() } // its code or the loss of the connection: either ends it
            await #expect(throws: RuntimeError.self) { try await node.exec(made.container, ["true"]) }
        }
    }

    /// A confined host cannot lower oom_score_adj: said once, when the agent starts, and not by every pod.
    @Test func whatTheHostCannotDoIsSaidOnce() async throws {
        try await TestNode.run { node in
            for index in 0..<3 {
                let (_, output) = try await node.runToEnd("cat /proc/self/oom_score_adj", pod: "p\(index)") { $0.resources.oomScoreAdjustment = -997 }
                #expect(output == [try Self.lowestScore()])
            }
            let lines = node.log.all.filter { $0.contains("oom_score_adj") }
            #expect(lines.count == (try Self.canLowerScores() ? 0 : 1), "\(lines)")
        }
    }

    private static func canLowerScores() throws -> Bool { try Credentials.capabilities().effective & (1 << 24) != 0 }

    private static func lowestScore() throws -> String {
        try canLowerScores() ? "-997" : String(Files.readString("/proc/self/oom_score_adj").dropLast())
    }

    @Test func logsAreOpenedAnew() async throws {
        try await TestNode.run { node in
            let made = try await node.run("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.02; done")
            let path = "\(node.base)/logs/pod/main/0.log"
            try await TestNode.eventually("there is a log") { try node.log().count > 3 }
            try Files.rename(path, to: path + ".old")
            try await node.runtime.reopenLog(of: made.container)
            try await TestNode.eventually("the new log fills") { try Files.exists(path) && node.log().count > 3 }
            let old = try Files.readString(path + ".old").split(separator: "\n").count
            try await node.runtime.stopContainer(made.container, signal: nil, grace: .zero)
            let new = try node.log()
            #expect(new.first == "line \(old + 1)", "no line is lost or written twice")
        }
    }

    @Test func podsRunInParallel() async throws {
        try await TestNode.run { node in
            let runtime = try node.runtime
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<10 {
                    let sandbox = node.sandbox("p\(index)")
                    let container = node.container("main", "echo $HOSTNAME; exec sleep 1000")
                    group.addTask {
                        let made = try await runtime.runSandbox(sandbox)
                        let id = try await runtime.createContainer(in: made.id, container)
                        try await runtime.startContainer(id)
                    }
                }
                try await group.waitForAll()
            }
            #expect(Set(try await runtime.sandboxes().flatMap(\.addresses)).count == 10)
            for sandbox in await runtime.sandboxes() {
                try await runtime.stopSandbox(sandbox.id)
                try await runtime.removeSandbox(sandbox.id)
            }
            try node.audit()
        }
    }
}
