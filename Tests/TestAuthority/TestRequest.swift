internal import Crypto
internal import Foundation
internal import SwiftASN1
internal import X509

/// Certificate signing requests for tests, each with a key of its own.
public enum TestRequest {
    /// - Parameter addresses: raw bytes, 4 or 16 each.
    /// - Returns: PEM.
    public static func pem(
        _ commonName: String, organizations: [String] = [], dnsNames: [String] = [], addresses: [[UInt8]] = [], emails: [String] = [], uris: [String] = []
    ) throws -> String {
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let subject = try DistinguishedName {
            for organization in organizations { OrganizationName(organization) }
            CommonName(commonName)
        }
        let names: [GeneralName] = dnsNames.map { .dnsName($0) } + addresses.map { .ipAddress(ASN1OctetString(contentBytes: $0[...])) }
            + emails.map { .rfc822Name($0) } + uris.map { .uniformResourceIdentifier($0) }
        var attributes = CertificateSigningRequest.Attributes()
        if !names.isEmpty {
            let extensions = try Certificate.Extensions { SubjectAlternativeNames(names) }
            attributes = try CertificateSigningRequest.Attributes([.init(ExtensionRequest(extensions: extensions))])
        }
        return try CertificateSigningRequest(
            version: .v1, subject: subject, privateKey: key, attributes: attributes, signatureAlgorithm: .ecdsaWithSHA256
        ).serializeAsPEM().pemString + "\n"
    }

    /// The same as a kubelet's: `system:node:<name>`.
    public static func node(_ name: String, dnsNames: [String] = [], addresses: [[UInt8]] = []) throws -> String {
        try pem("system:node:\(name)", organizations: ["system:nodes"], dnsNames: dnsNames, addresses: addresses)
    }
}
