internal import NIOCore
internal import NIOPosix

/// Asks resolvers over the network: each question from a socket, and so from a port, of its own.
public struct NetworkUpstreamTransport: UpstreamTransport {
    private let timeout: TimeAmount
    private let group: MultiThreadedEventLoopGroup

    /// - Parameter timeout: for one resolver's answer.
    public init(timeout: Duration = .seconds(2)) {
        let parts = timeout.components
        self.timeout = .nanoseconds(parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000)
        group = .singleton
    }

    public func exchange(_ query: DNSMessage, with upstream: Upstream, overTCP: Bool) async throws -> DNSMessage {
        let address: SocketAddress
        do { address = try SocketAddress(ipAddress: upstream.address, port: upstream.port) } catch {
            throw DNSError(.upstream, "expected the address of a resolver, found \(upstream.address)")
        }
        let eventLoop = group.any()
        let answer = eventLoop.makePromise(of: DNSMessage.self)
        // Fulfilled at the latest by the timer, so nobody waits for ever.
        let timer = eventLoop.scheduleTask(in: timeout) { answer.fail(DNSError(.upstream, "\(upstream) did not answer in time")) }
        let channel: any Channel
        do {
            channel = try await overTCP ? openTCP(eventLoop, address, query, answer) : openUDP(eventLoop, address, query, answer)
        } catch {
            timer.cancel()
            answer.fail(error)
            throw DNSError(.upstream, "cannot reach \(upstream): \(error)")
        }
        return try await withTaskCancellationHandler {
            defer {
                timer.cancel()
                channel.close(promise: nil)
            }
            return try await answer.futureResult.get()
        } onCancel: {
            answer.fail(CancellationError())
        }
    }

    private func openUDP(
        _ eventLoop: any EventLoop, _ address: SocketAddress, _ query: DNSMessage, _ answer: EventLoopPromise<DNSMessage>
    ) async throws -> any Channel {
        // Connected: the kernel takes packets of this peer alone, and tells that nobody listens there.
        let channel = try await DatagramBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(UDPAnswerHandler(query, answer)) }
            }
            .connect(to: address).get()
        channel.writeAndFlush(AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: query.bytes())), promise: nil)
        return channel
    }

    private func openTCP(
        _ eventLoop: any EventLoop, _ address: SocketAddress, _ query: DNSMessage, _ answer: EventLoopPromise<DNSMessage>
    ) async throws -> any Channel {
        let channel = try await ClientBootstrap(group: eventLoop)
            .connectTimeout(timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(ByteToMessageHandler(StreamFrameDecoder()), TCPAnswerHandler(query, answer))
                }
            }
            .connect(to: address).get()
        channel.writeAndFlush(ByteBuffer(streamFrame: query.bytes()), promise: nil)
        return channel
    }
}

/// Waits for the packet that answers a query; others are passed over, so that a forger has one try a packet.
private final class UDPAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let query: DNSMessage
    private let answer: EventLoopPromise<DNSMessage>

    init(_ query: DNSMessage, _ answer: EventLoopPromise<DNSMessage>) { (self.query, self.answer) = (query, answer) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(unwrapInboundIn(data).data.readableBytesView)
        guard let message = try? DNSMessage(parsing: bytes), message.answers(query) else { return }
        answer.succeed(message)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        answer.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { answer.fail(ChannelError.eof) }
}

private final class TCPAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = [UInt8]

    private let query: DNSMessage
    private let answer: EventLoopPromise<DNSMessage>

    init(_ query: DNSMessage, _ answer: EventLoopPromise<DNSMessage>) { (self.query, self.answer) = (query, answer) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do {
            let message = try DNSMessage(parsing: unwrapInboundIn(data))
            if message.answers(query) { answer.succeed(message) }
        } catch {
            answer.fail(error)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        answer.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { answer.fail(ChannelError.eof) }
}

/// Messages over TCP: two bytes of length before each (RFC 1035, section 4.2.2).
struct StreamFrameDecoder: ByteToMessageDecoder {
    typealias InboundOut = [UInt8]

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) -> DecodingState {
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: UInt16.self), buffer.readableBytes >= 2 + Int(length) else { return .needMoreData }
        buffer.moveReaderIndex(forwardBy: 2)
        context.fireChannelRead(wrapInboundOut(buffer.readBytes(length: Int(length)) ?? []))
        return .continue
    }

    mutating func decodeLast(context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool) -> DecodingState {
        while case .continue = decode(context: context, buffer: &buffer) {}
        return .needMoreData
    }
}

extension ByteBuffer {
    /// A message with its length before it.
    init(streamFrame bytes: [UInt8]) {
        self.init()
        writeInteger(UInt16(clamping: bytes.count))
        writeBytes(bytes.prefix(0xffff))
    }
}
