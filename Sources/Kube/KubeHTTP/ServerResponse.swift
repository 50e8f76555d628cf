public import NIOHTTP1

/// Answers requests. One instance serves every connection at once.
public protocol RequestHandler: Sendable {
    /// The answer to a request. The task is cancelled when the client is gone.
    func respond(to request: ServerRequest) async -> ServerResponse
}

/// What a handler answers.
public enum ServerResponse: Sendable {
    /// A whole response. `Content-Length` is added; a response to HEAD is sent without its body.
    case full(status: HTTPResponseStatus, headers: HTTPHeaders = [:], body: [UInt8] = [])

    /// A response whose body is written piece by piece, with back-pressure. When the client is gone, writes throw and
    /// the task that runs `produce` is cancelled. If `produce` throws, the connection (HTTP/2: the stream) is reset, so
    /// that the client does not take what it has for the whole. When the server shuts down, the task is cancelled too;
    /// a watch then returns, and ends well.
    case stream(status: HTTPResponseStatus, headers: HTTPHeaders = [:], produce: @Sendable (ResponseWriter) async throws -> Void)

    /// The connection speaks WebSocket from now on; the connection is closed when `run` ends. A request that cannot be
    /// upgraded (HTTP/2, a wrong handshake) is answered with 400 and `run` is not called.
    /// - Parameter subprotocol: The one chosen among those that the client offered.
    case webSocket(subprotocol: String?, run: @Sendable (WebSocketConnection) async throws -> Void)

    /// The connection speaks another protocol from now on, named by the `Upgrade` header among these; it is closed when `run`
    /// ends. A request that cannot be upgraded (HTTP/2, a body) is answered with 400 and `run` is not called.
    case upgrade(headers: HTTPHeaders, run: @Sendable (UpgradedConnection) async throws -> Void)

    /// The request is passed on to another server and its answer passed back, upgrades included.
    case tunnel(TunnelTarget)
}

extension ServerResponse {
    /// A short answer in plain text.
    public static func text(_ status: HTTPResponseStatus, _ message: String) -> ServerResponse {
        .full(status: status, headers: ["content-type": "text/plain; charset=utf-8"], body: Array((message + "\n").utf8))
    }
}

/// Writes the body of a streamed response.
public struct ResponseWriter: Sendable {
    private let sink: @Sendable ([UInt8]) async throws -> Void

    /// - Parameter sink: Takes the bytes; returns when more may be written.
    public init(sink: @escaping @Sendable ([UInt8]) async throws -> Void) {
        self.sink = sink
    }

    /// Queues the bytes to be sent at once; suspends while the client is slower than the writer.
    /// - Throws: `HTTPServerError` with `clientGone`, or `CancellationError`.
    public func write(_ bytes: [UInt8]) async throws {
        guard !bytes.isEmpty else { return }
        try await sink(bytes)
    }

    /// Writes the text as UTF-8.
    public func write(_ text: String) async throws {
        try await write(Array(text.utf8))
    }
}
