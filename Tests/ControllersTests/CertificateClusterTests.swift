import ClusterTrust
import ControlPlane
import Foundation
import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import SwiftASN1
import TestAuthority
import Testing
import X509

@testable import Controllers

/// Certificates for nodes, from the request to the certificate.
@Suite(.timeLimit(.minutes(2))) struct CertificateClusterTests {
    private static let bootstrapGroups = ["system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token"]

    static func request(
        _ name: String, _ pem: String, signer: KubernetesSigner = .kubeletClient, usages: [String] = ["digital signature", "client auth"], seconds: Int? = nil
    ) -> JSON {
        var spec: JSON = ["request": .string(Base64.encode(Array(pem.utf8))), "signerName": .string(signer.rawValue), "usages": JSON(usages)]
        if let seconds { spec["expirationSeconds"] = JSON(seconds) }
        return ["apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": ["name": .string(name)], "spec": spec]
    }

    private func authority() throws -> CertificateAuthority { try CertificateAuthority(commonName: "kubernetes", now: Date()) }

    private func issued(_ cluster: TestCluster, _ name: String) async throws -> Certificate {
        let request = try await cluster.wait(CertificateSigningRequest.self, named: name) { $0.status.certificate?.isEmpty == false }
        return try Certificate(pemEncoded: String(decoding: request.status.certificate ?? [], as: UTF8.self))
    }

    private func approve(_ cluster: TestCluster, _ name: String) async throws {
        _ = try await cluster.client.patch(
            CertificateSigningRequest.resource, name: name, subresource: "approval",
            ["status": ["conditions": [["type": "Approved", "status": "True", "reason": "Test"]]]])
    }

    @Test("a node that joins gets its certificate by its token alone")
    func join() async throws {
        let authority = try authority()
        try await TestCluster.run(authority: authority) { cluster in
            let joining = cluster.client(as: "system:bootstrap:abcdef", groups: Self.bootstrapGroups)
            _ = try await joining.create(CertificateSigningRequest.resource, Self.request("node-csr", try TestRequest.node("n"), seconds: 1200))
            let certificate = try await issued(cluster, "node-csr")
            #expect(certificate.subject == (try DistinguishedName { OrganizationName("system:nodes"); CommonName("system:node:n") }))
            #expect(authority.certificate.publicKey.isValidSignature(certificate.signature, for: certificate))
            #expect(certificate.notValidAfter.timeIntervalSince(certificate.notValidBefore) == 1500)
            #expect(try certificate.extensions.extendedKeyUsage == ExtendedKeyUsage([.clientAuth]))
            #expect(try certificate.extensions.basicConstraints == .notCertificateAuthority)
            let request = try await cluster.client.get(CertificateSigningRequest.self, name: "node-csr")
            #expect(request.condition("Approved")?.reason == "AutoApproved")
            #expect(request.condition("Approved")?.message == "Auto approving kubelet client certificate after SubjectAccessReview.")
        }
    }

    @Test("a node renews its own certificate, and gets none for another one")
    func renewal() async throws {
        let authority = try authority()
        try await TestCluster.run(authority: authority) { cluster in
            let node = cluster.client(as: "system:node:n", groups: ["system:nodes"])
            _ = try await node.create(CertificateSigningRequest.resource, Self.request("own", try TestRequest.node("n")))
            let certificate = try await issued(cluster, "own")
            // An hour is the longest here, and what a request gets that says nothing.
            #expect(certificate.notValidAfter.timeIntervalSince(certificate.notValidBefore) == 3900)
            let request = try await cluster.client.get(CertificateSigningRequest.self, name: "own")
            #expect(request.condition("Approved")?.message == "Auto approving self kubelet client certificate after SubjectAccessReview.")
            await #expect(throws: KubeError.self) {
                try await node.create(CertificateSigningRequest.resource, Self.request("other", try TestRequest.node("m")))
            }
        }
    }

    @Test("who may not have a certificate waits for somebody to approve it")
    func withoutTheRight() async throws {
        let authority = try authority()
        try await TestCluster.run(authority: authority) { cluster in
            let role: JSON = [
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": ["name": "ask"],
                "roleRef": ["apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:node-bootstrapper"],
                "subjects": [["apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"]],
            ]
            _ = try await cluster.client.create(ClusterRoleBinding.resource, role)
            let eve = cluster.client(as: "eve", groups: [])
            _ = try await eve.create(CertificateSigningRequest.resource, Self.request("a-eve", try TestRequest.node("n")))
            let joining = cluster.client(as: "system:bootstrap:abcdef", groups: Self.bootstrapGroups)
            _ = try await joining.create(CertificateSigningRequest.resource, Self.request("b-joining", try TestRequest.node("n")))
            _ = try await issued(cluster, "b-joining")
            #expect(try await cluster.client.get(CertificateSigningRequest.self, name: "a-eve").status.conditions.isEmpty)
            try await approve(cluster, "a-eve")
            _ = try await issued(cluster, "a-eve")
        }
    }

    @Test("what a signer does not sign is told to have failed, and stays without a certificate")
    func failure() async throws {
        let authority = try authority()
        try await TestCluster.run(authority: authority) { cluster in
            _ = try await cluster.client.create(
                CertificateSigningRequest.resource, Self.request("serving", try TestRequest.node("n"), signer: .kubeletServing, usages: ["digital signature", "server auth"]))
            try await approve(cluster, "serving")
            let request = try await cluster.wait(CertificateSigningRequest.self, named: "serving") { $0.condition("Failed") != nil }
            #expect(request.condition("Failed")?.reason == "SignerValidationFailure")
            #expect(request.condition("Failed")?.message == "DNS or IP subjectAltName is required")
            #expect(request.condition("Approved") != nil)
            #expect(request.status.certificate?.isEmpty != false)
        }
    }

    @Test("a kubelet's serving certificate has its names, once somebody approved it")
    func serving() async throws {
        let authority = try authority()
        try await TestCluster.run(authority: authority) { cluster in
            let pem = try TestRequest.node("n", dnsNames: ["n.example"], addresses: [[192, 0, 2, 7]])
            let node = cluster.client(as: "system:node:n", groups: ["system:nodes"])
            _ = try await node.create(
                CertificateSigningRequest.resource, Self.request("serving", pem, signer: .kubeletServing, usages: ["digital signature", "server auth"]))
            try await approve(cluster, "serving")
            let certificate = try await issued(cluster, "serving")
            #expect(try certificate.extensions.extendedKeyUsage == ExtendedKeyUsage([.serverAuth]))
            let names = try #require(try certificate.extensions.subjectAlternativeNames)
            #expect(names.contains(.dnsName("n.example")))
            #expect(names.count == 2)
        }
    }

    // MARK: decisions

    private func decided(_ user: String?, _ json: JSON, _ conditions: String...) throws -> [CertificateApproval] {
        var json = json
        if let user { json["spec"]?["username"] = .string(user) }
        json["status"] = ["conditions": .array(conditions.map { ["type": .string($0), "status": "True"] })]
        return CertificateApproval.candidates(try CertificateSigningRequest(json: json))
    }

    @Test func whichRequestsAreApproved() throws {
        let node = Self.request("a", try TestRequest.node("n"))
        #expect(try decided("system:bootstrap:abcdef", node) == [.nodeClient])
        #expect(try decided("system:node:n", node) == [.selfNodeClient, .nodeClient])
        #expect(try decided("system:node:n", node, "Approved") == [])
        #expect(try decided("system:node:n", node, "Denied") == [])
        #expect(try decided("system:node:n", Self.request("a", try TestRequest.node("n"), usages: ["digital signature", "server auth"])) == [])
        #expect(try decided("system:node:n", Self.request("a", try TestRequest.node("n"), signer: .client)) == [])
        #expect(try decided("eve", Self.request("a", try TestRequest.pem("eve", organizations: ["system:nodes"]))) == [])
        #expect(try decided("eve", Self.request("a", try TestRequest.pem("system:node:n", organizations: ["system:masters"]))) == [])
    }

    @Test func whenRequestsGo() throws {
        let start = try Time("2026-01-02T03:04:05Z")
        func deadline(_ conditions: [String], certificate: Bool = false) throws -> Time? {
            let list = conditions.map { JSON.object(["type": .string($0), "status": "True", "lastUpdateTime": .string((start + .seconds(60)).description)]) }
            var status: JSON = ["conditions": .array(list)]
            if certificate { status["certificate"] = .string(Base64.encode(Array("pem".utf8))) }
            return CertificateRequestCleaner.deadline(try CertificateSigningRequest(json: [
                "metadata": ["name": "a", "creationTimestamp": .string(start.description)], "status": status,
            ]))
        }
        #expect(try deadline([]) == start + .seconds(86_400))
        #expect(try deadline(["Approved"]) == nil)
        #expect(try deadline(["Approved"], certificate: true) == start + .seconds(3660))
        #expect(try deadline(["Denied"]) == start + .seconds(3660))
        #expect(try deadline(["Approved", "Failed"]) == start + .seconds(3660))
    }
}
