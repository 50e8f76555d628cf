import CLinux
import Glibc
import LinuxSystem
import ShimProtocol
import Synchronization

/// One pod's shim for `async` code: requests that suspend, events as a stream that ends with the connection.
final class ShimClient: Sendable {
    let connection: ShimConnection
    /// In order; ends when the shim is gone or the client is closed.
    let events: AsyncStream<ShimEvent>
    private let continuation: AsyncStream<ShimEvent>.Continuation

    /// How long what a shim answers at once may take.
    private let patience: Duration

    /// Connects and reads the greeting. Blocks for that long.
    /// - Parameter timeout: for the greeting, and for each answer that needs nothing but the shim itself.
    init(podDirectory: String, timeout: Duration) throws(ShimError) {
        patience = timeout
        let (events, continuation) = AsyncStream.makeStream(of: ShimEvent.self, bufferingPolicy: .unbounded)
        self.events = events
        self.continuation = continuation
        connection = try ShimConnection.connect(
            directory: podDirectory, timeout: timeout, onEvent: { continuation.yield($0) }, onClose: { _ in continuation.finish() })
    }

    /// - Parameter timeout: nil where the shim waits for somebody else, e.g. a process that sets itself up.
    private func send(_ request: ShimRequest, descriptors: [FileDescriptor] = [], timeout: Duration? = nil) async -> PendingAnswer.Answer {
        await withCheckedContinuation { continuation in
            let pending = PendingAnswer(continuation)
            connection.send(request, descriptors: descriptors) { result, descriptors in pending.give(result.map { ($0, descriptors) }) }
            guard let timeout else { return }
            // Unstructured: it outlives the request by its own time at most, and does nothing then.
            Task {
                try? await Task.sleep(for: timeout) // nobody cancels it
                pending.give(.failure(ShimError(.silent, "expected an answer of the shim within \(timeout), found none")))
            }
        }
    }

    /// - Parameter step: what the request was for, for errors without a step of the shim's.
    @discardableResult
    private func request(
        _ request: ShimRequest, _ code: RuntimeError.Code, _ step: String, descriptors: [FileDescriptor] = [], timeout: Duration? = nil
    ) async throws(RuntimeError) -> (reply: ShimReply, descriptors: [FileDescriptor]) {
        do {
            return try await send(request, descriptors: descriptors, timeout: timeout).get()
        } catch {
            throw ShimClient.error(error, code, step)
        }
    }

    /// Makes and executes a container.
    /// - Returns: the process id of its first process, and when it was executed, in nanoseconds since 1970.
    func start(_ plan: ContainerPlan) async throws(RuntimeError) -> (pid: Int32, time: Int64) {
        var plan = plan
        plan.root = plan.root.understood(byVersion: connection.hello.version)
        do {
            if connection.hello.version >= 2 {
                let started = try await send(.run(plan)).get().0
                return (started.pid, started.startedAt)
            }
            let created = try await send(.create(plan)).get()
            let started = try await send(.start(container: plan.id)).get()
            return (started.0.pid != 0 ? started.0.pid : created.0.pid, Clocks.now())
        } catch {
            throw ShimClient.startError(error, program: plan.process.arguments.first ?? "")
        }
    }

    func signal(_ container: String, _ signal: Int32) async throws(RuntimeError) {
        try await request(.kill(container: container, signal: signal), .stopFailed, "signal container \(container)")
    }

    func forget(_ container: String) async throws(RuntimeError) {
        try await request(.delete(container: container), .removeFailed, "forget container \(container)")
    }

    func reopenLog(_ container: String) async throws(RuntimeError) {
        try await request(.reopenLog(container: container), .shimFailed, "open the log of container \(container) anew")
    }

    /// - Returns: the master of the command's terminal, if it has one.
    func exec(_ plan: ExecPlan, descriptors: [FileDescriptor]) async throws(RuntimeError) -> FileDescriptor? {
        do {
            return try await send(.exec(plan), descriptors: descriptors).get().1.first
        } catch {
            throw ShimClient.startError(error, program: plan.process.arguments.first ?? "", code: .execFailed)
        }
    }

