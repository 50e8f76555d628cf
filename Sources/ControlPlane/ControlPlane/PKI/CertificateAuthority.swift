import Crypto
public import FoundationEssentials
import SwiftASN1
public import X509

/// The cluster's certificate authority: whoever holds its key can be anyone, so the file is root's alone.
public struct CertificateAuthority: Sendable {
    public let certificate: Certificate
    let key: Certificate.PrivateKey

    /// Ten years, as kubeadm gives its own; a leaf lives one.
    static let lifetime: TimeInterval = 10 * 365 * 86_400
    public static let leafLifetime: TimeInterval = 365 * 86_400

    /// Makes a new authority with a P-256 key.
    public init(commonName: String, now: Date) throws {
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let name = try DistinguishedName { CommonName(commonName) }
        self.key = key
        certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: key.publicKey, notValidBefore: now - 3600, notValidAfter: now + Self.lifetime,
            issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(digitalSignature: true, keyCertSign: true, cRLSign: true))
            }, issuerPrivateKey: key)
    }

    public init(certificatePEM: String, keyPEM: String) throws {
        certificate = try Certificate(pemEncoded: certificatePEM)
        key = try Certificate.PrivateKey(pemEncoded: keyPEM)
        guard key.publicKey == certificate.publicKey else { throw PKIError("expected the authority's key to belong to its certificate, found another one's") }
    }

    public func certificatePEM() throws -> String { try certificate.serializeAsPEM().pemString + "\n" }
    public func keyPEM() throws -> String { try key.serializeAsPEM().pemString + "\n" }

    /// Issues a leaf with a new key of its own. It is valid from an hour ago, because clocks differ; or, if its life is short,
    /// from a tenth of that ago.
    public func issue(_ identity: CertificateIdentity, now: Date, lifetime: TimeInterval = leafLifetime) throws -> IssuedCertificate {
        let leafKey = P256.Signing.PrivateKey()
        let subject = try DistinguishedName {
            for organization in identity.organizations { OrganizationName(organization) }
            CommonName(identity.commonName)
        }
        let names = identity.dnsNames.map { GeneralName.dnsName($0) } + (try identity.addresses.map { try Self.generalName(address: $0) })
        let leaf = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(leafKey.publicKey), notValidBefore: now - min(3600, lifetime / 10),
            notValidAfter: min(now + lifetime, certificate.notValidAfter), issuer: certificate.subject, subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage(identity.usage == .server ? [.serverAuth] : [.clientAuth])
                if !names.isEmpty { SubjectAlternativeNames(names) }
            }, issuerPrivateKey: key)
        return IssuedCertificate(
            certificatePEM: try leaf.serializeAsPEM().pemString + "\n",
            keyPEM: try Certificate.PrivateKey(leafKey).serializeAsPEM().pemString + "\n")
    }

    private static func generalName(address: String) throws -> GeneralName {
        guard let bytes = AddressBytes.parse(address) else { throw PKIError("expected an IP address for the certificate, found '\(address)'") }
        return .ipAddress(ASN1OctetString(contentBytes: bytes[...]))
    }
}

/// Whom a certificate speaks for.
public struct CertificateIdentity: Sendable, Hashable {
    public enum Usage: Sendable { case server, client }
    /// The user's name to the API server.
    public var commonName: String
    /// The user's groups.
    public var organizations: [String]
    public var dnsNames: [String]
    /// IPv4 and IPv6 addresses without prefix length.
    public var addresses: [String]
    public var usage: Usage

    public init(commonName: String, organizations: [String] = [], dnsNames: [String] = [], addresses: [String] = [], usage: Usage) {
        self.commonName = commonName
        self.organizations = organizations
        self.dnsNames = dnsNames
        self.addresses = addresses
        self.usage = usage
    }
}

/// A certificate and its key as PEM text.
public struct IssuedCertificate: Sendable, Hashable {
    public var certificatePEM: String
    public var keyPEM: String
}

/// What can be wrong with certificates and their files.
public struct PKIError: Error, Sendable, CustomStringConvertible {
    public var description: String
    init(_ description: String) { self.description = description }
}
