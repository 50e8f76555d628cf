import ClusterTrust
import TestAuthority
import Testing

@Suite struct CertificateRequestTests {
    @Test func aRequestTellsWhoIsAskedFor() throws {
        let request = try CertificateRequest(pem: TestRequest.pem(
            "system:node:n", organizations: ["a", "b"], dnsNames: ["n.example"], addresses: [[10, 0, 0, 1]], emails: ["a@example"], uris: ["spiffe://a"]))
        #expect(request.commonName == "system:node:n")
        #expect(request.organizations == ["a", "b"])
        #expect(request.dnsNames == ["n.example"])
        #expect(request.addresses == [[10, 0, 0, 1]])
        #expect(request.emails == ["a@example"])
        #expect(request.uris == ["spiffe://a"])
    }

    @Test func whatIsNoRequestIsRefused() throws {
        let wrongType = try TestRequest.pem("a").split(separator: "CERTIFICATE REQUEST").joined(separator: "CERTIFICATE")
        for text in ["", "hello", wrongType] {
            #expect(throws: ClusterTrustError.self) { try CertificateRequest(pem: text) }
        }
        do throws(ClusterTrustError) {
            _ = try CertificateRequest(pem: wrongType)
        } catch {
            #expect(error.description == "PEM block type must be CERTIFICATE REQUEST")
        }
    }

    @Test func aRequestSignedWithAnotherKeyIsRefused() throws {
        // The last bytes of a request are its signature: those of another one do not fit.
        func body(_ pem: String) -> [Substring] { pem.split(separator: "\n") }
        let (one, other) = (body(try TestRequest.pem("a")), body(try TestRequest.pem("a")))
        var mixed = one
        mixed[mixed.count - 2] = other[other.count - 2]
        #expect(throws: ClusterTrustError.self) { try CertificateRequest(pem: mixed.joined(separator: "\n")) }
    }

    private let client = ["digital signature", "client auth"]
    private let serving = ["digital signature", "server auth"]

    private func problem(_ signer: KubernetesSigner, _ pem: String, _ usages: [String]) throws -> String? {
        signer.problem(with: try CertificateRequest(pem: pem), usages: usages)
    }

    @Test func kubeletsAsClients() throws {
        let pem = try TestRequest.node("n")
        #expect(try problem(.kubeletClient, pem, client) == nil)
        #expect(try problem(.kubeletClient, pem, client + ["key encipherment"]) == nil)
        #expect(try problem(.kubeletClient, pem, serving) == "usages did not match [client auth digital signature key encipherment]")
        #expect(try problem(.kubeletClient, pem, client + ["cert sign"]) != nil)
        #expect(try problem(.kubeletClient, pem, ["client auth"]) != nil)
        #expect(try problem(.kubeletClient, TestRequest.pem("system:node:n"), client) == "subject organization is not system:nodes")
        #expect(try problem(.kubeletClient, TestRequest.pem("system:node:n", organizations: ["system:nodes", "system:masters"]), client) != nil)
        #expect(try problem(.kubeletClient, TestRequest.pem("admin", organizations: ["system:nodes"]), client)
            == "subject common name does not begin with system:node:")
        #expect(try problem(.kubeletClient, TestRequest.pem("system:node:", organizations: ["system:nodes"]), client) != nil)
        #expect(try problem(.kubeletClient, TestRequest.node("n", dnsNames: ["kubernetes"]), client) == "DNS subjectAltNames are not allowed")
        #expect(try problem(.kubeletClient, TestRequest.node("n", addresses: [[10, 0, 0, 1]]), client) == "IP subjectAltNames are not allowed")
    }

    @Test func kubeletsAsServers() throws {
        let pem = try TestRequest.node("n", dnsNames: ["n"], addresses: [[10, 0, 0, 1]])
        #expect(try problem(.kubeletServing, pem, serving) == nil)
        #expect(try problem(.kubeletServing, pem, client) != nil)
        #expect(try problem(.kubeletServing, TestRequest.node("n"), serving) == "DNS or IP subjectAltName is required")
        let email = try TestRequest.pem("system:node:n", organizations: ["system:nodes"], dnsNames: ["n"], emails: ["a@example"])
        #expect(try problem(.kubeletServing, email, serving) == "Email subjectAltNames are not allowed")
    }

    @Test func clientsOfTheServer() throws {
        let pem = try TestRequest.pem("jane", organizations: ["developers"])
        #expect(try problem(.client, pem, ["client auth"]) == nil)
        #expect(try problem(.client, pem, ["digital signature"]) == "usages did not contain \"client auth\"")
        #expect(try problem(.client, pem, ["client auth", "server auth"]) != nil)
    }
}
