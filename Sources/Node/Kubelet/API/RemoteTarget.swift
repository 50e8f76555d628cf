internal import KubeHTTP
internal import NIOHTTP1

/// What a client of exec or attach wants.
struct RemoteRequest: Sendable {
    var command: [String]
    var stdin: Bool
    var stdout: Bool
    var stderr: Bool
    var tty: Bool

    /// The API server says `input`, `output` and `error`; clients that come directly say `stdin`, `stdout`, `stderr`.
    init(_ query: QueryItems) {
        func flag(_ names: String...) -> Bool { names.contains { ["1", "true", "True"].contains(query[$0] ?? "") } }
        command = query.all("command")
        (stdin, stdout, tty) = (flag("input", "stdin"), flag("output", "stdout"), flag("tty"))
        // A terminal has one output.
        stderr = flag("error", "stderr") && !tty
    }
}

/// The running container that a client of exec or attach means, and how to talk to the client.
struct RemoteTarget: Sendable {
    struct Refusal: Error {
        var response: ServerResponse
    }

    let worker: PodWorker
    /// Of the container.
    let id: String
    let hasTerminal: Bool
    let takesInput: Bool
    let request: RemoteRequest
    let subprotocol: String

    static func find(
        _ handler: KubeletHandler, _ request: ServerRequest, namespace: String, pod: String, container: String
    ) async -> Result<RemoteTarget, Refusal> {
        func refused(_ status: HTTPResponseStatus, _ reason: String, _ message: String) -> Result<RemoteTarget, Refusal> {
            .failure(Refusal(response: KubeletHandler.failure(request, status, reason, message)))
        }
        guard let worker = await handler.dispatcher.worker(namespace: namespace, name: pod) else {
            return refused(.notFound, "NotFound", "pod \"\(pod)\" not found")
        }
        guard let running = await worker.runningContainer(container) else {
            return refused(.notFound, "NotFound", "container not found (\"\(container)\")")
        }
        let wanted = RemoteRequest(request.query)
        guard wanted.stdin || wanted.stdout || wanted.stderr else {
            return refused(.badRequest, "BadRequest", "you must specify at least 1 of stdin, stdout, stderr")
        }
        guard request.asksForWebSocket, let subprotocol = RemoteCommandConnection.negotiate(request.headers) else {
            let known = RemoteCommandConnection.subprotocols.joined(separator: ", ")
            return refused(.badRequest, "BadRequest", "expected a WebSocket with one of \(known), found none")
        }
        return .success(
            RemoteTarget(
                worker: worker, id: running.id, hasTerminal: running.tty, takesInput: running.stdin, request: wanted, subprotocol: subprotocol))
    }
}
