import Glibc
internal import KubeHTTP
internal import Logging
internal import NIOHTTP1
internal import Runtime

/// `/exec/<namespace>/<pod>/<container>`: a command in a running container, its streams over a WebSocket.
struct ExecHandler: Sendable {
    private let handler: KubeletHandler

    init(_ handler: KubeletHandler) { self.handler = handler }

    func respond(_ request: ServerRequest, namespace: String, pod: String, container: String) async -> ServerResponse {
        let target: RemoteTarget
        switch await RemoteTarget.find(handler, request, namespace: namespace, pod: pod, container: container) {
        case .success(let found): target = found
        case .failure(let refusal): return refusal.response
        }
        let exec = target.request
        guard !exec.command.isEmpty else { return KubeletHandler.failure(request, .badRequest, "BadRequest", "you must specify at least 1 command") }
        let runtime = handler.services.runtime
        let ended = await target.worker.end(of: target.id)
        return .webSocket(subprotocol: target.subprotocol) { connection in
            let remote = RemoteCommandConnection(connection)
            // While the client gets ready, the command starts.
            let opened = Task { try await remote.open(standardOutput: exec.stdout, standardError: exec.stderr) }
            let session: any ExecSession
            do {
                session = try await runtime.exec(in: target.id, ExecRequest(command: exec.command, tty: exec.tty, stdin: exec.stdin))
            } catch {
                try await opened.value
                return try await remote.finish(.failed(message: "\(error)"))
            }
            try await ExecStreams(session: session, request: exec, remote: remote).run(opened: opened, ended: ended)
        }
    }
}

/// Carries bytes between a command and its client until the command has ended or the client is gone.
struct ExecStreams: Sendable {
    /// How long output may trickle in after the command has exited: a child in the background may hold the pipe.
    private static let drainTime = Duration.seconds(2)

    var session: any ExecSession
    var request: RemoteRequest
    var remote: RemoteCommandConnection
    private var client: RemoteClient { RemoteClient(remote: remote) }

    /// - Parameters:
    ///   - opened: ends when the client takes output.
    ///   - ended: ends with the container, and the streams with it.
    func run(opened: Task<Void, any Error>, ended: AsyncStream<Void>) async throws {
        let descriptors = Set([session.input, session.output, session.errorOutput].compactMap { $0 })
        // Closed here on every way out; the tasks below have ended by then.
        let standardInput = session.input.flatMap { $0 == session.output ? nil : $0 }
        let inputIsOpen = InputDescriptor(standardInput)
        defer {
            for descriptor in descriptors where descriptor != standardInput { close(descriptor) }
            inputIsOpen.close()
        }
        try await opened.value
        let outcome = try await withThrowingTaskGroup(of: RemoteCommandOutcome?.self) { group in
            group.addTask { try await wait() }
            group.addTask { try await client.receive(into: inputIsOpen, session.input) { try await session.resize(columns: $0, rows: $1) } }
            group.addTask {
                for await _ in ended {}
                try Task.checkCancellation()
                return .failed(message: "the container has ended")
            }
            defer { group.cancelAll() }
            for try await outcome in group { if let outcome { return outcome } }
            return RemoteCommandOutcome.failed(message: "the connection was closed")
        }
        try await remote.finish(outcome)
    }

    /// Sends output until both the command and its output have ended.
    private func wait() async throws -> RemoteCommandOutcome? {
        try await withThrowingTaskGroup(of: Int32?.self) { group in
            group.addTask { try await session.wait() }
            group.addTask { try await client.send(session.output, to: request.stdout ? .standardOutput : nil) }
            if let errors = session.errorOutput { group.addTask { try await client.send(errors, to: request.stderr ? .standardError : nil) } }
            var code: Int32?
            var pending = session.errorOutput == nil ? 2 : 3
            while pending > 0, let result = try await group.next() {
                pending -= 1
                guard let exit = result, exit != Self.drained else {
                    if result == Self.drained { break }
                    continue
                }
                code = exit
                group.addTask {
                    try await Task.sleep(for: Self.drainTime)
                    return Self.drained
                }
            }
            group.cancelAll()
            return code == 0 ? .success : .exited(code: code ?? -1)
        }
    }

    /// No process exits with this: it marks the end of the time for draining.
    private static let drained = Int32.min
}
