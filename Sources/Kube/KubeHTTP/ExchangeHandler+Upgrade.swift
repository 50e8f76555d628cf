import NIOCore
import NIOHTTP1
import NIOWebSocket

extension ExchangeHandler {
    /// Whether this exchange can switch protocols: HTTP/2 has no such thing.
    var canUpgrade: Bool {
        guard codec != nil, case .serving(let exchange) = state, case .awaited = exchange.response else { return false }
        return exchange.offersUpgrade && exchange.isRequestComplete
    }

    /// Answers 101 and replaces HTTP by other handlers. Bytes that the client has sent already reach them.
    ///
    /// Everything but the decoder's leaving happens in one turn of the event loop, so that nothing can come between.
    /// - Returns: The channel, and when the decoder has passed on what it held.
    func upgrade(
        headers: HTTPHeaders, to handlers: [any ChannelHandler]
    ) throws(HTTPServerError) -> (channel: any Channel, done: EventLoopFuture<Void>) {
        guard canUpgrade, let context, let codec, let exchange = handOver() else {
            throw HTTPServerError(.clientGone, "the client is gone, or has sent more than its request")
        }
        let head = HTTPResponseHead(version: exchange.version, status: .switchingProtocols, headers: headers.withoutControlCharacters())
        context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
        let pipeline = context.pipeline.syncOperations
        let channel = context.channel
        let done: EventLoopFuture<Void>
        do {
            pipeline.removeHandler(codec.encoder, promise: nil)
            pipeline.removeHandler(self, promise: nil)
            try pipeline.addHandlers(handlers)
            // Last: it passes on what it has not parsed.
            done = pipeline.removeHandler(codec.decoder)
        } catch {
            channel.close(promise: nil)
            throw HTTPServerError(.clientGone, "the connection was closed during the upgrade", cause: error)
        }
        // A read may have been held back by the handlers that are gone.
        channel.read()
        return (channel, done)
    }
}

extension ExchangeLink {
    /// Upgrades to WebSocket and runs the connection until it ends.
    func webSocket(
        _ subprotocol: String?, _ request: ServerRequest, _ run: @escaping @Sendable (WebSocketConnection) async throws -> Void
    ) async {
        do {
            let headers = try WebSocketHandshake.responseHeaders(to: request, subprotocol: subprotocol)
            let session = try await eventLoop.submit { try upgradeToWebSocket(headers) }.get()
            await session.run(subprotocol, run)
        } catch {
            let message = (error as? HTTPServerError)?.message ?? "the connection cannot be upgraded"
            execute { $0.sendFull(.text(.badRequest, message), closing: true) }
        }
    }

    /// On the event loop.
    private func upgradeToWebSocket(_ headers: HTTPHeaders) throws(HTTPServerError) -> WebSocketSession {
        let exchangeHandler = handler.value
        guard exchangeHandler.canUpgrade else {
            throw HTTPServerError(.badRequest, "expected a WebSocket handshake over HTTP/1.1")
        }
        let limits = connection.configuration.limits
        let webSocket = WebSocketHandler(limits: limits, eventLoop: eventLoop)
        webSocket.task = exchangeHandler.currentTask
        let (channel, _) = try exchangeHandler.upgrade(
            headers: headers,
            to: [WebSocketFrameEncoder(), ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: limits.webSocketFrame)), webSocket])
        return WebSocketSession(
            inbound: webSocket.inbound, outbound: webSocket.outbound, channel: channel,
            handler: NIOLoopBound(webSocket, eventLoop: eventLoop))
    }
}

/// A WebSocket as the task sees it that runs it.
private struct WebSocketSession: Sendable {
    let inbound: InboundQueue<WebSocketMessage>
    let outbound: OutboundQueue<WebSocketMessage>
    let channel: any Channel
    let handler: NIOLoopBound<WebSocketHandler>

    func run(_ subprotocol: String?, _ body: @Sendable (WebSocketConnection) async throws -> Void) async {
        let connection = WebSocketConnection(subprotocol: subprotocol) {
            try await inbound.next()
        } send: { message in
            try await outbound.write(message, size: message.size)
        } close: { code, reason in
            await close(code, reason)
        }
        do {
            try await body(connection)
            await close(.normal, "")
        } catch let error as HTTPServerError where error.code == .shuttingDown {
            await close(.goingAway, "")
        } catch is CancellationError {
            await close(.goingAway, "")
        } catch {
            await close(.internalError, "")
        }
    }

    private func close(_ code: WebSocketCloseCode, _ reason: String) async {
        channel.eventLoop.execute { handler.value.close(code, reason) }
        // Fails only if the channel was closed by an error, and then it is closed too.
        _ = try? await channel.closeFuture.get()
    }
}
