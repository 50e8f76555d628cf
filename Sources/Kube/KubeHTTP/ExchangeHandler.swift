import NIOCore
import NIOHTTP1

/// Serves the exchanges of one channel, one after the other: a connection of HTTP/1.1, or a single stream of HTTP/2.
///
///     idle ──head──▶ serving ──response and request ended──▶ idle (keep-alive) or closed
///                       │ ├──response ended first──▶ draining ──request ended, or too much──▶ closed
///                       │ └──WebSocket, tunnel──▶ handed over (this handler leaves the pipeline)
///     any ──channel inactive──▶ closed
///
/// Reading is under this handler's control: it reads on only if someone wants what is read.
final class ExchangeHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPServerResponsePart

    enum State {
        case idle
        case serving(Exchange)
        /// The response went out before the request came in whole: the rest is thrown away, up to a limit.
        case draining(bytesLeft: Int)
        case closed
    }

    /// Where the codec of HTTP/1.1 stands in the pipeline; `nil` for a stream of HTTP/2.
    struct HTTP1Codec {
        var decoder: ByteToMessageHandler<HTTPRequestDecoder>
        var encoder: HTTPResponseEncoder
    }

    /// Drained after an early response, so that the client reads it instead of a reset connection.
    private static let drainLimit = 256 * 1024

    let connection: ConnectionContext
    let codec: HTTP1Codec?
    private(set) var state = State.idle
    private(set) var context: ChannelHandlerContext?
    private var deadline = LazyDeadline()
    /// Requests that came in before the present one is answered (pipelining); at most what one read brings.
    private var pipelined = CircularBuffer<HTTPServerRequestPart>(initialCapacity: 0)
    private var isReadPending = false
    private var isBodyPaused = false
    /// The end of the last response of this connection: closing before it is out would cut the response off.
    private var lastWrite: EventLoopFuture<Void>?
    private var isShuttingDown = false

    init(connection: ConnectionContext, codec: HTTP1Codec?) {
        self.connection = connection
        self.codec = codec
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { setDeadline(connection.configuration.timeouts.head) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        end(HTTPServerError(.clientGone, "the connection is gone"))
    }

    func channelActive(context: ChannelHandlerContext) {
        setDeadline(connection.configuration.timeouts.head)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(HTTPServerError(.clientGone, "the client has closed the connection"))
        context.fireChannelInactive()
    }

    // MARK: Reading

    func read(context: ChannelHandlerContext) {
        if wantsRead { context.read() } else { isReadPending = true }
    }

    private var wantsRead: Bool {
        switch state {
        case .idle, .draining, .closed: true
        // Once the request is complete, a read is for noticing that the client leaves.
        case .serving(let exchange): exchange.isRequestComplete ? pipelined.isEmpty : !isBodyPaused
        }
    }

    private func readIfPending() {
        guard isReadPending, wantsRead else { return }
        isReadPending = false
        context?.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        receive(unwrapInboundIn(data))
    }

    private func receive(_ part: HTTPServerRequestPart) {
        switch (state, part) {
        case (.idle, .head(let head)):
            begin(head)
        case (.serving(let exchange), .body(let buffer)) where !exchange.isRequestComplete:
            exchange.owesContinue = false
            if !exchange.body.push(Array(buffer.readableBytesView), size: buffer.readableBytes) { isBodyPaused = true }
            if case .awaited = exchange.response { setDeadline(nil) }
        case (.serving(let exchange), .end) where !exchange.isRequestComplete:
            exchange.isRequestComplete = true
            exchange.owesContinue = false
            exchange.body.finish(throwing: nil)
            setDeadline(nil)
        case (.serving, _):
            pipelined.append(part)
        case (.draining(let left), .body(let buffer)):
            if left < buffer.readableBytes { closeWhenWritten() } else { state = .draining(bytesLeft: left - buffer.readableBytes) }
        case (.draining, .end):
            closeWhenWritten()
        case (.idle, _), (.draining, .head), (.closed, _):
            break
        }
    }

    private func begin(_ head: HTTPRequestHead) {
        guard let context else { return }
        setDeadline(nil)
        isBodyPaused = false
        let link = ExchangeLink(self, eventLoop: context.eventLoop)
        let limit = connection.configuration.limits.readAhead
        let body = InboundQueue<[UInt8]>(highWatermark: limit, lowWatermark: limit / 2) { link.execute { $0.bodyWanted() } }
        let exchange = Exchange(head: head, body: body)
        if isShuttingDown { exchange.keepAlive = false }
        state = .serving(exchange)
        guard var request = ServerRequest(head: head, connection: connection) else {
            sendFull(.text(.badRequest, "expected the request's target to be a path"), closing: true)
            return
        }
        request.body = RequestBody(announcedLength: head.headers.first(name: "content-length").flatMap { Int($0) }) {
            try await body.next()
        }
        let handler = connection.handler
        // Unstructured, since it lives as long as the exchange does: it is cancelled when the channel becomes inactive.
        exchange.task = Task { [request] in
            let response = await handler.respond(to: request)
            await link.deliver(response, to: request)
        }
    }

    /// The handler waits for the body.
    func bodyWanted() {
        guard case .serving(let exchange) = state, !exchange.isRequestComplete else { return }
        isBodyPaused = false
        if exchange.owesContinue, case .awaited = exchange.response {
            exchange.owesContinue = false
            context?.writeAndFlush(wrapOutboundOut(.head(HTTPResponseHead(version: exchange.version, status: .continue))), promise: nil)
        }
        if exchange.body.isAwaited { setDeadline(connection.configuration.timeouts.stall) }
        readIfPending()
    }

    // MARK: Writing

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .serving(let exchange) = state, case .streaming(let queue) = exchange.response {
            queue.setChannelFull(!context.channel.isWritable)
        }
        // A client that takes nothing holds memory; one that is only paused (a pager) deserves patience.
        if !context.channel.isWritable {
            setDeadline(connection.configuration.timeouts.unread)
        } else if case .serving = state {
            setDeadline(nil)
        }
        context.fireChannelWritabilityChanged()
    }

    /// Sends a whole response.
    func sendFull(_ response: ServerResponse, closing: Bool = false) {
        guard case .serving(let exchange) = state, case .awaited = exchange.response, let context,
            case .full(let status, var headers, let body) = response
        else { return }
        if closing { exchange.keepAlive = false }
        if status.mayHaveResponseBody, !headers.contains(name: "content-length") {
            headers.add(name: "content-length", value: String(body.count))
        }
        writeHead(status, headers, of: exchange)
        if !exchange.isHead, status.mayHaveResponseBody, !body.isEmpty {
            context.write(wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: body)))), promise: nil)
        }
        endResponse(of: exchange)
    }

    /// Sends the head of a streamed response. Returns false when nobody waits for it.
    func beginStream(_ status: HTTPResponseStatus, _ headers: HTTPHeaders, _ queue: OutboundQueue<[UInt8]>) {
        guard case .serving(let exchange) = state, case .awaited = exchange.response, let context else {
            queue.fail(HTTPServerError(.clientGone, "the client has closed the connection"))
            return
        }
        // The end of a body without a length is the end of the connection for clients before HTTP/1.1.
        if exchange.version.isBeforeHTTP11 { exchange.keepAlive = false }
        exchange.response = .streaming(queue)
        writeHead(status, headers, of: exchange)
        context.flush()
        queue.setChannelFull(!context.channel.isWritable)
        if isShuttingDown { exchange.task?.cancel() }
    }

    /// Sends what the queue holds.
    func flushStream() {
        guard case .serving(let exchange) = state, case .streaming(let queue) = exchange.response, let context else { return }
        writeQueued(queue, of: exchange)
        context.flush()
        queue.setChannelFull(!context.channel.isWritable)
    }

    /// Ends a streamed response, or resets the connection if the stream failed.
    func endStream(failed: Bool) {
        guard case .serving(let exchange) = state, case .streaming(let queue) = exchange.response else { return }
        guard !failed else { return close() }
        writeQueued(queue, of: exchange)
        endResponse(of: exchange)
    }

    private func writeQueued(_ queue: OutboundQueue<[UInt8]>, of exchange: Exchange) {
        let pieces = queue.take()
        guard !pieces.isEmpty, !exchange.isHead, let context else { return }
        // One buffer for all: fewer chunks, fewer TLS records.
        var buffer = context.channel.allocator.buffer(capacity: pieces.reduce(0) { $0 + $1.count })
        for piece in pieces { buffer.writeBytes(piece) }
        context.write(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil)
    }

    private func writeHead(_ status: HTTPResponseStatus, _ headers: HTTPHeaders, of exchange: Exchange) {
        var headers = headers.withoutControlCharacters()
        if codec != nil {
            // What is left of the request would be taken for the next one.
            if exchange.offersUpgrade || isShuttingDown { exchange.keepAlive = false }
            if exchange.owesContinue { exchange.keepAlive = false }
            if !exchange.keepAlive || !exchange.isRequestComplete {
                headers.replaceOrAdd(name: "connection", value: "close")
            } else if exchange.version.isBeforeHTTP11 {
                headers.replaceOrAdd(name: "connection", value: "keep-alive")
            }
        }
        let head = HTTPResponseHead(version: exchange.version, status: status, headers: headers)
        context?.write(wrapOutboundOut(.head(head)), promise: nil)
    }

    private func endResponse(of exchange: Exchange) {
        guard let context else { return }
        exchange.response = .ended
        if codec != nil, !(exchange.keepAlive && exchange.isRequestComplete) {
            exchange.keepAlive = false
            let promise = context.eventLoop.makePromise(of: Void.self)
            lastWrite = promise.futureResult
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: promise)
        } else {
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
        finish(exchange)
    }

    private func finish(_ exchange: Exchange) {
        guard codec != nil else {
            // The stream ends by itself once both sides have; a request that goes on is reset after a while.
            state = exchange.isRequestComplete ? .closed : .draining(bytesLeft: Self.drainLimit)
            if !exchange.isRequestComplete { setDeadline(.seconds(5)) }
            return readIfPending()
        }
        if exchange.isRequestComplete, exchange.keepAlive {
            state = .idle
            setDeadline(connection.configuration.timeouts.idle)
            while !pipelined.isEmpty, isReadyForMore { receive(pipelined.removeFirst()) }
            readIfPending()
        } else if exchange.isRequestComplete {
            closeWhenWritten()
        } else {
            state = .draining(bytesLeft: Self.drainLimit)
            setDeadline(.seconds(5))
            readIfPending()
        }
    }

    /// Whether the next pipelined part belongs to a request that is being taken in.
    private var isReadyForMore: Bool {
        switch state {
        case .idle: true
        case .serving(let exchange): !exchange.isRequestComplete
        case .draining, .closed: false
        }
    }

    // MARK: Ends

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is ShutdownEvent else { return context.fireUserInboundEventTriggered(event) }
        isShuttingDown = true
        switch state {
        case .idle, .draining: close()
        case .serving(let exchange):
            exchange.keepAlive = false
            if case .streaming = exchange.response { exchange.task?.cancel() }
        case .closed: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError, codec != nil, case .idle = state else { return close() }
        // There is no request yet; the answer goes out as if there were one.
        let isTooLarge = error == .headerOverflow
        let status = isTooLarge ? HTTPResponseStatus.requestHeaderFieldsTooLarge : .badRequest
        let text = isTooLarge ? "the request's head is larger than the limit" : "the request is not valid HTTP"
        let head = HTTPResponseHead(version: .http1_1, status: status, headers: [
            "connection": "close", "content-type": "text/plain; charset=utf-8", "content-length": "\(text.utf8.count)",
        ])
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(string: text)))), promise: nil)
        let promise = context.eventLoop.makePromise(of: Void.self)
        lastWrite = promise.futureResult
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: promise)
        closeWhenWritten()
    }

    /// Closes the channel at once; what is not written yet is lost.
    func close() {
        context?.close(promise: nil)
    }

    /// Closes the channel once the last response is out, or its client has been given up.
    private func closeWhenWritten() {
        state = .closed
        guard let context, let lastWrite else { return close() }
        setDeadline(connection.configuration.timeouts.unread)
        let channel = context.channel
        lastWrite.whenComplete { _ in channel.close(promise: nil) }
    }

    /// The task that answers the present request.
    var currentTask: Task<Void, Never>? {
        if case .serving(let exchange) = state { exchange.task } else { nil }
    }

    /// Takes the exchange out of this handler, which is about to leave the pipeline.
    func handOver() -> Exchange? {
        guard case .serving(let exchange) = state, case .awaited = exchange.response else { return nil }
        state = .closed
        setDeadline(nil)
        return exchange
    }

    private func end(_ error: HTTPServerError) {
        defer { state = .closed }
        setDeadline(nil)
        pipelined.removeAll()
        guard case .serving(let exchange) = state else { return }
        exchange.body.finish(throwing: error)
        if case .streaming(let queue) = exchange.response { queue.fail(error) }
        exchange.task?.cancel()
    }

    // MARK: Time

    private func setDeadline(_ amount: TimeAmount?) {
        guard let context, let time = deadline.set(amount.map { .now() + $0 }) else { return }
        schedule(time, context)
    }

    private func schedule(_ time: NIODeadline, _ context: ChannelHandlerContext) {
        let link = ExchangeLink(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(deadline: time) { link.handler.value.deadlineFired() }
    }

    private func deadlineFired() {
        guard let context else { return }
        switch deadline.fire(now: .now()) {
        case .off: break
        case .again(let time): schedule(time, context)
        case .expired:
            if case .serving(let exchange) = state, case .awaited = exchange.response, !exchange.isRequestComplete {
                // The handler still answers: 408 says more than a closed connection.
                exchange.keepAlive = false
                exchange.body.finish(throwing: HTTPServerError(.timeout, "the request's body did not arrive in time"))
            } else {
                close()
            }
        }
    }
}
