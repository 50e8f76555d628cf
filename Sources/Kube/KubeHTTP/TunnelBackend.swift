import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// The backend's side of a tunnel: an HTTP/1.1 client for one request.
final class TunnelBackendHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private let head: EventLoopPromise<HTTPResponseHead>
    private let body: InboundQueue<[UInt8]>
    private var isComplete = false
    private var isPaused = false
    private var isReadPending = false
    private var context: ChannelHandlerContext?

    init(head: EventLoopPromise<HTTPResponseHead>, body: InboundQueue<[UInt8]>) {
        self.head = head
        self.body = body
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func read(context: ChannelHandlerContext) {
        if isPaused { isReadPending = true } else { context.read() }
    }

    func resumeReading() {
        isPaused = false
        guard isReadPending else { return }
        isReadPending = false
        context?.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let response):
            head.succeed(response)
        case .body(let buffer):
            if !body.push(Array(buffer.readableBytesView), size: buffer.readableBytes) { isPaused = true }
        case .end:
            isComplete = true
            body.finish(throwing: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail("the backend did not answer", error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail("the backend closed the connection before its answer was complete", nil)
        context.fireChannelInactive()
    }

    private func fail(_ message: String, _ cause: (any Error)?) {
        guard !isComplete else { return }
        let error = HTTPServerError(.backendUnreachable, message, cause: cause)
        head.fail(error)
        body.finish(throwing: error)
    }
}

/// A connection to a backend with its request on the way.
struct TunnelBackend: Sendable {
    let channel: any Channel
    /// The handlers to remove when the connection becomes a pipe.
    fileprivate let handlers: NIOLoopBound<Handlers>
    let head: EventLoopFuture<HTTPResponseHead>
    let body: InboundQueue<[UInt8]>

    fileprivate struct Handlers {
        var encoder: HTTPRequestEncoder
        var decoder: ByteToMessageHandler<HTTPResponseDecoder>
        var last: TunnelBackendHandler
    }

    /// Connects, on the event loop of the client's channel, so that gluing the two needs no other thread.
    static func connect(to target: TunnelTarget, readAhead: Int, on eventLoop: any EventLoop) async throws(HTTPServerError) -> TunnelBackend {
        do {
            return try await ClientBootstrap(group: eventLoop)
                .connectTimeout(target.connectTimeout)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelOption(.socketOption(.so_keepalive), value: 1)
                .connect(host: target.host, port: target.port) { channel in
                    channel.eventLoop.makeCompletedFuture { try configure(channel, target, readAhead) }
                }
        } catch {
            throw HTTPServerError(.backendUnreachable, "cannot connect to \(target.host):\(target.port)", cause: error)
        }
    }

    private static func configure(_ channel: any Channel, _ target: TunnelTarget, _ readAhead: Int) throws -> TunnelBackend {
        let eventLoop = channel.eventLoop
        let pipeline = channel.pipeline.syncOperations
        if let tls = target.tls {
            let name = target.serverName ?? target.host
            // An address is no server name; without one the certificate must carry the address connected to.
            let isAddress = (try? SocketAddress(ipAddress: name, port: 0)) != nil
            try pipeline.addHandler(NIOSSLClientHandler(context: tls.current, serverHostname: isAddress ? nil : name))
        }
        let promise = eventLoop.makePromise(of: HTTPResponseHead.self)
        let resume = NIOLoopBoundBox<TunnelBackendHandler?>(nil, eventLoop: eventLoop)
        let body = InboundQueue<[UInt8]>(highWatermark: readAhead, lowWatermark: readAhead / 2) {
            eventLoop.execute { resume.value?.resumeReading() }
        }
        let handlers = Handlers(
            encoder: HTTPRequestEncoder(), decoder: ByteToMessageHandler(HTTPResponseDecoder(leftOverBytesStrategy: .forwardBytes)),
            last: TunnelBackendHandler(head: promise, body: body))
        resume.value = handlers.last
        channel.closeFuture.whenComplete { _ in
            resume.value = nil
            // Whatever else happened, nobody waits for ever.
            promise.fail(HTTPServerError(.backendUnreachable, "the backend closed the connection"))
        }
        try pipeline.addHandlers([handlers.encoder, handlers.decoder, handlers.last])
        return TunnelBackend(
            channel: channel, handlers: NIOLoopBound(handlers, eventLoop: eventLoop), head: promise.futureResult, body: body)
    }

    /// Sends the request, with the body as fast as the backend takes it.
    ///
    /// A backend may answer, and close, before it has read everything: that writing fails is no failure yet.
    /// - Throws: What reading the body throws.
    func send(_ head: HTTPRequestHead, _ body: RequestBody) async throws {
        guard await write(.head(head)) else { return }
        while let piece = try await body.next() {
            guard await write(.body(.byteBuffer(ByteBuffer(bytes: piece)))) else { return }
        }
        _ = await write(.end(nil))
    }

    private func write(_ part: HTTPClientRequestPart) async -> Bool {
        do {
            try await channel.writeAndFlush(part)
            return true
        } catch {
            return false
        }
    }

    /// Waits for the head of the answer.
    func response(within limit: TimeAmount) async throws -> HTTPResponseHead {
        let timeout = channel.eventLoop.scheduleTask(in: limit) {
            channel.pipeline.fireErrorCaught(HTTPServerError(.timeout, "no answer in time"))
        }
        defer { timeout.cancel() }
        return try await head.get()
    }

    /// Replaces HTTP by the given end of a pipe. On the event loop.
    /// - Returns: When the decoder has passed on what it held.
    func becomePipe(_ end: GlueHandler) throws -> EventLoopFuture<Void> {
        let handlers = handlers.value
        let pipeline = channel.pipeline.syncOperations
        try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        pipeline.removeHandler(handlers.last, promise: nil)
        pipeline.removeHandler(handlers.encoder, promise: nil)
        try pipeline.addHandler(end)
        // Last: it passes on what the backend has sent after its head.
        return pipeline.removeHandler(handlers.decoder)
    }
}
