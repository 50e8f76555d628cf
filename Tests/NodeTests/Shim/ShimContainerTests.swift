import Glibc
import LinuxSystem
import ShimProtocol
import Testing

@Suite(.privileged, .serialized) struct ShimContainerTests {
    let node: ShimHarness
    init() throws { node = try ShimHarness() }

    @Test func tellsExitCodes() throws {
        let success = try node.run(node.plan("a", ["/bin/true"]))
        #expect(success.code == 0 && success.signal == nil && success.failure == nil)
        #expect(success.startedAt > 0 && success.finishedAt >= success.startedAt)
        #expect(try node.run(node.plan("b", ["sh", "-c", "exit 7"])).code == 7)
        let stored = try ExitRecord(decoding: Files.read("\(node.pod)/b.exit"))
        #expect(stored == (try node.inbox.exit(of: "b")))
        #expect(stored.version == ExitRecord.currentVersion)
    }

    @Test func deliversSignals() throws {
        try node.start(node.plan("trap", ["sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 1000 & wait; done"]))
        try node.start(node.plan("kill", ["sleep", "1000"]))
        // The trap is set when "ready" is in the log: a file, so it is looked at again and again.
        let deadline = Clocks.monotonic() + 10_000_000_000
        while try !node.output("trap").contains("ready"), Clocks.monotonic() < deadline { usleep(1000) }
        _ = try node.connection.call(.kill(container: "trap", signal: SIGTERM))
        #expect(try node.inbox.exit(of: "trap").code == 9)
        _ = try node.connection.call(.kill(container: "kill", signal: SIGKILL))
        let killed = try node.inbox.exit(of: "kill")
        #expect(killed.code == 137 && killed.signal == 9)
        _ = try node.connection.call(.kill(container: "kill", signal: SIGKILL)) // ended already: success
    }

    @Test func aMissingProgramNamesStepAndErrno() throws {
        _ = try node.connection.call(.create(node.plan("missing", ["nonexistent"])))
        let error = #expect(throws: ShimError.self) { try node.connection.call(.start(container: "missing")) }
        #expect(error?.failure?.step == "execve" && error?.failure?.errno == ENOENT && error?.failure?.path == "nonexistent")
        let record = try node.inbox.exit(of: "missing")
        #expect(record.failure?.step == "execve" && record.startedAt == 0)
        #expect(!node.inbox.all.contains { $0.kind == .containerStarted })

        _ = try node.connection.call(.create(node.plan("denied", ["/etc/passwd"])))
        let denied = #expect(throws: ShimError.self) { try node.connection.call(.start(container: "denied")) }
        #expect(denied?.failure?.errno == EACCES)
    }

    /// Create and start in one.
    @Test func runNeedsOneRequest() throws {
        let answer = try node.connection.call(.run(node.plan("a", ["sh", "-c", "echo here; exit 3"])))
        #expect(answer.reply.pid > 0)
        #expect(try node.inbox.exit(of: "a").code == 3)
        #expect(node.inbox.all.map(\.kind) == [.containerStarted, .containerExited] && node.inbox.all[0].pid == answer.reply.pid)
        #expect(try node.output("a") == "here\n")
        var terminal = node.plan("tty", ["sh", "-c", "tty; tty > /dev/console"])
        terminal.process.terminal = true
        _ = try node.connection.call(.run(terminal))
        #expect(try node.inbox.exit(of: "tty").code == 0)
        #expect(try node.output("tty") == "/dev/pts/0\r\n/dev/pts/0\r\n")
    }

    /// Whatever step fails, the container has exited and says why, until it is deleted.
    @Test func aFailedRunTellsTheStep() throws {
        var plan = node.plan("a", ["true"])
        plan.mounts.append(MountPlan(.bind, target: "/data", source: "/nonexistent/source"))
        for (plan, step) in [(plan, "open_tree"), (node.plan("b", ["nonexistent"]), "execve")] {
            let error = #expect(throws: ShimError.self) { try node.connection.call(.run(plan)) }
            #expect(error?.failure?.step == step && error?.failure?.errno == ENOENT)
            let record = try node.inbox.exit(of: plan.id)
            #expect(record.failure == error?.failure && record.startedAt == 0)
            #expect(try node.connection.call(.status).reply.containers.first { $0.id == plan.id }?.exit == record)
            _ = try node.connection.call(.delete(container: plan.id))
            #expect(try node.run(node.plan(plan.id, ["true"])).code == 0)
        }
    }

    @Test func aFailedCreateLeavesNothing() throws {
        var plan = node.plan("a", ["true"])
        plan.mounts.append(MountPlan(.bind, target: "/data", source: "/nonexistent/source"))
        let error = #expect(throws: ShimError.self) { try node.connection.call(.create(plan)) }
        #expect(error?.failure?.path == "/nonexistent/source" && error?.failure?.errno == ENOENT)
        #expect(try node.connection.call(.status).reply.containers.isEmpty)
        #expect(try node.run(node.plan("a", ["true"])).code == 0)
    }

    @Test func refusesWhatIsNotPossible() throws {
        try node.start(node.plan("a", ["sleep", "1000"]))
        for request: ShimRequest in [.create(node.plan("a", ["true"])), .start(container: "a"), .start(container: "zzz"), .delete(container: "a"),
                                     .create(node.plan("../x", ["true"])), .resize(container: "a", columns: 1, rows: 1)] {
            #expect(throws: ShimError.self) { try node.connection.call(request) }
        }
        _ = try node.connection.call(.delete(container: "zzz")) // idempotent
    }

