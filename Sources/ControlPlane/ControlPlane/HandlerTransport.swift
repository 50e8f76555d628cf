public import KubeClient
public import KubeHTTP
import NIOHTTP1

/// Reaches the API server by a call inside the process, as a user of its own: the scheduler and the controllers are
/// clients like any other, only their requests never leave.
public struct HandlerTransport: Transport {
    private let handler: any RequestHandler
    private let user: ClientCertificate?

    /// - Parameter user: whom the API server sees; here the word of the process takes the place of a certificate. Nil for who shows
    ///   none.
    public init(_ handler: any RequestHandler, user: ClientCertificate?) {
        self.handler = handler
        self.user = user
    }

    public func send(_ request: APIRequest) async throws -> APIResponse {
        switch await handler.respond(to: serverRequest(request)) {
        case .full(let status, let headers, let body):
            return APIResponse(status: Int(status.code), headers: Self.pairs(headers), body: body)
        case .stream(let status, let headers, let produce):
            let body = Collected()
            try await produce(ResponseWriter { await body.append($0) })
            return await APIResponse(status: Int(status.code), headers: Self.pairs(headers), body: body.bytes)
        case .webSocket, .upgrade, .tunnel:
            throw KubeError(reason: .badRequest, message: "expected an answer without an upgrade to \(request.method.rawValue) \(request.path)")
        }
    }

    public func stream(_ request: APIRequest) async throws -> APIStream {
        switch await handler.respond(to: serverRequest(request)) {
        case .full(let status, let headers, let body):
            return APIStream(status: Int(status.code), headers: Self.pairs(headers), body: AsyncThrowingStream { continuation in
                continuation.yield(body)
                continuation.finish()
            })
        case .stream(let status, let headers, let produce):
            // Nothing is held back here: the server cuts off watchers that are too slow, and informers never are.
            let (body, continuation) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
            let producer = Task {
                do {
                    try await produce(ResponseWriter { bytes in
                        try Task.checkCancellation()
                        continuation.yield(bytes)
                    })
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            // The reader owns the exchange: dropping the stream ends the producer.
            continuation.onTermination = { _ in producer.cancel() }
            return APIStream(status: Int(status.code), headers: Self.pairs(headers), body: body)
        case .webSocket, .upgrade, .tunnel:
            throw KubeError(reason: .badRequest, message: "expected an answer without an upgrade to \(request.method.rawValue) \(request.path)")
        }
    }

    private func serverRequest(_ request: APIRequest) -> ServerRequest {
        var headers = HTTPHeaders(request.headers.map { ($0.name, $0.value) })
        headers.add(name: "accept", value: request.accept)
        if let type = request.contentType { headers.add(name: "content-type", value: type) }
        return ServerRequest(
            method: HTTPMethod(rawValue: request.method.rawValue), path: request.path,
            query: QueryItems(request.query.map { .init(name: $0.name, value: $0.value) }), headers: headers,
            clientCertificate: user, body: request.body.map { .bytes($0) } ?? .empty)
    }

    private static func pairs(_ headers: HTTPHeaders) -> [APIRequest.Pair] {
        headers.map { APIRequest.Pair($0.name, $0.value) }
    }
}

private actor Collected {
    private(set) var bytes: [UInt8] = []
    func append(_ piece: [UInt8]) { bytes += piece }
}
