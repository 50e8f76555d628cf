public import KubeHTTP

/// Who makes a request.
public struct User: Sendable, Hashable {
    public let name: String
    public let groups: [String]
    /// Empty if the user has none: those of certificates do not.
    public let uid: String
    /// What else is known of the user, such as the pod that a token belongs to.
    public let extra: [String: [String]]

    public init(name: String, groups: [String], uid: String = "", extra: [String: [String]] = [:]) {
        self.name = name
        self.groups = groups
        self.uid = uid
        self.extra = extra
    }

    static let authenticatedGroup = "system:authenticated"
    static let unauthenticatedGroup = "system:unauthenticated"
    /// Who makes a request that carries no identity.
    static let anonymousName = "system:anonymous"
    /// Who is in it may do everything, whatever the roles say: the way back into a cluster whose roles are broken.
    static let mastersGroup = "system:masters"
}

/// Finds out who makes a request.
public protocol Authenticator: Sendable {
    /// Nil when the request carries nothing that this authenticator knows, or something that does not hold.
    func authenticate(_ request: ServerRequest) async -> User?
}

/// The user is the certificate's common name, the groups are its organizations. KubeHTTP has verified the certificate.
public struct ClientCertificateAuthenticator: Authenticator {
    public init() {}

    public func authenticate(_ request: ServerRequest) async -> User? {
        guard let certificate = request.clientCertificate, !certificate.commonName.isEmpty else { return nil }
        var groups = certificate.organizations
        if !groups.contains(User.authenticatedGroup) { groups.append(User.authenticatedGroup) }
        return User(name: certificate.commonName, groups: groups)
    }
}

/// The first authenticator that knows the user decides.
struct UnionAuthenticator: Authenticator {
    let authenticators: [any Authenticator]

    func authenticate(_ request: ServerRequest) async -> User? {
        for authenticator in authenticators {
            if let user = await authenticator.authenticate(request) { return user }
        }
        return nil
    }
}
