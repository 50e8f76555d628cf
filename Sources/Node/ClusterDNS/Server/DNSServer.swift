public import Logging
internal import NIOCore
internal import NIOPosix
import Synchronization

/// Serves DNS over UDP and TCP on one address and port.
///
/// Answers at hand are given on the event loop. Questions for others run as child tasks; their number is bounded by the
/// forwarder, and beyond that the client is told at once.
public final class DNSServer: Sendable {
    public struct Limits: Sendable {
        /// TCP connections at one time; more are closed at once.
        public var connections = 256
        /// Questions of one TCP connection on their way at one time; more end it.
        public var questionsPerConnection = 64
        /// How long a TCP connection may say nothing.
        public var idle = Duration.seconds(10)
        public init() {}
    }

    private let address: String
    private let wantedPort: Int
    private let resolver: ClusterResolver
    private let limits: Limits
    private let logger: Logger
    private let bound = Mutex<Bound?>(nil)
    private let jobs: AsyncStream<@Sendable () async -> Void>
    private let addJob: AsyncStream<@Sendable () async -> Void>.Continuation

    private struct Bound {
        var datagrams: any Channel
        var listener: any Channel
    }

    /// - Parameter address: one address, not "any": answers must come from the address that was asked.
    public init(address: String, port: Int, resolver: ClusterResolver, limits: Limits = .init(), logger: Logger) {
        (self.address, wantedPort, self.resolver, self.limits, self.logger) = (address, port, resolver, limits, logger)
        (jobs, addJob) = AsyncStream.makeStream()
    }

    /// The port that is served, once it is.
    public var port: Int? { bound.withLock { $0?.datagrams.localAddress?.port } }

    /// Binds the address for UDP and TCP.
    /// - Throws: `DNSError` with `addressUnavailable`.
    public func start() async throws(DNSError) {
        let group = MultiThreadedEventLoopGroup.singleton
        let server = NIOQuestions(resolver: resolver, addJob: addJob)
        do {
            let datagrams = try await DatagramBootstrap(group: group)
                .channelOption(.socketOption(.so_reuseaddr), value: 0)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(DatagramHandler(server)) }
                }
                .bind(host: address, port: wantedPort).get()
            do {
                let listener = try await listen(group, port: datagrams.localAddress?.port ?? wantedPort, server)
                bound.withLock { $0 = Bound(datagrams: datagrams, listener: listener) }
            } catch {
                datagrams.close(promise: nil)
                throw error
            }
        } catch {
            throw DNSError(.addressUnavailable, "cannot serve DNS on \(Upstream(address: address, port: wantedPort)): \(error)")
        }
    }

    private func listen(_ group: any EventLoopGroup, port: Int, _ server: NIOQuestions) async throws -> any Channel {
        let (limits, count) = (limits, ConnectionCount())
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard count.enter(limits.connections) else { throw DNSError(.addressUnavailable, "too many connections") }
                    channel.closeFuture.whenComplete { _ in count.leave() }
                    let idle = TimeAmount.nanoseconds(limits.idle.components.seconds * 1_000_000_000 + limits.idle.components.attoseconds / 1_000_000_000)
                    try channel.pipeline.syncOperations.addHandlers(
                        IdleStateHandler(allTimeout: idle), ByteToMessageHandler(StreamFrameDecoder()),
                        ConnectionHandler(server, limit: limits.questionsPerConnection))
                }
            }
            .bind(host: address, port: port).get()
    }

    /// Serves until cancelled.
    /// - Throws: `DNSError` when the address cannot be bound.
    public func run() async throws {
        if bound.withLock({ $0 == nil }) { try await start() }
        let (jobs, addJob) = (jobs, addJob)
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                for await job in jobs { group.addTask(operation: job) }
                group.cancelAll()
            }
        } onCancel: {
            addJob.finish()
        }
        let bound = bound.withLock { bound in
            defer { bound = nil }
            return bound
        }
        bound?.datagrams.close(promise: nil)
        bound?.listener.close(promise: nil)
    }
}

private final class ConnectionCount: Sendable {
    private let count = Mutex(0)

    func enter(_ limit: Int) -> Bool {
        count.withLock { count in
            guard count < limit else { return false }
            count += 1
            return true
        }
    }

    func leave() { count.withLock { $0 -= 1 } }
}

/// From the bytes of a question to the message that answers it.
struct NIOQuestions: Sendable {
    let resolver: ClusterResolver
    let addJob: AsyncStream<@Sendable () async -> Void>.Continuation

    /// Answers at once, or later from a task.
    /// - Parameter reply: called once with the answer and the question, on any thread; not at all for what is no question.
    func handle(_ bytes: [UInt8], reply: @escaping @Sendable (DNSMessage, _ query: DNSMessage) -> Void) {
        let query: DNSMessage
        do throws(DNSError) { query = try DNSMessage(parsing: bytes) } catch {
            guard let refusal = Self.refusal(of: bytes) else { return }
            return reply(refusal, refusal)
        }
        switch resolver.answer(query) {
        case .ignored: break
        case .answer(let answer): reply(answer, query)
        case .needsOthers:
            let resolver = resolver
            addJob.yield { reply(await resolver.resolve(query), query) }
        }
    }

    /// The answer to a question that cannot be read, if at least its number can.
    private static func refusal(of bytes: [UInt8]) -> DNSMessage? {
        guard bytes.count >= 12, bytes[2] & 0x80 == 0 else { return nil }
        var refusal = DNSMessage(id: UInt16(bytes[0]) << 8 | UInt16(bytes[1]))
        refusal.isResponse = true
        refusal.code = .formatError
        return refusal
    }
}

private final class DatagramHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let questions: NIOQuestions

    init(_ questions: NIOQuestions) { self.questions = questions }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        let (channel, client) = (context.channel, envelope.remoteAddress)
        questions.handle(Array(envelope.data.readableBytesView)) { answer, query in
            let bytes = answer.bytes(limit: query.udpLimit)
            channel.writeAndFlush(AddressedEnvelope(remoteAddress: client, data: ByteBuffer(bytes: bytes)), promise: nil)
        }
    }

    // A client that has gone is told of by ICMP; the others go on.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}

private final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = [UInt8]
    typealias OutboundOut = ByteBuffer

    private let questions: NIOQuestions
    private let limit: Int
    private var pending = 0
    private var hasEnded = false

    init(_ questions: NIOQuestions, limit: Int) { (self.questions, self.limit) = (questions, limit) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard pending < limit, context.channel.isWritable else { return context.close(promise: nil) }
        pending += 1
        let channel = context.channel
        let this = NIOLoopBound(self, eventLoop: context.eventLoop)
        questions.handle(unwrapInboundIn(data)) { answer, _ in
            let bytes = answer.bytes()
            channel.eventLoop.execute { this.value.send(bytes, channel) }
        }
    }

    private func send(_ bytes: [UInt8], _ channel: any Channel) {
        pending -= 1
        let written = channel.writeAndFlush(ByteBuffer(streamFrame: bytes))
        if hasEnded, pending == 0 { written.whenComplete { _ in channel.close(promise: nil) } }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { return context.close(promise: nil) }
        guard case .inputClosed? = event as? ChannelEvent else { return context.fireUserInboundEventTriggered(event) }
        hasEnded = true
        if pending == 0 { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
