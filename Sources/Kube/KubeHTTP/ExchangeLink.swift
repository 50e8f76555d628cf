import NIOCore
import NIOHTTP1

/// The way from the task that answers a request back to its channel.
struct ExchangeLink: Sendable {
    let eventLoop: any EventLoop
    let handler: NIOLoopBound<ExchangeHandler>
    let connection: ConnectionContext

    /// To be called on the event loop.
    init(_ handler: ExchangeHandler, eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        self.handler = NIOLoopBound(handler, eventLoop: eventLoop)
        connection = handler.connection
    }

    func execute(_ body: @escaping @Sendable (ExchangeHandler) -> Void) {
        eventLoop.execute { body(handler.value) }
    }

    /// Carries out what the request's handler answered.
    func deliver(_ response: ServerResponse, to request: ServerRequest) async {
        switch response {
        case .full:
            execute { $0.sendFull(response) }
        case .stream(let status, let headers, let produce):
            await stream(status, headers, produce)
        case .webSocket(let subprotocol, let run):
            await webSocket(subprotocol, request, run)
        case .upgrade(let headers, let run):
            await upgrade(headers, run)
        case .tunnel(let target):
            await tunnel(to: target, request)
        }
    }

    func stream(
        _ status: HTTPResponseStatus, _ headers: HTTPHeaders, _ produce: @Sendable (ResponseWriter) async throws -> Void
    ) async {
        let queue = OutboundQueue<[UInt8]>(limit: connection.configuration.limits.writeAhead) { execute { $0.flushStream() } }
        execute { $0.beginStream(status, headers, queue) }
        do {
            try await produce(ResponseWriter { try await queue.write($0, size: $0.count) })
            execute { $0.endStream(failed: false) }
        } catch {
            execute { $0.endStream(failed: true) }
        }
    }
}
