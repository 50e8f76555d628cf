import Glibc
import LinuxSystem
import ShimProtocol
import Testing

@Suite(.privileged, .serialized) struct ShimExecTests {
    let node: ShimHarness
    init() throws {
        node = try ShimHarness()
        try node.start(node.plan("main", ["sleep", "1000"]))
    }

    private func plan(_ id: UInt64, _ arguments: [String]) -> ExecPlan {
        var plan = ExecPlan()
        (plan.container, plan.id) = ("main", id)
        plan.process = node.plan("main", arguments).process
        return plan
    }

    /// Runs a command with pipes and returns what it wrote.
    private func run(_ plan: ExecPlan, input: String = "") throws -> (output: String, errors: String, exit: ExitRecord) {
        let (stdin, stdout, stderr) = (try Descriptors.pipe(), try Descriptors.pipe(), try Descriptors.pipe())
        _ = try node.connection.call(.exec(plan), descriptors: [stdin.read, stdout.write, stderr.write])
        for file in [stdin.read, stdout.write, stderr.write] { file.close() }
        try stdin.write.writeAll(Array(input.utf8))
        stdin.write.close()
        let output = String(decoding: try stdout.read.readAll(), as: UTF8.self)
        let errors = String(decoding: try stderr.read.readAll(), as: UTF8.self)
        return (output, errors, try node.inbox.exit(ofExec: plan.id))
    }

    @Test func connectsTheStreams() throws {
        let result = try run(plan(1, ["sh", "-c", "cat; echo oops >&2; exit 5"]), input: "hello")
        #expect(result.output == "hello" && result.errors == "oops\n" && result.exit.code == 5 && !result.exit.timedOut)
        #expect(try node.output("main").isEmpty, "an exec's output is not in the log")
    }

    @Test func entersTheContainer() throws {
        let script = "for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done; ls /proc/self/fd | tr '\\n' ' '; readlink /proc/1/exe; hostname; pwd; readlink /proc/self/exe"
        let result = try run(plan(1, ["sh", "-c", script]))
        let container = node.inbox.all.first { $0.kind == .containerStarted }
        let pid = try #require(container?.pid)
        let lines = result.output.split(separator: "\n").map(String.init)
        for (index, kind) in ["net", "ipc", "uts", "pid", "mnt"].enumerated() {
            #expect(lines[index] == (try Files.readLink("/proc/\(pid)/ns/\(kind)")))
        }
        #expect(Array(lines[5...]) == ["0 1 2 3 /bin/busybox", "podhost", "/", "/bin/busybox"])
    }

    @Test func takesOnItsOwnCredentials() throws {
        var plan = plan(1, ["sh", "-c", "id -u; id -g; pwd; grep -E 'CapEff|NoNewPrivs' /proc/self/status | tr -d '\\t'; mkdir /tmp/x"])
        (plan.process.uid, plan.process.gid, plan.process.workingDirectory, plan.process.noNewPrivileges) = (1000, 1001, "/tmp", true)
        plan.process.seccomp = ShimIsolationTests.refuseMkdir
        let result = try run(plan)
        #expect(result.output == "1000\n1001\n/tmp\nCapEff:0000000000000000\nNoNewPrivs:1\n")
        #expect(result.errors.contains("Operation not permitted"))
    }

