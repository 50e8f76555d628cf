import Glibc
public import Logging
import NIOCore
import NIOPosix
import Synchronization

/// A server of HTTP/1.1 and HTTP/2 over TLS, with WebSockets and tunnels.
public final class HTTPServer: Sendable {
    private let configuration: HTTPServerConfiguration
    private let handler: any RequestHandler
    private let logger: Logger
    private let connections = ConnectionRegistry()
    private let bound = Mutex<Bound?>(nil)

    private struct Bound {
        var listener: any Channel
        var group: any EventLoopGroup
        /// The group was made here and ends with the server.
        var ownsGroup: Bool
    }

    public init(configuration: HTTPServerConfiguration, handler: any RequestHandler, logger: Logger) {
        self.configuration = configuration
        self.handler = handler
        self.logger = logger
    }

    /// The port that the server listens on, once it does.
    public var port: Int? { bound.withLock { $0?.listener.localAddress?.port } }

    /// The number of open connections.
    public var connectionCount: Int { connections.count }

    /// Binds the address; connections are accepted from now on.
    /// - Throws: `HTTPServerError` with `addressInUse` or `addressUnavailable`.
    public func start() async throws(HTTPServerError) {
        guard bound.withLock({ $0 == nil }) else { return }
        let ownsGroup = configuration.eventLoopGroup == nil
        let group = configuration.eventLoopGroup ?? MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let listener = try await bootstrap(group).bind(host: configuration.host, port: configuration.port).get()
            bound.withLock { $0 = Bound(listener: listener, group: group, ownsGroup: ownsGroup) }
            logger.debug("listening", metadata: ["address": "\(listener.localAddress.map(String.init(describing:)) ?? "")"])
        } catch {
            if ownsGroup { await shutDown(group) }
            throw bindError(error)
        }
    }

    /// Serves until the task is cancelled, then lets requests in flight end, for the grace period at most.
    /// - Throws: `HTTPServerError` when the address cannot be bound.
    public func run() async throws(HTTPServerError) {
        try await start()
        guard let bound = bound.withLock({ $0 }) else { return }
        await withTaskCancellationHandler {
            // The future is of `Void` and fails only when closing fails: the listener is gone either way.
            _ = try? await bound.listener.closeFuture.get()
        } onCancel: {
            bound.listener.close(promise: nil)
        }
        logger.debug("shutting down", metadata: ["connections": "\(connections.count)"])
        // Never fails: the promise is only ever fulfilled.
        _ = try? await connections.shutDown(within: configuration.gracePeriod, on: bound.listener.eventLoop).get()
        if bound.ownsGroup { await shutDown(bound.group) }
        self.bound.withLock { $0 = nil }
    }

    private func shutDown(_ group: any EventLoopGroup) async {
        do {
            try await group.shutdownGracefully()
        } catch {
            logger.warning("the event loops did not shut down in order", metadata: ["error": "\(error)"])
        }
    }

    private func bootstrap(_ group: any EventLoopGroup) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            // A peer that has vanished without a word is noticed after 30 + 6 × 10 seconds of silence.
            .childChannelOption(.tcpKeepAliveIdle, value: 30)
            .childChannelOption(.tcpKeepAliveInterval, value: 10)
            .childChannelOption(.tcpKeepAliveCount, value: 6)
            .childChannelInitializer { [configuration, handler, connections] channel in
                connections.add(channel)
                return ConnectionSetup(configuration: configuration, handler: handler).configure(channel)
            }
    }

    private func bindError(_ error: any Error) -> HTTPServerError {
        let address = "\(configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host):\(configuration.port)"
        guard let io = error as? IOError else {
            return HTTPServerError(.addressUnavailable, "cannot listen on \(address)", cause: error)
        }
        switch io.errnoCode {
        case EADDRINUSE:
            return HTTPServerError(.addressInUse, "cannot listen on \(address): another program listens there already")
        case EADDRNOTAVAIL:
            return HTTPServerError(.addressUnavailable, "cannot listen on \(address): this host does not have that address")
        case EACCES, EPERM:
            return HTTPServerError(.addressUnavailable, "cannot listen on \(address): ports below 1024 need root")
        default:
            return HTTPServerError(.addressUnavailable, "cannot listen on \(address)", cause: error)
        }
    }
}

extension ChannelOption where Self == ChannelOptions.Types.SocketOption {
    // Linux numbers (netinet/tcp.h); NIO has no names for them.
    fileprivate static var tcpKeepAliveIdle: Self { Self(level: .tcp, name: NIOBSDSocket.Option(rawValue: 4)) }
    fileprivate static var tcpKeepAliveInterval: Self { Self(level: .tcp, name: NIOBSDSocket.Option(rawValue: 5)) }
    fileprivate static var tcpKeepAliveCount: Self { Self(level: .tcp, name: NIOBSDSocket.Option(rawValue: 6)) }
}
