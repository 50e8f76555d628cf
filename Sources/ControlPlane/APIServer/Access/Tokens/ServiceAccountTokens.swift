internal import Crypto
internal import JSONTree
internal import KubeAPI
internal import Synchronization

/// Who issues the tokens of service accounts, and for whom.
public struct TokenIssuer: Sendable {
    public var keys: TokenKeys
    /// The `iss` of every token, a URL.
    public var issuer: String
    /// What the API server calls itself: tokens without an audience of their own are for it.
    public var audiences: [String]
    /// Where the public keys are, as the discovery document tells.
    public var keySetURL: String

    public init(
        keys: TokenKeys = TokenKeys(), issuer: String = "https://kubernetes.default.svc.cluster.local", audiences: [String]? = nil, keySetURL: String? = nil
    ) {
        self.keys = keys
        self.issuer = issuer
        self.audiences = audiences ?? [issuer]
        self.keySetURL = keySetURL ?? issuer + "/openid/v1/jwks"
    }

    /// `/.well-known/openid-configuration` (OpenID Connect Discovery 1.0 section 3).
    var discoveryDocument: JSON {
        [
            "issuer": .string(issuer), "jwks_uri": .string(keySetURL), "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        ]
    }
}

/// Issues tokens and says whom a token is for, as long as its service account and what it is bound to exist.
final class ServiceAccountTokens: Sendable {
    /// Objects that go on for a while after their deletion: their tokens do too.
    private static let leeway: Int64 = 60
    private static let rememberedSignatures = 1024

    let issuer: TokenIssuer
    private let cache: WatchCache
    private let now: @Sendable () -> Time
    /// Tokens whose signature was good: verifying one costs a tenth of a millisecond, and clients send the same ones again.
    private let verified: Mutex<[SHA256Digest: TokenClaims]> = Mutex([:])

    init(issuer: TokenIssuer, cache: WatchCache, now: @escaping @Sendable () -> Time) {
        (self.issuer, self.cache, self.now) = (issuer, cache, now)
    }

    func issue(_ claims: TokenClaims) throws(StatusError) -> String { try issuer.keys.sign(claims.json) }

    enum Verdict: Sendable, Hashable {
        case valid(TokenClaims, audiences: [String])
        case invalid(String)
    }

    /// - Parameter audiences: whom the token should be for: one is enough.
    func verify(_ token: String, audiences: [String]) -> Verdict {
        guard let claims = claims(of: token) else { return .invalid("invalid bearer token") }
        guard claims.issuer == issuer.issuer else { return .invalid("invalid bearer token, unknown issuer") }
        let seconds = now().seconds
        if claims.expiresAt <= seconds { return .invalid("invalid bearer token, service account token has expired") }
        if claims.issuedAt > seconds + Self.leeway { return .invalid("invalid bearer token, service account token is not valid yet") }
        let common = audiences.filter(claims.audiences.contains)
        guard !common.isEmpty else {
            return .invalid("invalid bearer token, token audiences \(PolicyRule.quoted(claims.audiences)) is invalid for the target audiences \(PolicyRule.quoted(audiences))")
        }
        if let problem = problem(with: claims, seconds) { return .invalid("invalid bearer token, \(problem)") }
        return .valid(claims, audiences: common)
    }

    private func claims(of token: String) -> TokenClaims? {
        let digest = SHA256.hash(data: Array(token.utf8))
        if let known = verified.withLock({ $0[digest] }) { return known }
        guard let claims = issuer.keys.verify(token).flatMap(TokenClaims.init(json:)) else { return nil }
        verified.withLock { verified in
            if verified.count >= Self.rememberedSignatures { verified = [:] }
            verified[digest] = claims
        }
        return claims
    }

    private func problem(with claims: TokenClaims, _ seconds: Int64) -> String? {
        let (namespace, account) = (claims.account.namespace, claims.account)
        guard isAlive("serviceaccounts", namespace, account.name, claims.accountUID, seconds) else {
            return "service account \(namespace)/\(account.name) has been deleted"
        }
        if let pod = claims.pod, !isAlive("pods", namespace, pod.name, pod.uid, seconds) {
            return "service account token has been invalidated"
        }
        if let secret = claims.secret, !isAlive("secrets", namespace, secret.name, secret.uid, seconds) {
            return "service account token has been invalidated"
        }
        // A pod's token names its node for information only; a token of a node alone ends with it.
        if let node = claims.node, claims.pod == nil, !isAlive("nodes", "", node.name, node.uid, seconds) {
            return "service account token has been invalidated"
        }
        return nil
    }

    private func isAlive(_ resource: String, _ namespace: String, _ name: String, _ uid: String, _ seconds: Int64) -> Bool {
        guard let object = object(resource, namespace, name), object[path: "metadata", "uid"]?.string == uid else { return false }
        // A deletion that cannot be read is one that has begun.
        guard let deletion = object[path: "metadata", "deletionTimestamp"]?.string else { return true }
        return ((try? Time(deletion))?.seconds ?? 0) > seconds - Self.leeway
    }

    /// An object of the core group, as the cache has it.
    func object(_ resource: String, _ namespace: String, _ name: String) -> JSON? {
        cache.cache(GroupResource(group: "", resource: resource))?.object(namespace: namespace, name: name)?.json()
    }
}