    func attach(to container: String, _ streams: AttachRequest, descriptors: [FileDescriptor]) async throws(RuntimeError) {
        let request = ShimRequest.attach(container: container, input: streams.stdin, output: streams.stdout, errorOutput: streams.stderr)
        try await self.request(request, .execFailed, "attach to container \(container)", descriptors: descriptors)
    }

    func resize(_ container: String, columns: UInt16, rows: UInt16) async throws(RuntimeError) {
        try await request(.resize(container: container, columns: columns, rows: rows), .execFailed, "resize the terminal of container \(container)")
    }

    func killExec(_ id: UInt64, signal: Int32) async throws(RuntimeError) {
        try await request(.killExec(id: id, signal: signal), .execFailed, "kill exec \(id)")
    }

    func status() async throws(RuntimeError) -> [ShimContainer] {
        try await request(.status, .shimFailed, "ask the shim for its containers", timeout: patience).reply.containers
    }

    /// Asks for the events after a number and all that come.
    func subscribe(after sequence: UInt64) async throws(RuntimeError) {
        try await request(.subscribe(after: sequence), .shimFailed, "subscribe to the shim's events", timeout: patience)
    }

    /// Nobody waits for it: an event that is not acknowledged comes again and finds its effect there.
    func acknowledge(upTo sequence: UInt64) {
        connection.send(.acknowledge(upTo: sequence)) { _, _ in }
    }

    /// Ends the shim with everything that it still runs; returns when it is dead.
    func shutdown() async throws(RuntimeError) {
        switch await send(.shutdown) {
        case .success: break
        // It may die before the answer has left: the lock tells.
        case .failure(let error) where error.code == .disconnected: break
        case .failure(let error): throw ShimClient.error(error, .stopFailed, "end the shim")
        }
    }

    /// Returns when the shim's process has ended, or after a time. Blocks.
    func waitForEnd(milliseconds: Int) throws(SystemError) {
        let poller = try Poller()
        try poller.add(connection.pidfd, .readable, token: 0)
        _ = try poller.wait(milliseconds: milliseconds)
    }

    /// Lets the shim go on alone.
    func close() { connection.close() }
}

extension ShimClient {
    static func error(_ error: ShimError, _ code: RuntimeError.Code, _ step: String) -> RuntimeError {
        let failed = error.failure
        let code = error.code == .failed ? code : error.code == .silent ? .timedOut : .shimFailed
        return RuntimeError(
            code, "\(step): \(failed.map(words) ?? error.message)", step: failed?.step ?? step, errno: failed?.errno ?? error.cause?.errno ?? 0, cause: nil)
    }

    /// The failing step with its errno's name: what a bug report needs.
    private static func words(_ failure: ShimFailure) -> String {
        failure.errno == 0 ? failure.description : "\(failure.description)\(failure.description.contains("(E") ? "" : " (\(SystemError.name(failure.errno)))")"
    }

    /// A command that cannot be executed reads as runc's users know it; the step and the errno's name follow.
    static func startError(_ error: ShimError, program: String, code: RuntimeError.Code = .startFailed) -> RuntimeError {
        guard let failure = error.failure, failure.step == "execve" else {
            return ShimClient.error(error, code, code == .execFailed ? "execute \"\(program)\"" : "start the container")
        }
        let name = SystemError.name(failure.errno)
        let isPath = program.utf8.contains(UInt8(ascii: "/"))
        let words = switch failure.errno {
        case ENOENT where !isPath: "executable file not found in $PATH"
        case ENOENT: "no such file or directory"
        case EACCES: "permission denied"
        case ENOEXEC: "exec format error"
        default: failure.message.isEmpty ? SystemError(operation: "execve", errno: failure.errno).description : failure.message
        }
        return RuntimeError(
            code, "exec: \"\(program)\": \(words) (step execve, errno \(name))", step: failure.step, errno: failure.errno)
    }
}

/// A request that is answered or given up, whichever comes first.
private final class PendingAnswer: Sendable {
    typealias Answer = Result<(ShimReply, [FileDescriptor]), ShimError>

    private let continuation: Mutex<CheckedContinuation<Answer, Never>?>

    init(_ continuation: CheckedContinuation<Answer, Never>) { self.continuation = Mutex(continuation) }

    func give(_ answer: Answer) {
        let waiting = continuation.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        waiting?.resume(returning: answer)
    }
}
