import NIOCore
import NIOWebSocket

/// Speaks WebSocket on a channel that has been upgraded.
///
///     open ──close frame from the peer──▶ echoed ──▶ closed
///       │──close() or a violation──▶ closing (waits for the peer's close frame, at most 5 s) ──▶ closed
final class WebSocketHandler: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundIn = Never
    typealias OutboundOut = WebSocketFrame

    enum State {
        case open
        case closing
        case closed
    }

    let inbound: InboundQueue<WebSocketMessage>
    let outbound: OutboundQueue<WebSocketMessage>
    /// Cancelled when the connection ends.
    var task: Task<Void, Never>?
    private var assembler: WebSocketAssembler
    private var state = State.open
    private var context: ChannelHandlerContext?
    private var isPaused = false
    private var isReadPending = false

    /// To be called on the event loop.
    init(limits: HTTPServerConfiguration.Limits, eventLoop: any EventLoop) {
        assembler = WebSocketAssembler(limit: limits.webSocketMessage)
        let holder = LateBound(eventLoop)
        inbound = InboundQueue(highWatermark: limits.readAhead, lowWatermark: limits.readAhead / 2) {
            holder.execute { $0.resumeReading() }
        }
        outbound = OutboundQueue(limit: limits.writeAhead) { holder.execute { $0.flushQueue() } }
        holder.bind(self)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        end(HTTPServerError(.clientGone, "the connection is gone"))
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(HTTPServerError(.clientGone, "the client has closed the connection without a close frame"))
        context.fireChannelInactive()
    }

    // MARK: Reading

    func read(context: ChannelHandlerContext) {
        if isPaused { isReadPending = true } else { context.read() }
    }

    private func resumeReading() {
        isPaused = false
        guard isReadPending else { return }
        isReadPending = false
        context?.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard state != .closed else { return }
        switch assembler.receive(unwrapInboundIn(data)) {
        case .none: break
        case .message(let message):
            guard state == .open else { break }
            if !inbound.push(message, size: message.size) { isPaused = true }
        case .ping(let data):
            // A peer that sends pings but reads no pongs gets none.
            guard state == .open, context.channel.isWritable else { break }
            send(.pong, data)
        case .close(let code):
            inbound.finish(throwing: nil)
            if state == .open { flushQueue() }
            // In answer to a close frame of ours, the client's is the last.
            if state == .open { sendClose(code, "", thenCloses: true) } else { context.close(promise: nil) }
            state = .closed
        case .violation(let code, let message):
            fail(code, HTTPServerError(.protocolViolation, message))
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? NIOWebSocketError else { return context.close(promise: nil) }
        let code: WebSocketCloseCode = if case .invalidFrameLength = error { .messageTooBig } else { .protocolError }
        fail(code, HTTPServerError(.protocolViolation, "the client sent an invalid frame", cause: error))
    }

    private func fail(_ code: WebSocketCloseCode, _ error: HTTPServerError) {
        inbound.finish(throwing: error)
        outbound.fail(error)
        // What follows a violation cannot be understood, so there is no waiting for a close frame.
        if state == .open { sendClose(code, error.message, thenCloses: true) } else { context?.close(promise: nil) }
        state = .closed
    }

    // MARK: Writing

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        outbound.setChannelFull(!context.channel.isWritable)
        context.fireChannelWritabilityChanged()
    }

    private func flushQueue() {
        guard state == .open, let context else { return }
        for message in outbound.take() {
            switch message {
            case .binary(let bytes): write(.binary, context.channel.allocator.buffer(bytes: bytes))
            case .text(let text): write(.text, context.channel.allocator.buffer(string: text))
            }
        }
        context.flush()
        outbound.setChannelFull(!context.channel.isWritable)
    }

    private func write(_ opcode: WebSocketOpcode, _ data: ByteBuffer, _ promise: EventLoopPromise<Void>? = nil) {
        context?.write(wrapOutboundOut(WebSocketFrame(fin: true, opcode: opcode, data: data)), promise: promise)
    }

    private func send(_ opcode: WebSocketOpcode, _ data: ByteBuffer, _ promise: EventLoopPromise<Void>? = nil) {
        write(opcode, data, promise)
        context?.flush()
    }

    /// - Parameter thenCloses: The channel is closed once the frame, and all before it, is out.
    private func sendClose(_ code: WebSocketCloseCode?, _ reason: String, thenCloses: Bool) {
        guard let context else { return }
        var data = context.channel.allocator.buffer(capacity: 2)
        if let code {
            data.writeInteger(code.rawValue)
            // A control frame carries at most 125 bytes.
            data.writeString(String(decoding: reason.utf8.prefix(120), as: UTF8.self))
        }
        guard thenCloses else { return send(.connectionClose, data) }
        let written = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        send(.connectionClose, data, written)
    }

    // MARK: Ends

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is ShutdownEvent else { return context.fireUserInboundEventTriggered(event) }
        inbound.finish(throwing: HTTPServerError(.shuttingDown, "the server is shutting down"))
        task?.cancel()
    }

    /// Sends what is queued and the close frame, and closes the channel when the peer has answered.
    func close(_ code: WebSocketCloseCode, _ reason: String) {
        guard state == .open, let context else { return }
        flushQueue()
        sendClose(code, reason, thenCloses: false)
        state = .closing
        isPaused = false
        inbound.finish(throwing: nil)
        outbound.fail(HTTPServerError(.clientGone, "the WebSocket is closed"))
        resumeReading()
        let channel = context.channel
        let patience = context.eventLoop.scheduleTask(in: .seconds(5)) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in patience.cancel() }
    }

    private func end(_ error: HTTPServerError) {
        state = .closed
        inbound.finish(throwing: error)
        outbound.fail(error)
        task?.cancel()
    }
}

extension WebSocketMessage {
    var size: Int {
        switch self {
        case .text(let text): text.utf8.count
        case .binary(let bytes): bytes.count
        }
    }
}

/// Lets the queues, which are made first, reach the handler that owns them, without keeping it alive.
private final class LateBound: Sendable {
    private let eventLoop: any EventLoop
    private let handler: NIOLoopBoundBox<Weak?>

    private struct Weak {
        weak var handler: WebSocketHandler?
    }

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        handler = NIOLoopBoundBox(nil, eventLoop: eventLoop)
    }

    func bind(_ handler: WebSocketHandler) {
        self.handler.value = Weak(handler: handler)
    }

    func execute(_ body: @escaping @Sendable (WebSocketHandler) -> Void) {
        eventLoop.execute { [handler] in
            if let handler = handler.value?.handler { body(handler) }
        }
    }
}
