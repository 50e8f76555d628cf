import Glibc
import LinuxSystem
import ShimProtocol

extension Sandbox {
    /// Runs a command in a running container. The caller's ends of its stdio are in the session; nothing is copied on the way.
    func exec(in container: String, _ request: ExecRequest) async throws(RuntimeError) -> ShimExecSession {
        let shim = try requireReady()
        guard try self.container(container).record.isRunning else {
            throw RuntimeError(.wrongState, "cannot execute in container \(container): it is not running")
        }
        // Random, not counted: a restarted agent must not meet an id that an older exec still has.
        let exec = UInt64.random(in: 1 ... .max)
        let plan = try PlanBuilder.exec(request, container: container, id: exec, of: try plan(of: container).process)
        let session: ShimExecSession
        if request.tty {
            session = try await execWithTerminal(plan, request, shim)
        } else {
            session = try await execWithPipes(plan, request, shim)
        }
        return session
    }

    private func execWithTerminal(_ plan: ExecPlan, _ request: ExecRequest, _ shim: ShimClient) async throws(RuntimeError) -> ShimExecSession {
        startingExecs[plan.id] = .some(nil)
        defer { startingExecs[plan.id] = nil }
        guard let master = try await shim.exec(plan, descriptors: []) else {
            throw RuntimeError(.shimFailed, "the shim's answer to an exec with a terminal has no terminal")
        }
        let copy = try services.step(.execFailed, "keep the terminal") { try master.duplicate() }
        let number = master.release()
        return register(
            ShimExecSession(id: plan.id, shim: shim, input: request.stdin ? number : nil, output: number, errorOutput: nil, terminal: copy))
    }

    private func execWithPipes(_ plan: ExecPlan, _ request: ExecRequest, _ shim: ShimClient) async throws(RuntimeError) -> ShimExecSession {
        let (input, output, errors) = try services.step(.execFailed, "make pipes") {
            (try request.stdin ? Descriptors.pipe() : (try openFile("/dev/null"), nil), try Descriptors.pipe(), try Descriptors.pipe())
                as ((read: FileDescriptor, write: FileDescriptor?), (read: FileDescriptor, write: FileDescriptor), (read: FileDescriptor, write: FileDescriptor))
        }
        startingExecs[plan.id] = .some(nil)
        defer { startingExecs[plan.id] = nil }
        _ = try await shim.exec(plan, descriptors: [input.read, output.write, errors.write])
        // The command has them; with ours open, its end would not be seen.
        input.read.close()
        output.write.close()
        errors.write.close()
        return register(
            ShimExecSession(
                id: plan.id, shim: shim, input: input.write?.release(), output: output.read.release(), errorOutput: errors.read.release(), terminal: nil))
    }

    private func register(_ session: ShimExecSession) -> ShimExecSession {
        if let exit = startingExecs[session.id] ?? nil {
            session.finish(Sandbox.outcome(exit))
        } else if phase != .ready {
            session.finish(.failure(RuntimeError(.shimFailed, "the pod's shim has gone while the command started")))
        } else {
            execs[session.id] = session
        }
        return session
    }

    func finishExec(_ event: ShimEvent) {
        guard let exit = event.exit else { return }
        if let session = execs.removeValue(forKey: event.exec) {
            session.finish(Sandbox.outcome(exit))
        } else if startingExecs.keys.contains(event.exec) {
            // A short command can end before the answer to its start has been seen.
            startingExecs[event.exec] = exit
        }
    }

    func finishAllExecs() {
        for session in execs.values { session.finish(.failure(RuntimeError(.shimFailed, "the connection to the pod's shim has ended"))) }
        execs = [:]
    }

    private static func outcome(_ exit: ExitRecord) -> Result<Int32, RuntimeError> {
        exit.timedOut ? .failure(RuntimeError(.timedOut, "the command was killed: it ran longer than its timeout")) : .success(exit.code)
    }
}
