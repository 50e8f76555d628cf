public import KubeHTTP

/// Who makes a request.
public struct User: Sendable, Hashable {
    public let name: String
    public let groups: [String]

    public init(name: String, groups: [String]) {
        self.name = name
        self.groups = groups
    }
}

/// Finds out who makes a request.
public protocol Authenticator: Sendable {
    /// Nil when the request carries nothing that this authenticator knows.
    func authenticate(_ request: ServerRequest) async -> User?
}

/// The user is the certificate's common name, the groups are its organizations. KubeHTTP has verified the certificate.
public struct ClientCertificateAuthenticator: Authenticator {
    public init() {}

    public func authenticate(_ request: ServerRequest) async -> User? {
        guard let certificate = request.clientCertificate, !certificate.commonName.isEmpty else { return nil }
        var groups = certificate.organizations
        if !groups.contains("system:authenticated") { groups.append("system:authenticated") }
        return User(name: certificate.commonName, groups: groups)
    }
}
