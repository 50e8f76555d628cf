import NIOCore
import NIOHTTP1

/// The bytes of a connection that has left HTTP behind (RFC 9110, section 7.8): SPDY, as clients without WebSockets ask for it.
public struct UpgradedConnection: Sendable {
    private let receiveBytes: @Sendable () async throws -> [UInt8]?
    private let sendBytes: @Sendable ([UInt8]) async throws -> Void

    /// Makes a connection over closures: the server does, and tests of handlers can.
    public init(receive: @escaping @Sendable () async throws -> [UInt8]?, send: @escaping @Sendable ([UInt8]) async throws -> Void) {
        (receiveBytes, sendBytes) = (receive, send)
    }

    /// The next bytes; `nil` when the peer has closed the connection. For one task at a time.
    public func receive() async throws -> [UInt8]? { try await receiveBytes() }

    /// Sends bytes; suspends while the peer is slower than the sender.
    /// - Throws: `HTTPServerError` with `clientGone`, or `CancellationError`.
    public func send(_ bytes: [UInt8]) async throws { try await sendBytes(bytes) }
}

/// Carries the bytes of an upgraded connection to and from the task that runs it.
final class UpgradedConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    let inbound: InboundQueue<[UInt8]>
    let outbound: OutboundQueue<[UInt8]>
    /// Cancelled when the connection ends.
    var task: Task<Void, Never>?
    private var context: ChannelHandlerContext?
    private var isPaused = false
    private var isReadPending = false

    private struct Weak {
        weak var handler: UpgradedConnectionHandler?
    }

    /// To be called on the event loop.
    init(limits: HTTPServerConfiguration.Limits, eventLoop: any EventLoop) {
        // The queues are made before the handler that they wake.
        let holder = NIOLoopBoundBox<Weak?>(nil, eventLoop: eventLoop)
        inbound = InboundQueue(highWatermark: limits.readAhead, lowWatermark: limits.readAhead / 2) {
            eventLoop.execute { holder.value?.handler?.resumeReading() }
        }
        outbound = OutboundQueue(limit: limits.writeAhead) { eventLoop.execute { holder.value?.handler?.flushQueue() } }
        holder.value = Weak(handler: self)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        end()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

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
        let buffer = unwrapInboundIn(data)
        if !inbound.push(Array(buffer.readableBytesView), size: buffer.readableBytes) { isPaused = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        outbound.setChannelFull(!context.channel.isWritable)
        context.fireChannelWritabilityChanged()
    }

    private func flushQueue() {
        guard let context else { return }
        for bytes in outbound.take() { context.write(wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: nil) }
        context.flush()
        outbound.setChannelFull(!context.channel.isWritable)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is ShutdownEvent else { return context.fireUserInboundEventTriggered(event) }
        inbound.finish(throwing: HTTPServerError(.shuttingDown, "the server is shutting down"))
        task?.cancel()
    }

    /// Sends what is queued and closes the channel.
    func close() {
        flushQueue()
        guard let context else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
    }

    private func end() {
        inbound.finish(throwing: nil)
        outbound.fail(HTTPServerError(.clientGone, "the connection is closed"))
        task?.cancel()
    }
}

extension ExchangeLink {
    /// Leaves HTTP and runs the connection until it ends.
    func upgrade(_ headers: HTTPHeaders, _ run: @escaping @Sendable (UpgradedConnection) async throws -> Void) async {
        let session: UpgradedSession
        do {
            session = try await eventLoop.submit { try leaveHTTP(headers) }.get()
        } catch {
            let message = (error as? HTTPServerError)?.message ?? "the connection cannot be upgraded"
            return execute { $0.sendFull(.text(.badRequest, message), closing: true) }
        }
        // What ends the connection is told to its streams; there is nobody else to tell.
        _ = try? await run(UpgradedConnection(receive: { try await session.inbound.next() }, send: { try await session.outbound.write($0, size: $0.count) }))
        session.channel.eventLoop.execute { session.handler.value.close() }
        _ = try? await session.channel.closeFuture.get()
    }

    /// On the event loop.
    private func leaveHTTP(_ headers: HTTPHeaders) throws(HTTPServerError) -> UpgradedSession {
        let exchangeHandler = handler.value
        guard exchangeHandler.canUpgrade else { throw HTTPServerError(.badRequest, "expected a request to upgrade over HTTP/1.1, without a body") }
        let upgraded = UpgradedConnectionHandler(limits: connection.configuration.limits, eventLoop: eventLoop)
        upgraded.task = exchangeHandler.currentTask
        let (channel, _) = try exchangeHandler.upgrade(headers: headers, to: [upgraded])
        return UpgradedSession(
            inbound: upgraded.inbound, outbound: upgraded.outbound, channel: channel, handler: NIOLoopBound(upgraded, eventLoop: eventLoop))
    }
}

/// An upgraded connection as the task sees it that runs it.
private struct UpgradedSession: Sendable {
    let inbound: InboundQueue<[UInt8]>
    let outbound: OutboundQueue<[UInt8]>
    let channel: any Channel
    let handler: NIOLoopBound<UpgradedConnectionHandler>
}
