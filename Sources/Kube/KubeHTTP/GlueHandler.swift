import NIOCore

/// One end of two connections that are glued together: what is read here is written there, as fast as there is room.
/// The end of input here ends output there (half-close); a break breaks both.
final class GlueHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// The two keep each other alive until one of the connections ends.
    private var partner: GlueHandler?
    private var context: ChannelHandlerContext?
    private var isReadPending = false
    /// What came before the partner was in its pipeline.
    private var early: [ByteBuffer] = []
    private var isInputClosed = false

    private init() {}

    /// Two ends that belong together, for channels of one event loop.
    static func pair() -> (GlueHandler, GlueHandler) {
        let first = GlueHandler()
        let second = GlueHandler()
        first.partner = second
        second.partner = first
        return (first, second)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        guard let partner else { return }
        for buffer in partner.early { context.write(wrapOutboundOut(buffer), promise: nil) }
        if !partner.early.isEmpty { context.flush() }
        partner.early = []
        if partner.isInputClosed { closeOutput() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        breakPair()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let partner else { return }
        let buffer = unwrapInboundIn(data)
        if let other = partner.context {
            other.write(partner.wrapOutboundOut(buffer), promise: nil)
        } else {
            early.append(buffer)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        partner?.context?.flush()
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if partner?.context?.channel.isWritable ?? false { context.read() } else { isReadPending = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { partner?.resumeReading() }
        context.fireChannelWritabilityChanged()
    }

    /// To be called once both ends are in place: sends what came meanwhile, and reads on.
    func start() {
        context?.flush()
        resumeReading()
    }

    /// Goes on reading, if that was asked for while there was no room.
    private func resumeReading() {
        guard isReadPending else { return }
        isReadPending = false
        context?.read()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            isInputClosed = true
            partner?.closeOutput()
        case is ShutdownEvent:
            context.close(promise: nil)
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    private func closeOutput() {
        context?.close(mode: .output, promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        breakPair()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func breakPair() {
        let other = partner
        partner = nil
        other?.partner = nil
        guard let context = other?.context else { return }
        // What has been read here still goes out there.
        let written = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
    }
}
