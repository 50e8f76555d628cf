import NIOCore
import NIOHTTP2

/// Watches over one HTTP/2 connection: closes it when it has been idle for long, or when the server shuts down and its
/// last stream has ended.
final class HTTP2ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private let idle: TimeAmount
    private let streams: HTTP2Streams
    private var deadline = LazyDeadline()
    private var isShuttingDown = false
    private var context: ChannelHandlerContext?

    init(idle: TimeAmount, streams: HTTP2Streams) {
        self.idle = idle
        self.streams = streams
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        streams.connection.value = self
        countChanged(0)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        streams.connection.value = nil
        _ = deadline.set(nil)
    }

    func countChanged(_ count: Int) {
        guard let context else { return }
        guard count == 0 else {
            _ = deadline.set(nil)
            return
        }
        if isShuttingDown { return goAway(context, closing: true) }
        if let time = deadline.set(.now() + idle) { schedule(time, context) }
    }

    private func schedule(_ time: NIODeadline, _ context: ChannelHandlerContext) {
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(deadline: time) { bound.value.deadlineFired() }
    }

    private func deadlineFired() {
        guard let context else { return }
        switch deadline.fire(now: .now()) {
        case .off: break
        case .again(let time): schedule(time, context)
        case .expired: goAway(context, closing: true)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is ShutdownEvent else { return context.fireUserInboundEventTriggered(event) }
        isShuttingDown = true
        let open = streams.open.value.values
        goAway(context, closing: open.isEmpty)
        for stream in open { stream.pipeline.fireUserInboundEventTriggered(ShutdownEvent()) }
    }

    /// Tells the client to use another connection from now on.
    private func goAway(_ context: ChannelHandlerContext, closing: Bool) {
        // Not in this turn of the event loop: the end of the last stream may be written, but not flushed.
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.execute {
            let context = bound.value
            let frame = HTTP2Frame(streamID: .rootStream, payload: .goAway(lastStreamID: .maxID, errorCode: .noError, opaqueData: nil))
            let written = context.eventLoop.makePromise(of: Void.self)
            context.writeAndFlush(NIOAny(frame), promise: written)
            guard closing else { return }
            // Closing before everything is out would cut responses off.
            let channel = context.channel
            written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Errors of single streams have reached their streams; here they would end all the others.
        if error is NIOHTTP2Errors.StreamError || error is NIOHTTP2Errors.StreamClosed || error is NIOHTTP2Errors.NoSuchStream { return }
        context.close(promise: nil)
    }
}

/// The open streams of a connection, as the multiplexer reports them on the event loop.
final class HTTP2Streams: NIOHTTP2StreamDelegate {
    let open: NIOLoopBoundBox<[HTTP2StreamID: any Channel]>
    let connection: NIOLoopBoundBox<HTTP2ConnectionHandler?>

    init(eventLoop: any EventLoop) {
        open = NIOLoopBoundBox([:], eventLoop: eventLoop)
        connection = NIOLoopBoundBox(nil, eventLoop: eventLoop)
    }

    func streamCreated(_ id: HTTP2StreamID, channel: any Channel) {
        open.value[id] = channel
        connection.value?.countChanged(open.value.count)
    }

    func streamClosed(_ id: HTTP2StreamID, channel: any Channel) {
        open.value[id] = nil
        connection.value?.countChanged(open.value.count)
    }
}
