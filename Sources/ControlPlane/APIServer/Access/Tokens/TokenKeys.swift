internal import Crypto
internal import FoundationEssentials
internal import JSONTree
internal import KubeAPI

/// The keys of service accounts' tokens: one signs (ES256, RFC 7518 section 3.4), all are believed.
public struct TokenKeys: Sendable {
    private let signing: P256.Signing.PrivateKey
    private let publicKeys: [(id: String, key: P256.Signing.PublicKey)]

    /// A new key, whose tokens end with the process: for tests, and for servers that issue none.
    public init() { self.init(signing: P256.Signing.PrivateKey(), older: []) }

    /// - Parameters:
    ///   - signingKeyPEM: a private P-256 key.
    ///   - olderKeysPEM: public keys of an earlier signer, whose tokens are still believed.
    /// - Throws: if a key cannot be read.
    public init(signingKeyPEM: String, olderKeysPEM: [String] = []) throws {
        self.init(
            signing: try P256.Signing.PrivateKey(pemRepresentation: signingKeyPEM),
            older: try olderKeysPEM.map { try P256.Signing.PublicKey(pemRepresentation: $0) })
    }

    private init(signing: P256.Signing.PrivateKey, older: [P256.Signing.PublicKey]) {
        self.signing = signing
        var known: Set<String> = []
        publicKeys = ([signing.publicKey] + older).map { (Self.identifier($0), $0) }.filter { known.insert($0.0).inserted }
    }

    /// Names a key by the hash of its DER form, so that every server calls it the same.
    private static func identifier(_ key: P256.Signing.PublicKey) -> String { Base64URL.encode(SHA256.hash(data: key.derRepresentation)) }

    // MARK: tokens

    func sign(_ claims: JSON) throws(StatusError) -> String {
        let header: JSON = ["alg": "ES256", "kid": .string(publicKeys[0].id)]
        let text = Base64URL.encode(header.bytes()) + "." + Base64URL.encode(claims.bytes())
        do {
            return text + "." + Base64URL.encode(try signing.signature(for: Array(text.utf8)).rawRepresentation)
        } catch {
            throw .internalError("cannot sign a token: \(error)", cause: error)
        }
    }

    /// The claims of a token whose signature holds; nil for anything else.
    func verify(_ token: String) -> JSON? {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Self.json(parts[0]), header["alg"] == "ES256",
            let bytes = Base64URL.decode(parts[2]), let signature = try? P256.Signing.ECDSASignature(rawRepresentation: bytes)
        else { return nil }
        let signed = Array(token.utf8.prefix(parts[0].utf8.count + 1 + parts[1].utf8.count))
        let stated = header["kid"]?.string
        guard publicKeys.contains(where: { (stated == nil || $0.id == stated) && $0.key.isValidSignature(signature, for: signed) }) else { return nil }
        return Self.json(parts[1])
    }

    private static func json(_ part: Substring) -> JSON? { Base64URL.decode(part).flatMap { try? JSON(parsing: $0) } }

    // MARK: what others verify with

    /// The public keys as a JSON Web Key Set (RFC 7517).
    var keySet: JSON {
        let keys = publicKeys.map { id, key -> JSON in
            let point = Array(key.rawRepresentation)
            return [
                "use": "sig", "kty": "EC", "kid": .string(id), "crv": "P-256", "alg": "ES256",
                "x": .string(Base64URL.encode(point.prefix(32))), "y": .string(Base64URL.encode(point.suffix(32))),
            ]
        }
        return ["keys": .array(keys)]
    }
}
