public import NIOHTTP1
internal import PercentEncoding

/// A request as a handler sees it: its head is complete, its body may still be on the way.
public struct ServerRequest: Sendable {
    public var method: HTTPMethod
    /// The path as the client sent it: percent-encoded, without the query.
    public var path: String
    public var query: QueryItems
    public var headers: HTTPHeaders
    /// The certificate that the client proved to own, if any; it is verified against the client authorities.
    public var clientCertificate: ClientCertificate?
    /// `address:port` of the peer, or `in-process`.
    public var remoteAddress: String
    public var body: RequestBody

    /// Makes a request for use inside one process, and in tests.
    public init(
        method: HTTPMethod, path: String, query: QueryItems = [:], headers: HTTPHeaders = [:],
        clientCertificate: ClientCertificate? = nil, remoteAddress: String = "in-process", body: RequestBody = .empty
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.clientCertificate = clientCertificate
        self.remoteAddress = remoteAddress
        self.body = body
    }

    /// The segments of the path, decoded, without empty ones.
    public var pathSegments: [String] {
        path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: true).map { percentDecoded($0, plusIsSpace: false) }
    }

    /// Whether the client asks to speak WebSocket from here on.
    public var asksForWebSocket: Bool { asksFor(protocol: "websocket") }

    /// Whether the client asks to speak SPDY/3.1 from here on, as it is, without a WebSocket around it.
    public var asksForSPDY: Bool { asksFor(protocol: "spdy/3.1") }

    private func asksFor(protocol name: String) -> Bool {
        headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
            && headers[canonicalForm: "upgrade"].contains { $0.lowercased() == name }
    }
}

/// Who the client is, as its certificate says: Kubernetes reads the user from the common name, the groups from the
/// organizations.
public struct ClientCertificate: Sendable, Hashable {
    public var commonName: String
    public var organizations: [String]

    public init(commonName: String, organizations: [String] = []) {
        self.commonName = commonName
        self.organizations = organizations
    }
}

extension ServerRequest {
    /// Reads the head of a request; `nil` when its target is neither a path nor an absolute URL.
    init?(head: HTTPRequestHead, connection: ConnectionContext) {
        var target = Substring(head.uri)
        if !target.hasPrefix("/") {
            // A proxy's form: `GET https://host/path`.
            guard let scheme = target.firstRange(of: "://") else { return nil }
            let rest = target[scheme.upperBound...]
            guard let slash = rest.firstIndex(of: "/") else { return nil }
            target = rest[slash...]
        }
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        self.init(
            method: head.method, path: String(parts[0]), query: parts.count > 1 ? QueryItems(parsing: parts[1]) : [:],
            headers: head.headers, clientCertificate: connection.clientCertificate, remoteAddress: connection.remoteAddress)
    }
}

extension HTTPHeaders {
    /// Values that could end the header early (they may echo what a client sent) are made harmless.
    func withoutControlCharacters() -> HTTPHeaders {
        func isHarmful(_ byte: UInt8) -> Bool { byte == 0 || byte == 10 || byte == 13 }
        guard contains(where: { $0.value.utf8.contains(where: isHarmful) }) else { return self }
        return HTTPHeaders(map { name, value in
            (name, String(decoding: value.utf8.map { isHarmful($0) ? UInt8(ascii: " ") : $0 }, as: UTF8.self))
        })
    }
}
