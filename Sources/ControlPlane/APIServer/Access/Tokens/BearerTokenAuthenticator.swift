internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// Service accounts, by the token in the `Authorization` header.
struct BearerTokenAuthenticator: Authenticator {
    let tokens: ServiceAccountTokens

    func authenticate(_ request: ServerRequest) async -> User? {
        guard let token = Self.token(of: request), case .valid(let claims, _) = tokens.verify(token, audiences: tokens.issuer.audiences) else { return nil }
        return claims.user
    }

    /// The token of a request; from the header, or, since browsers cannot set one on a WebSocket, from its subprotocols.
    static func token(of request: ServerRequest) -> String? {
        if let header = request.headers.first(name: "authorization") {
            let parts = header.split(separator: " ", omittingEmptySubsequences: true)
            guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
            return String(parts[1])
        }
        let prefix = "base64url.bearer.authorization.k8s.io."
        for entry in request.headers[canonicalForm: "sec-websocket-protocol"] where entry.hasPrefix(prefix) {
            if let bytes = Base64URL.decode(entry.dropFirst(prefix.count)) { return String(decoding: bytes, as: UTF8.self) }
        }
        return nil
    }
}
