internal import Crypto
internal import SwiftASN1
internal import X509

/// The pin of a certificate authority, `sha256:<hex of the digest of its SubjectPublicKeyInfo>` (RFC 7469): what an operator
/// carries from one machine to the other to be sure which cluster is joined.
public struct PublicKeyPin: Sendable, Hashable, CustomStringConvertible {
    /// 64 digits in lower case.
    private let digest: String

    /// Reads a pin.
    /// - Throws: ``ClusterTrustError`` in kubeadm's words.
    public init(_ text: String) throws(ClusterTrustError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw ClusterTrustError("invalid public key hash, expected \"format:value\"") }
        guard parts[0] == "sha256" else { throw ClusterTrustError("unknown hash format \"\(parts[0])\": expected sha256") }
        let value = parts[1].lowercased()
        guard value.utf8.count == 64, value.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0 }) else {
            throw ClusterTrustError("expected a sha256 hash of 64 hexadecimal digits, found \(parts[1].utf8.count) characters")
        }
        digest = value
    }

    /// The pin of a certificate in PEM.
    public init(certificatePEM: String) throws(ClusterTrustError) {
        do {
            var serializer = DER.Serializer()
            try serializer.serialize(Certificate(pemEncoded: certificatePEM).publicKey)
            digest = Hexadecimal.text(SHA256.hash(data: serializer.serializedBytes))
        } catch {
            throw ClusterTrustError("expected a certificate in PEM", cause: error)
        }
    }

    public var description: String { "sha256:\(digest)" }
}
