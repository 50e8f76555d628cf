public import NIOCore

/// Where a server listens and what it allows.
public struct HTTPServerConfiguration: Sendable {
    /// The address to bind: an IP address, or `::` for every IPv4 and IPv6 address.
    public var host: String
    /// The port to bind; 0 lets the system choose.
    public var port: Int
    /// The server's side of TLS; `nil` for plain text, which is for tests.
    public var tls: TLSServer?
    /// The event loops to serve on; by default one thread of the server's own.
    public var eventLoopGroup: (any EventLoopGroup)?
    public var limits = Limits()
    public var timeouts = Timeouts()
    /// How long requests in flight may go on once the server shuts down. Streams and WebSockets are told at once.
    public var gracePeriod: TimeAmount = .seconds(5)

    public init(host: String, port: Int, tls: TLSServer?, eventLoopGroup: (any EventLoopGroup)? = nil) {
        self.host = host
        self.port = port
        self.tls = tls
        self.eventLoopGroup = eventLoopGroup
    }

    /// Sizes, in bytes unless said otherwise.
    public struct Limits: Sendable {
        /// The request line and all header fields of a request.
        public var headSize = 64 * 1024
        /// Header fields in a request.
        public var headerCount = 128
        /// What is read ahead of a body, or of a WebSocket, before its reader asks.
        public var readAhead = 64 * 1024
        /// What is queued for a client before writers wait.
        public var writeAhead = 64 * 1024
        /// A WebSocket frame from the client.
        public var webSocketFrame = 1024 * 1024
        /// A WebSocket message from the client, put together.
        public var webSocketMessage = 4 * 1024 * 1024
        /// Streams at once on one HTTP/2 connection; each watch is one.
        public var concurrentStreams = 1000

        public init() {}
    }

    /// How long to wait for a client.
    public struct Timeouts: Sendable {
        /// From the connection, or a request's first byte, to the end of its head; TLS handshake included.
        public var head = TimeAmount.seconds(30)
        /// Between two requests on a connection that is kept alive.
        public var idle = TimeAmount.seconds(120)
        /// For the next piece of a body that the handler waits for.
        public var stall = TimeAmount.seconds(60)
        /// For a client that takes nothing of its response; a paused pager is one, so be patient.
        public var unread = TimeAmount.minutes(10)

        public init() {}
    }
}
