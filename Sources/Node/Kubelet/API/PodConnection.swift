internal import BlockingCalls
import Glibc
internal import NIOCore
internal import NIOPosix
internal import Runtime

/// A TCP connection to a port of a pod, made from inside the pod's network namespace: what listens on the pod's localhost
/// alone is reached, and no policy is in the way.
struct PodConnection: Sendable {
    /// How long the pod may take to accept: a connection to localhost only waits if its backlog is full.
    private static let acceptLimit: Int32 = 10_000

    typealias Channel = NIOAsyncChannel<ByteBuffer, ByteBuffer>
    private let channel: Channel

    /// Connects to localhost, IPv4 first.
    /// - Throws: `KubeletError` in the words of other runtimes.
    static func open(_ runtime: any ContainerRuntime, sandbox: String, port: UInt16) async throws -> PodConnection {
        var failures: [SocketFamily: String] = [:]
        for family in [SocketFamily.ipv4, .ipv6] {
            let descriptor = try await runtime.openSocket(in: sandbox, family)
            let failure = try await connect(descriptor, family, port)
            if failure == 0 { return PodConnection(channel: try await adopt(descriptor)) }
            close(descriptor)
            let name = String(cString: strerror(failure))
            failures[family] = "connect: " + name.prefix(1).lowercased() + name.dropFirst()
        }
        throw KubeletError(
            .badRequest, "failed to connect to localhost:\(port) inside namespace \"\(sandbox)\", IPv4: dial tcp4 127.0.0.1:\(port): \(failures[.ipv4] ?? "") "
                + "IPv6: dial tcp6 [::1]:\(port): \(failures[.ipv6] ?? "")")
    }

    /// - Returns: 0, or the errno of the failure.
    private static func connect(_ descriptor: Int32, _ family: SocketFamily, _ port: UInt16) async throws -> Int32 {
        let code = startConnecting(descriptor, family, port)
        guard code == EINPROGRESS || code == EINTR else { return code }
        return try await BlockingThreads.kubelet.run {
            var event = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let count = poll(&event, 1, acceptLimit)
            guard count > 0 else { return count == 0 ? ETIMEDOUT : errno }
            var failure: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &length) == 0 else { return errno }
            return failure
        }
    }

    private static func startConnecting(_ descriptor: Int32, _ family: SocketFamily, _ port: UInt16) -> Int32 {
        func connect<Address>(_ address: inout Address) -> Int32 {
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size)) == 0 ? 0 : errno }
            }
        }
        switch family {
        case .ipv4:
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            return connect(&address)
        case .ipv6:
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_addr = in6addr_loopback
            return connect(&address)
        }
    }

    /// From here on the descriptor belongs to the channel.
    private static func adopt(_ descriptor: Int32) async throws -> Channel {
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .withConnectedSocket(descriptor) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try Channel(wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
                    }
                }
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Carries bytes both ways until both sides have ended, or one has broken; closes the connection.
    /// - Throws: what reading from or writing to the client throws.
    func carry(_ client: ForwardedStream) async throws {
        try await channel.executeThenClose { inbound, outbound in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    var isHeard = true
                    while let bytes = try await client.read() {
                        // A pod that does not listen any more may still have something to say; what it is told is thrown away, or
                        // it would hold back the client's other connections.
                        guard isHeard else { continue }
                        do { try await outbound.write(ByteBuffer(bytes: bytes)) } catch { isHeard = false }
                    }
                    if isHeard { outbound.finish() }
                }
                group.addTask {
                    do {
                        for try await buffer in inbound { try await client.write(Array(buffer.readableBytesView)) }
                    } catch is IOError {
                        // The pod has reset the connection: for the client that is the end as well.
                    }
                    try await client.finish()
                }
                defer { group.cancelAll() }
                while try await group.next() != nil {}
            }
        }
    }
}

/// The client's side of one forwarded connection, whichever protocol it speaks.
struct ForwardedStream: Sendable {
    /// The next bytes; `nil` when the client sends no more.
    var read: @Sendable () async throws -> [UInt8]?
    var write: @Sendable ([UInt8]) async throws -> Void
    /// The pod sends no more.
    var finish: @Sendable () async throws -> Void
}
