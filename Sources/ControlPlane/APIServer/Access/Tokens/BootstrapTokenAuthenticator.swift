internal import ClusterTrust
internal import JSONTree
internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// Nodes that are about to join, by a bootstrap token: `system:bootstrap:<id>` in the groups that the token's Secret names.
struct BootstrapTokenAuthenticator: Authenticator {
    let cache: WatchCache
    let now: @Sendable () -> Time

    private static let group = "system:bootstrappers"

    func authenticate(_ request: ServerRequest) async -> User? {
        // Whatever is no bootstrap token may be a token of another kind.
        guard let text = BearerTokenAuthenticator.token(of: request), let token = try? BootstrapToken(text) else { return nil }
        // A token that was deleted is refused from that moment on.
        guard (try? await cache.catchUp()) != nil,
            let object = cache.cache(GroupResource(group: "", resource: "secrets"))?.object(namespace: BootstrapTokenSecret.namespace, name: token.secretName)?.json(),
            object[path: "metadata", "deletionTimestamp"] == nil, let secret = BootstrapTokenSecret(secret: object),
            secret.token.matches(token), secret.authenticates, !secret.isExpired(at: now())
        else { return nil }
        return User(name: "system:bootstrap:\(token.id)", groups: [Self.group] + secret.groups + [User.authenticatedGroup])
    }
}

/// Requests that carry no identity at all.
enum Anonymous {
    /// What is looked at by whoever is about to join: it proves itself by its signature. Health and version have been answered
    /// before.
    private static let path = "/api/v1/namespaces/kube-public/configmaps/cluster-info"

    /// The user of a request without credentials, if it is for what such a user may see at all; the policy decides then.
    /// Credentials that do not hold are none of these: who has a wrong token shall hear of it.
    static func user(_ request: ServerRequest) -> User? {
        guard request.method == .GET, request.path == path, request.clientCertificate == nil, request.headers["authorization"].isEmpty,
            request.headers["impersonate-user"].isEmpty
        else { return nil }
        return User(name: User.anonymousName, groups: [User.unauthenticatedGroup])
    }
}
