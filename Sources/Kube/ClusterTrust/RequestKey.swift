internal import Crypto
internal import SwiftASN1
internal import X509

/// A private key (P-256), and the requests for certificates that are made with it.
public struct RequestKey: Sendable {
    private let key: P256.Signing.PrivateKey

    /// A new one.
    public init() { key = P256.Signing.PrivateKey() }

    /// - Throws: ``ClusterTrustError`` if the text is no such key.
    public init(pem: String) throws(ClusterTrustError) {
        do { key = try P256.Signing.PrivateKey(pemRepresentation: pem) } catch { throw ClusterTrustError("expected a P-256 key in PEM", cause: error) }
    }

    public var pem: String { key.pemRepresentation + "\n" }

    /// Whether a certificate in PEM is for this key.
    public func fits(certificatePEM: String) -> Bool {
        // What is no certificate does not fit.
        (try? Certificate(pemEncoded: certificatePEM))?.publicKey == Certificate.PublicKey(key.publicKey)
    }

    /// Of the public key: the same key asks under the same name again.
    public var digest: String { Hexadecimal.text(SHA256.hash(data: key.publicKey.derRepresentation).prefix(16)) }

    /// A certificate request (RFC 2986) in PEM.
    /// - Parameter addresses: raw bytes, 4 or 16 each.
    public func request(
        commonName: String, organizations: [String], dnsNames: [String] = [], addresses: [[UInt8]] = []
    ) throws(ClusterTrustError) -> String {
        do {
            let names: [GeneralName] = dnsNames.map { .dnsName($0) } + addresses.map { .ipAddress(ASN1OctetString(contentBytes: $0[...])) }
            var attributes = CertificateSigningRequest.Attributes()
            if !names.isEmpty {
                let extensions = try Certificate.Extensions { SubjectAlternativeNames(names) }
                attributes = try CertificateSigningRequest.Attributes([.init(ExtensionRequest(extensions: extensions))])
            }
            let subject = try DistinguishedName {
                for organization in organizations { OrganizationName(organization) }
                CommonName(commonName)
            }
            return try CertificateSigningRequest(
                version: .v1, subject: subject, privateKey: .init(key), attributes: attributes, signatureAlgorithm: .ecdsaWithSHA256
            ).serializeAsPEM().pemString + "\n"
        } catch {
            throw ClusterTrustError("cannot make a certificate request for \(commonName)", cause: error)
        }
    }
}
