public import ClusterTrust
public import Controllers
public import KubeAPI
import FoundationEssentials
import SwiftASN1
import X509

/// Signing what others have asked for: the key is theirs, the names have been looked at before.
extension CertificateAuthority: CertificateSigningAuthority {
    /// It is valid from five minutes ago, because clocks differ, and not beyond the authority's own end.
    public func certificate(for request: CertificateRequest, usages: [String], seconds: Int, now: Time) throws -> String {
        let now = Date(timeIntervalSince1970: Double(now.seconds))
        let leaf = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: request.publicKey, notValidBefore: now - 300,
            notValidAfter: min(now + Double(seconds), certificate.notValidAfter), issuer: certificate.subject, subject: try Self.subject(request),
            signatureAlgorithm: .ecdsaWithSHA256, extensions: try Self.extensions(request, usages), issuerPrivateKey: key)
        return try leaf.serializeAsPEM().pemString + "\n"
    }

    /// Groups and user: nothing else of a subject means anything to the API server.
    private static func subject(_ request: CertificateRequest) throws -> DistinguishedName {
        try DistinguishedName {
            for organization in request.organizations { OrganizationName(organization) }
            CommonName(request.commonName)
        }
    }

    private static func extensions(_ request: CertificateRequest, _ usages: [String]) throws -> Certificate.Extensions {
        let names: [GeneralName] = request.dnsNames.map { .dnsName($0) } + request.addresses.map { .ipAddress(ASN1OctetString(contentBytes: $0[...])) }
            + request.emails.map { .rfc822Name($0) } + request.uris.map { .uniformResourceIdentifier($0) }
        let extended: [ExtendedKeyUsage.Usage] = (usages.contains("client auth") ? [.clientAuth] : []) + (usages.contains("server auth") ? [.serverAuth] : [])
        let (signs, enciphers) = (usages.contains("digital signature"), usages.contains("key encipherment"))
        return try Certificate.Extensions {
            Critical(BasicConstraints.notCertificateAuthority)
            if signs || enciphers { Critical(KeyUsage(digitalSignature: signs, keyEncipherment: enciphers)) }
            try ExtendedKeyUsage(extended)
            if !names.isEmpty { SubjectAlternativeNames(names) }
        }
    }
}
