internal import SwiftASN1
public import X509

/// A certificate signing request (RFC 2986) as approvers and signers look at it: who is asked for, and by which names.
///
/// Its signature has been verified: whoever made it holds the private key.
public struct CertificateRequest: Sendable {
    public let publicKey: Certificate.PublicKey
    /// The last common name of the subject; empty if it has none.
    public let commonName: String
    public let organizations: [String]
    public let dnsNames: [String]
    /// The raw bytes of the addresses: 4 or 16 each.
    public let addresses: [[UInt8]]
    public let emails: [String]
    public let uris: [String]

    static let pemType = "CERTIFICATE REQUEST"

    /// Reads a request in PEM.
    /// - Throws: ``ClusterTrustError`` that says what is wrong, in Kubernetes' words where it has some.
    public init(pem: String) throws(ClusterTrustError) {
        let document: PEMDocument
        do { document = try PEMDocument(pemString: pem) } catch { throw ClusterTrustError("PEM block type must be CERTIFICATE REQUEST", cause: error) }
        guard document.discriminator == Self.pemType else { throw ClusterTrustError("PEM block type must be CERTIFICATE REQUEST") }
        let request: CertificateSigningRequest
        let names: SubjectAlternativeNames?
        do {
            request = try CertificateSigningRequest(derEncoded: document.derBytes)
            names = try request.attributes.extensionRequest?.extensions.subjectAlternativeNames
        } catch {
            throw ClusterTrustError("expected a PKCS #10 certificate request, found something else", cause: error)
        }
        guard request.publicKey.isValidSignature(request.signature, for: request) else {
            throw ClusterTrustError("expected the request to be signed with its own key, found another signature")
        }
        publicKey = request.publicKey
        (commonName, organizations) = Self.subject(request.subject)
        var (dnsNames, addresses, emails, uris): ([String], [[UInt8]], [String], [String]) = ([], [], [], [])
        for name in names.map({ Array($0) }) ?? [] {
            switch name {
            case .dnsName(let name): dnsNames.append(name)
            case .ipAddress(let bytes): addresses.append(Array(bytes.bytes))
            case .rfc822Name(let name): emails.append(name)
            case .uniformResourceIdentifier(let name): uris.append(name)
            // The others are not looked at by any rule, and no signer copies them.
            default: continue
            }
        }
        (self.dnsNames, self.addresses, self.emails, self.uris) = (dnsNames, addresses, emails, uris)
    }

    private static func subject(_ subject: DistinguishedName) -> (commonName: String, organizations: [String]) {
        var (commonName, organizations) = ("", [String]())
        for attribute in subject.joined() {
            switch attribute.type {
            case .RDNAttributeType.commonName: commonName = String(attribute.value) ?? ""
            case .RDNAttributeType.organizationName: if let name = String(attribute.value) { organizations.append(name) }
            default: continue
            }
        }
        return (commonName, organizations)
    }
}

/// What is wrong with a request, a token or a signature.
public struct ClusterTrustError: Error, Sendable, CustomStringConvertible {
    public let description: String
    public let cause: (any Error)?

    public init(_ description: String, cause: (any Error)? = nil) { (self.description, self.cause) = (description, cause) }
}