    @Test func aTerminalWorksAndHangsUp() throws {
        var plan = plan(1, ["sh", "-c", "tty; stty size; trap 'exit 33' HUP; echo waiting; read line; echo got $line; while :; do usleep 1000; done"])
        (plan.process.terminal, plan.process.columns, plan.process.rows) = (true, 97, 31)
        let answer = try node.connection.call(.exec(plan))
        let master = try #require(answer.descriptors.first)
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 1024)
        func read(until end: String) throws {
            while !text.contains(end) {
                let count = try buffer.withUnsafeMutableBytes { try master.read(into: $0) }
                guard count > 0 else { throw HarnessError(message: "the terminal ended before \(end): \(text)") }
                text += String(decoding: buffer[..<count], as: UTF8.self)
            }
        }
        // Typed earlier, the echo could come between the lines.
        try read(until: "waiting\r\n")
        #expect(text == "/dev/pts/0\r\n31 97\r\nwaiting\r\n")
        try master.writeAll(Array("abc\n".utf8))
        try read(until: "got abc")
        master.close()
        for descriptor in answer.descriptors { descriptor.close() }
        #expect(try node.inbox.exit(ofExec: 1).code == 33, "closing the only master hangs the terminal up")
    }

    @Test func timeoutsAreKeptByTheShim() throws {
        var plan = plan(1, ["sh", "-c", "sleep 1000"])
        plan.timeout = 100_000_000
        let before = Clocks.monotonic()
        let result = try run(plan)
        #expect(result.exit.timedOut && result.exit.signal == 9)
        #expect((100_000_000...5_000_000_000).contains(Clocks.monotonic() - before))
    }

    @Test func failuresNameTheStep() throws {
        let null = try openFile("/dev/null", .readWrite)
        let missing = #expect(throws: ShimError.self) { try node.connection.call(.exec(plan(1, ["/nonexistent"])), descriptors: [null, null, null]) }
        #expect(missing?.failure?.step == "execve" && missing?.failure?.errno == ENOENT)
        let few = #expect(throws: ShimError.self) { try node.connection.call(.exec(plan(2, ["true"])), descriptors: [null]) }
        #expect(few?.failure?.errno == EBADF)
        var elsewhere = plan(3, ["true"])
        elsewhere.container = "nowhere"
        #expect(throws: ShimError.self) { try node.connection.call(.exec(elsewhere), descriptors: [null, null, null]) }
        #expect(try run(plan(1, ["true"])).exit.code == 0, "the id is free again")
    }

    @Test func probesDieWithTheirConnection() throws {
        var plan = plan(1, ["sleep", "1000"])
        plan.killOnDisconnect = true
        let null = try openFile("/dev/null", .readWrite)
        let pid = try node.connection.call(.exec(plan), descriptors: [null, null, null]).reply.pid
        var other = self.plan(2, ["sleep", "1000"])
        other.killOnDisconnect = false
        let survivor = try node.connection.call(.exec(other), descriptors: [null, null, null]).reply.pid
        let pidfd = try Processes.openPidfd(pid)
        node.connection.close()
        let poller = try Poller()
        try poller.add(pidfd, .readable, token: 1)
        #expect(try poller.wait(milliseconds: 10_000).count == 1, "the probe must be killed")
        #expect(Files.exists("/proc/\(survivor)"))
        try node.reconnect(after: 0)
        _ = try node.connection.call(.killExec(id: 2, signal: SIGKILL))
    }

    @Test func anExecNeverHoldsTheShimsDescriptors() throws {
        // The answer to the start may be read before the shim has closed what the start needed; the next answer is not.
        _ = try node.connection.call(.status)
        let before = try Files.list("/proc/\(node.shimPID)/fd").count
        for id in 1...20 { #expect(try run(plan(UInt64(id), ["true"])).exit.code == 0) }
        _ = try node.connection.call(.status) // the shim has done all that came before
        #expect(try Files.list("/proc/\(node.shimPID)/fd").count == before)
    }

    @Test func attachedClientsSeeOutputAndGiveInput() throws {
        var container = node.plan("stdin", ["cat"])
        (container.process.stdin, container.process.stdinOnce) = (true, true)
        try node.start(container)
        let (input, output) = (try Descriptors.pipe(), try Descriptors.pipe())
        _ = try node.connection.call(.attach(container: "stdin", input: true, output: true, errorOutput: false), descriptors: [input.read, output.write])
        input.read.close()
        output.write.close()
        // More than the pipes hold, so that input has to wait for the container.
        let text = String(repeating: "0123456789abcde\n", count: 20_000)
        let writer = input.write
        let expected = Array(text.utf8)
        let done = try Descriptors.pipe()
        try Processes.onThread { 
            try? writer.writeAll(expected)
            writer.close()
            done.write.close()
        }
        let read = try output.read.readAll()
        // Not the arrays themselves: their difference takes minutes to print.
        let isSame = read == expected
        #expect(isSame, "found \(read.count) of \(expected.count) bytes")
        _ = try done.read.readAll()
        #expect(try node.inbox.exit(of: "stdin").code == 0, "stdinOnce ends the input with the first client")
        let isLogged = try node.output("stdin") == text
        #expect(isLogged)
    }

    @Test func aTerminalContainerLogsAndTakesInput() throws {
        var container = node.plan("tty", ["sh", "-c", "tty; test -t 0 && test -t 1 && echo terminal; read line; echo got $line; stty size"])
        (container.process.terminal, container.process.stdin, container.process.columns, container.process.rows) = (true, true, 80, 24)
        try node.start(container)
        _ = try node.connection.call(.resize(container: "tty", columns: 120, rows: 40))
        let input = try Descriptors.pipe()
        _ = try node.connection.call(.attach(container: "tty", input: true, output: false, errorOutput: false), descriptors: [input.read])
        try input.write.writeAll(Array("hello\n".utf8))
        #expect(try node.inbox.exit(of: "tty").code == 0)
        let log = try node.output("tty")
        // The terminal echoes what is typed, at whatever moment it comes.
        #expect(log.contains("/dev/pts/0\r\n") && log.contains("terminal\r\n") && log.contains("got hello\r\n40 120\r\n"), "\(log)")
    }
}

extension Processes {
    /// A thread that a test does not wait for.
    fileprivate static func onThread(_ body: @escaping @Sendable () -> Void) throws {
        final class Box { let body: @Sendable () -> Void; init(_ body: @escaping @Sendable () -> Void) { self.body = body } }
        var thread = pthread_t()
        let error = pthread_create(&thread, nil, { raw in
            Unmanaged<Box>.fromOpaque(raw!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
        guard error == 0 else { throw SystemError(operation: "pthread_create", errno: error) }
        pthread_detach(thread)
    }
}
