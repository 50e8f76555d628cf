public import NIOCore
public import NIOHTTP1

/// Where a request is passed on to, and as what.
///
/// The method and body are the client's. The answer is passed back whatever it is: a streamed response as one, an
/// upgrade (WebSocket, SPDY) by gluing the two connections together.
public struct TunnelTarget: Sendable {
    /// The address to connect to: a host name or an IP address.
    public var host: String
    public var port: Int
    /// How to speak TLS to it; `nil` for plain text.
    public var tls: TLSClient?
    /// The name that the backend's certificate must carry; by default `host`.
    public var serverName: String?
    /// The path and query to ask for.
    public var uri: String
    /// The headers to send instead of the client's. By default the client's, without what belongs to its own
    /// connection and without its credentials (`Authorization`, `Cookie`, `Impersonate-*`, `X-Remote-*`).
    public var headers: HTTPHeaders?
    /// How long connecting, TLS included, may take.
    public var connectTimeout: TimeAmount
    /// How long the backend may take for the head of its answer.
    public var responseTimeout: TimeAmount
    /// The answer to give when the backend cannot be reached.
    public var onFailure: @Sendable (HTTPServerError) async -> ServerResponse

    public init(
        host: String, port: Int, tls: TLSClient?, serverName: String? = nil, uri: String, headers: HTTPHeaders? = nil,
        connectTimeout: TimeAmount = .seconds(10), responseTimeout: TimeAmount = .seconds(60),
        onFailure: @escaping @Sendable (HTTPServerError) async -> ServerResponse = { .text(.badGateway, $0.description) }
    ) {
        self.host = host
        self.port = port
        self.tls = tls
        self.serverName = serverName
        self.uri = uri
        self.headers = headers
        self.connectTimeout = connectTimeout
        self.responseTimeout = responseTimeout
        self.onFailure = onFailure
    }
}