    @Test func deleteForgets() throws {
        _ = try node.run(node.plan("a", ["true"]))
        _ = try node.connection.call(.create(node.plan("b", ["true"]))) // created, never started
        #expect(try node.connection.call(.status).reply.containers.map(\.state) == [.exited, .created])
        _ = try node.connection.call(.delete(container: "a"))
        _ = try node.connection.call(.delete(container: "b"))
        #expect(!Files.exists("\(node.pod)/a.exit"))
        #expect(try node.run(node.plan("a", ["false"])).code == 1)
        #expect(try node.connection.call(.status).reply.containers.map(\.id) == ["a"])
    }

    @Test func containersOfAPodShareWhatTheyShould() throws {
        // Both run while they are compared: the kernel uses the numbers of namespaces that are gone again.
        let (first, second) = (try node.start(node.plan("a", ["sleep", "1000"])), try node.start(node.plan("b", ["sleep", "1000"])))
        func namespace(_ kind: String, of process: String) throws -> String { try Files.readLink("/proc/\(process)/ns/\(kind)") }
        for kind in ["net", "ipc", "uts"] {
            #expect(try namespace(kind, of: "\(first)") == namespace(kind, of: "\(second)"), "\(kind) is the pod's")
            #expect(try namespace(kind, of: "\(first)") != namespace(kind, of: "self"), "\(kind) is the host's")
        }
        for kind in ["pid", "mnt"] {
            let all = [try namespace(kind, of: "\(first)"), try namespace(kind, of: "\(second)"), try namespace(kind, of: "self")]
            #expect(Set(all).count == 3, "\(kind) is the container's own: \(all)")
        }
        #expect(try namespace("user", of: "\(first)") == namespace("user", of: "self") && namespace("user", of: "\(second)") == namespace("user", of: "self"))
        #expect(try node.shell("hostname", "hostname") == "podhost\n")
        #expect(try node.shell("c", "echo shared > /dev/shm/file").isEmpty)
        #expect(try node.shell("d", "cat /dev/shm/file") == "shared\n")
    }

    @Test func shutdownLeavesNoMountAndNoProcess() throws {
        #expect(try node.leftovers().count >= 4, "three namespaces and /dev/shm are mounted while it runs")
        let pid = try node.start(node.plan("a", ["sleep", "1000"]))
        #expect(Files.exists("/proc/\(pid)"))
        #expect(try ShimLauncher.isAlive(directory: node.pod))
        _ = try node.connection.call(.shutdown)
        _ = try node.inbox.wait("nothing", { _ in true })
        #expect(try node.leftovers().isEmpty)
        #expect(!Files.exists("/proc/\(pid)"))
        #expect(!Files.exists("\(node.pod)/shim.sock"))
    }

    @Test func aCreatedContainerDoesNotHoldTheLock() throws {
        _ = try node.connection.call(.create(node.plan("a", ["sleep", "1000"])))
        try Processes.send(signal: SIGKILL, to: node.connection.pidfd)
        _ = try? node.connection.call(.status) // fails when the shim is gone
        // The child finds its channel closed and ends.
        #expect(try !ShimLauncher.isAlive(directory: node.pod))
    }

    @Test func onlyOneShimLivesInADirectory() throws {
        let error = #expect(throws: ShimError.self) { try ShimLauncher.launch(program: ShimProgram(ShimHarness.program), directory: node.pod, plan: SandboxPlan()) }
        #expect(error?.cause?.errno == EBUSY)
    }

    @Test func theShimCannotBeOverwritten() throws { try Self.expectReadOnly(node) }

    /// An agent that runs while a newer release is installed starts the new program in the old way.
    @Test func startedByItsPathTheShimCannotBeOverwrittenEither() throws {
        let node = try ShimHarness(start: { directory, plan in
            try Files.writeAtomically(plan.bytes, to: "\(directory)/\(ShimLauncher.planName)")
            let (read, write) = try Descriptors.pipe()
            let null = try openFile("/dev/null", .readWrite)
            let pid = try Processes.spawn(
                ShimHarness.program, arguments: ["swiftlet-shim", "--dir", directory, "--ready-fd", "3"], environment: [],
                descriptors: [null.raw, null.raw, null.raw, write.raw], newSession: true)
            write.close()
            #expect(try ShimReply(decoding: read.readAll(limit: 1 << 16)).failure == nil)
            #expect(try Processes.wait(.pid(pid), blocking: true)?.code == 0)
        })
        try Self.expectReadOnly(node)
        #expect(try node.run(node.plan("a", ["true"])).code == 0)
    }

    private static func expectReadOnly(_ node: ShimHarness) throws {
        let program = try openFile("/proc/\(node.shimPID)/exe")
        var info = statvfs()
        #expect(fstatvfs(program.raw, &info) == 0)
        #expect(info.f_flag & UInt(ST_RDONLY) != 0, "the shim runs from a read-only mount")
        #expect(throws: SystemError.self) { try openFile("/proc/\(node.shimPID)/exe", .writeOnly) }
    }
}
