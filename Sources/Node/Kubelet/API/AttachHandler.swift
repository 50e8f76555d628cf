import Glibc
internal import KubeHTTP
internal import Logging
internal import NIOHTTP1
internal import Runtime

/// `/attach/<namespace>/<pod>/<container>`: the streams of the container's own first process over a WebSocket, from now on.
struct AttachHandler: Sendable {
    private let handler: KubeletHandler

    init(_ handler: KubeletHandler) { self.handler = handler }

    func respond(_ request: ServerRequest, namespace: String, pod: String, container: String) async -> ServerResponse {
        let target: RemoteTarget
        switch await RemoteTarget.find(handler, request, namespace: namespace, pod: pod, container: container) {
        case .success(let found): target = found
        case .failure(let refusal): return refusal.response
        }
        let asked = target.request
        // Input for a container that takes none goes nowhere, as with other runtimes. What a terminal prints is all output.
        let wanted = AttachRequest(stdin: asked.stdin && target.takesInput, stdout: asked.stdout, stderr: asked.stderr && !target.hasTerminal)
        let runtime = handler.services.runtime
        let ended = await target.worker.end(of: target.id)
        return .webSocket(subprotocol: target.subprotocol) { connection in
            let remote = RemoteCommandConnection(connection)
            let session: any AttachSession
            do {
                session = try await runtime.attach(to: target.id, wanted)
            } catch {
                try await remote.open(standardOutput: asked.stdout, standardError: asked.stderr)
                return try await remote.finish(.failed(message: "\(error)"))
            }
            try await AttachStreams(session: session, request: asked, client: RemoteClient(remote: remote)).run(ended: ended)
        }
    }
}

/// Carries bytes between a container and its client until the container has ended or the client is gone.
struct AttachStreams: Sendable {
    var session: any AttachSession
    var request: RemoteRequest
    var client: RemoteClient

    /// - Parameter ended: ends with the container.
    func run(ended: AsyncStream<Void>) async throws {
        let input = InputDescriptor(session.input)
        let outputs = [(session.output, RemoteCommandConnection.Output.standardOutput), (session.errorOutput, .standardError)]
            .compactMap { descriptor, stream in descriptor.map { (descriptor: $0, stream: stream) } }
        // Closed here on every way out; the tasks below have ended by then.
        defer {
            for output in outputs { close(output.descriptor) }
            input.close()
        }
        try await client.remote.open(standardOutput: request.stdout, standardError: request.stderr)
        let outcome = try await withThrowingTaskGroup(of: RemoteCommandOutcome?.self) { group in
            group.addTask {
                if outputs.isEmpty { for await _ in ended {} }
                // The container's streams end with it, after the last of what it wrote.
                try await withThrowingTaskGroup(of: Void.self) { streams in
                    for output in outputs { streams.addTask { try await client.send(output.descriptor, to: output.stream) } }
                    try await streams.waitForAll()
                }
                try Task.checkCancellation()
                return .success
            }
            group.addTask { try await client.receive(into: input, session.input) { try await session.resize(columns: $0, rows: $1) } }
            defer { group.cancelAll() }
            return try await group.next() ?? .success
        }
        try await client.remote.finish(outcome ?? .success)
    }
}
