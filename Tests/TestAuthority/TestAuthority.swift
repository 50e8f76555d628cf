internal import Crypto
internal import Foundation
public import KubeHTTP
internal import SwiftASN1
internal import X509

/// A certificate authority for tests, made anew for each.
public struct TestAuthority: Sendable {
    private let key = P256.Signing.PrivateKey()
    private let name: DistinguishedName
    /// PEM.
    public let certificate: String

    public init(_ commonName: String = "test authority") throws {
        name = try DistinguishedName { CommonName(commonName) }
        certificate = try Self.sign(
            subject: name, issuer: name, publicKey: key.publicKey, by: key,
            extensions: Certificate.Extensions { Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil)) })
    }

    /// A certificate for 127.0.0.1 and localhost, and the authority for its clients.
    public func server() throws -> TLSMaterial {
        try issue(DistinguishedName { CommonName("server") }, usages: [.serverAuth])
    }

    /// A certificate for a user and its groups.
    public func client(_ commonName: String, organizations: [String] = []) throws -> TLSMaterial {
        var attributes = organizations.map { RelativeDistinguishedName([.init(type: .RDNAttributeType.organizationName, utf8String: $0)]) }
        attributes.append(RelativeDistinguishedName([.init(type: .RDNAttributeType.commonName, utf8String: commonName)]))
        return try issue(DistinguishedName(attributes), usages: [.clientAuth])
    }

    private func issue(_ subject: DistinguishedName, usages: [ExtendedKeyUsage.Usage]) throws -> TLSMaterial {
        let leaf = P256.Signing.PrivateKey()
        let extensions = try Certificate.Extensions {
            try ExtendedKeyUsage(usages)
            SubjectAlternativeNames([.dnsName("localhost"), .ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1]))])
        }
        return TLSMaterial(
            certificateChain: try Self.sign(subject: subject, issuer: name, publicKey: leaf.publicKey, by: key, extensions: extensions),
            privateKey: leaf.pemRepresentation, authorities: certificate)
    }

    private static func sign(
        subject: DistinguishedName, issuer: DistinguishedName, publicKey: P256.Signing.PublicKey, by key: P256.Signing.PrivateKey,
        extensions: Certificate.Extensions
    ) throws -> String {
        let now = Date()
        return try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(publicKey), notValidBefore: now - 60,
            notValidAfter: now + 3600, issuer: issuer, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: extensions, issuerPrivateKey: .init(key)
        ).serializeAsPEM().pemString
    }
}
