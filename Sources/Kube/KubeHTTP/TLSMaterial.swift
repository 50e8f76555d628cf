import NIOSSL
import Synchronization

/// A certificate chain, its key, and the authorities that vouch for the other side, all as PEM text.
public struct TLSMaterial: Sendable, Hashable {
    /// The leaf certificate first. Empty for a client without a certificate.
    public var certificateChain: String
    public var privateKey: String
    /// Who vouches for the peer. For a server: `nil` means that it does not ask for client certificates.
    public var authorities: String?

    public init(certificateChain: String, privateKey: String, authorities: String?) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
        self.authorities = authorities
    }

    func chain() throws(HTTPServerError) -> [NIOSSLCertificateSource] {
        guard !certificateChain.isEmpty else { return [] }
        return try invalid("the certificate chain") { try NIOSSLCertificate.fromPEMBytes(Array(certificateChain.utf8)).map { .certificate($0) } }
    }

    func key() throws(HTTPServerError) -> NIOSSLPrivateKeySource? {
        guard !privateKey.isEmpty else { return nil }
        return try invalid("the private key") { .privateKey(try NIOSSLPrivateKey(bytes: Array(privateKey.utf8), format: .pem)) }
    }

    func roots() throws(HTTPServerError) -> [NIOSSLCertificate]? {
        guard let authorities else { return nil }
        return try invalid("the certificate authorities") { try NIOSSLCertificate.fromPEMBytes(Array(authorities.utf8)) }
    }
}

func invalid<Value>(_ what: String, _ read: () throws -> Value) throws(HTTPServerError) -> Value {
    do {
        return try read()
    } catch {
        throw HTTPServerError(.invalidTLSMaterial, "expected \(what) to be valid PEM", cause: error)
    }
}

/// The server's side of TLS, replaceable while the server runs: connections made from then on use the new material.
///
/// Client certificates are optional; one that is given must be vouched for by the authorities, or the handshake fails.
public final class TLSServer: Sendable {
    private let context: Mutex<NIOSSLContext>

    public init(_ material: TLSMaterial) throws(HTTPServerError) {
        context = Mutex(try Self.makeContext(material))
    }

    /// Uses the material for new connections. The old one stays if the new one does not fit.
    public func replace(with material: TLSMaterial) throws(HTTPServerError) {
        let new = try Self.makeContext(material)
        context.withLock { $0 = new }
    }

    var current: NIOSSLContext { context.withLock { $0 } }

    private static func makeContext(_ material: TLSMaterial) throws(HTTPServerError) -> NIOSSLContext {
        guard let key = try material.key() else {
            throw HTTPServerError(.invalidTLSMaterial, "expected a private key for the server's certificate, found none")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(certificateChain: try material.chain(), privateKey: key)
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["h2", "http/1.1"]
        if let roots = try material.roots() {
            configuration.trustRoots = .certificates(roots)
            configuration.certificateVerification = .optionalVerification
        }
        return try invalid("the server's certificate and key to fit together and") { try NIOSSLContext(configuration: configuration) }
    }
}

/// The client's side of TLS for tunnels, replaceable while it is in use.
public final class TLSClient: Sendable {
    private let context: Mutex<NIOSSLContext>

    /// - Parameter material: `authorities` must be given: the system's are never asked.
    public init(_ material: TLSMaterial) throws(HTTPServerError) {
        context = Mutex(try Self.makeContext(material))
    }

    /// Uses the material for new connections. The old one stays if the new one does not fit.
    public func replace(with material: TLSMaterial) throws(HTTPServerError) {
        let new = try Self.makeContext(material)
        context.withLock { $0 = new }
    }

    var current: NIOSSLContext { context.withLock { $0 } }

    private static func makeContext(_ material: TLSMaterial) throws(HTTPServerError) -> NIOSSLContext {
        guard let roots = try material.roots(), !roots.isEmpty else {
            throw HTTPServerError(.invalidTLSMaterial, "expected certificate authorities for the backend, found none")
        }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.trustRoots = .certificates(roots)
        configuration.certificateChain = try material.chain()
        configuration.privateKey = try material.key()
        // Upgrades exist in HTTP/1.1 only.
        configuration.applicationProtocols = ["http/1.1"]
        return try invalid("the client's certificate and key to fit together and") { try NIOSSLContext(configuration: configuration) }
    }
}
