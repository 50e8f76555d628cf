import JSONTree
import KubeAPI
import KubeHTTP
import NIOHTTP1
import TestAuthority
import Testing

@Suite struct CertificateRequestTests {
    private let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    private let bootstrapper = ClientCertificate.user("system:bootstrap:abcdef", "system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token")
    private let controller = ClientCertificate.account("certificate-controller")
    private let kubelet = "kubernetes.io/kube-apiserver-client-kubelet"

    private func request(
        _ name: String, _ pem: String, signer: String = "kubernetes.io/kube-apiserver-client-kubelet", usages: JSON = ["digital signature", "client auth"], _ spec: JSON = [:]
    ) -> JSON {
        var all: JSON = ["request": .string(Base64.encode(Array(pem.utf8))), "signerName": .string(signer), "usages": usages]
        for (key, value) in spec.object ?? [:] { all[key] = value }
        return ["apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": ["name": .string(name)], "spec": all]
    }

    private func condition(_ type: String, _ status: String = "True") -> JSON { ["type": .string(type), "status": .string(status), "reason": "Test"] }

    private func conditions(_ list: JSON...) -> JSON { ["status": ["conditions": .array(list)]] }

    private let merge = "application/merge-patch+json"

    @Test func whoAsksIsWhatTheServerKnows() async throws {
        let server = try await TestServer()
        let lie: JSON = ["username": "kubernetes-admin", "groups": ["system:masters"], "uid": "1", "extra": ["a": ["b"]]]
        let answer = await server.call(.POST, path, request("a", try TestRequest.node("n"), lie), as: bootstrapper)
        #expect(answer.status == 201)
        #expect(answer.json[path: "spec", "username"] == "system:bootstrap:abcdef")
        #expect(answer.json[path: "spec", "groups"]?.array?.contains("system:masters") == false)
        #expect(answer.json[path: "spec", "uid"] == nil)
        #expect(answer.json[path: "spec", "extra"] == nil)
        #expect(answer.json["status"]?.object?.isEmpty != false)
    }

    @Test func aBadRequestIsRefusedInKubernetesWords() async throws {
        let server = try await TestServer()
        let pem = try TestRequest.node("n")
        func causes(_ body: JSON) async -> [String] { await server.call(.POST, path, body).causes }
        #expect(await causes(request("a", "hello")).first?.hasSuffix("PEM block type must be CERTIFICATE REQUEST") == true)
        #expect(await causes(request("a", pem, usages: [])) == ["spec.usages: Required value"])
        #expect(await causes(request("a", pem, usages: ["client auth", "client auth"])) == [#"spec.usages[1]: Duplicate value: "client auth""#])
        #expect(await causes(request("a", pem, usages: ["flying"])).first?.hasPrefix(#"spec.usages[0]: Unsupported value: "flying": supported values: "any", "#) == true)
        #expect(await causes(request("a", pem, signer: "mine"))
            == [#"spec.signerName: Invalid value: "mine": must be a fully qualified domain and path of the form 'example.com/signer-name'"#])
        #expect(await causes(request("a", pem, signer: "mine/x"))
            == [#"spec.signerName: Invalid value: "mine": should be a domain with at least two segments separated by dots"#])
        #expect(await causes(request("a", pem, signer: "kubernetes.io/legacy-unknown")).count == 1)
        #expect(await causes(request("a", pem, ["expirationSeconds": 599]))
            == ["spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)"])
        #expect(await server.call(.POST, path, request("a", pem, signer: "example.com/x", ["expirationSeconds": 600])).status == 201)
    }

    @Test func whatWasAskedForStays() async throws {
        let server = try await TestServer()
        var object = try await server.create(path, request("a", try TestRequest.node("n")))
        object["spec"]?["signerName"] = "example.com/other"
        object["metadata"]?["labels"] = ["a": "b"]
        let answer = await server.call(.PUT, path + "/a", object)
        #expect(answer.status == 200)
        #expect(answer.json[path: "spec", "signerName"]?.string == kubelet)
        #expect(answer.json[path: "metadata", "labels", "a"] == "b")
        // Nor does the whole object bring a status.
        #expect(await server.call(.PATCH, path + "/a", conditions(condition("Approved")), type: merge).json["status"]?["conditions"] == nil)
    }

    @Test func approvalNeedsTheRightToTheSigner() async throws {
        let server = try await TestServer()
        try await server.create(path, request("a", try TestRequest.node("n")))
        let eve = ClientCertificate.user("eve")
        try await server.grant("eve", [.rule(["update", "patch"], ["certificatesigningrequests/approval"], group: "certificates.k8s.io")])
        let refused = await server.call(.PATCH, path + "/a/approval", conditions(condition("Approved")), type: merge, as: eve)
        #expect(refused.status == 403)
        #expect(refused.message.hasSuffix("user not permitted to approve requests with signerName \"\(kubelet)\""))
        try await server.grant("eve", [[
            "apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "verbs": ["approve"], "resourceNames": ["kubernetes.io/*"],
        ]], name: "signers")
        let approved = await server.call(.PATCH, path + "/a/approval", conditions(condition("Approved")), type: merge, as: eve)
        #expect(approved.status == 200)
        let stored = approved.json[path: "status", "conditions"]?.array?.first
        #expect(stored?["lastUpdateTime"] == "2026-01-02T03:04:05Z")
        #expect(stored?["lastTransitionTime"] == "2026-01-02T03:04:05Z")
    }

    @Test func approvedAndDeniedExcludeEachOtherAndStay() async throws {
        let server = try await TestServer()
        try await server.create(path, request("a", try TestRequest.node("n")))
        func approve(_ patch: JSON) async -> Answer { await server.call(.PATCH, path + "/a/approval", patch, type: merge) }
        #expect(await approve(conditions(condition("Approved"), condition("Denied"))).causes
            == [#"status.conditions[1].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive"#])
        #expect(await approve(conditions(condition("Approved", "False"))).causes
            == [#"status.conditions[0].status: Unsupported value: "False": supported values: "True""#])
        #expect(await approve(conditions(condition("Approved"))).status == 200)
        #expect(await approve(conditions(condition("Denied"))).causes.contains(
            #"status.conditions: Forbidden: updates may not remove a condition of type "Approved""#))
        // A certificate comes by the status alone.
        var withCertificate = conditions(condition("Approved"))
        withCertificate["status"]?["certificate"] = .string(Base64.encode(Array("x".utf8)))
        #expect(await approve(withCertificate).json[path: "status", "certificate"] == nil)
    }

    @Test func theSignerWritesTheCertificateOnceAndNoApproval() async throws {
        let server = try await TestServer()
        try await server.create(path, request("a", try TestRequest.node("n")))
        func sign(_ patch: JSON, as user: ClientCertificate) async -> Answer { await server.call(.PATCH, path + "/a/status", patch, type: merge, as: user) }
        #expect(await sign(conditions(condition("Approved")), as: controller).causes
            == [#"status.conditions: Forbidden: updates may not add a condition of type "Approved""#])
        func certificate(_ text: String) -> JSON { ["status": ["certificate": .string(Base64.encode(Array(text.utf8)))]] }
        let authority = try TestAuthority().certificate
        #expect(await sign(certificate("x"), as: controller).causes
            == [#"status.certificate: Invalid value: "<certificate data>": must contain one or more CERTIFICATE PEM blocks"#])
        #expect(await sign(certificate(authority), as: .account("token-cleaner")).status == 403)
        #expect(await sign(certificate(authority), as: controller).status == 200)
        #expect(await sign(certificate(try TestAuthority().certificate), as: controller).causes
            == ["status.certificate: Forbidden: updates may not modify existing certificate content"])
    }

    @Test func signersOfOtherDomainsAreNotTheControllers() async throws {
        let server = try await TestServer()
        try await server.create(path, request("a", try TestRequest.node("n"), signer: "example.com/x"))
        let answer = await server.call(.PATCH, path + "/a/status", conditions(condition("Failed")), type: merge, as: controller)
        #expect(answer.message.hasSuffix(#"user not permitted to sign requests with signerName "example.com/x""#))
    }

    @Test func nobodyAsksForMoreThanTheyMayBe() async throws {
        let server = try await TestServer()
        let masters = await server.call(
            .POST, path, request("a", try TestRequest.pem("me", organizations: ["system:masters"]), signer: "kubernetes.io/kube-apiserver-client", usages: ["client auth"]))
        #expect(masters.message.hasSuffix("use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"))
        let other = await server.call(.POST, path, request("b", try TestRequest.node("two")), as: .node("one"))
        #expect(other.message.hasSuffix("can only create a node CSR with CN=system:node:one"))
        #expect(await server.call(.POST, path, request("b", try TestRequest.node("one")), as: .node("one")).status == 201)
    }

    @Test func aTableTellsWhatBecameOfIt() async throws {
        let server = try await TestServer()
        try await server.create(path, request("a", try TestRequest.node("n"), ["expirationSeconds": 86_400]))
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io"
        let before = await server.get(path, accept: table).json
        #expect(before["columnDefinitions"]?.array?.compactMap { $0["name"]?.string } == ["Name", "Age", "SignerName", "Requestor", "RequestedDuration", "Condition"])
        #expect(before["rows"]?.array?.first?["cells"] == ["a", "0s", .string(kubelet), "kubernetes-admin", "24h", "Pending"])
        _ = await server.call(.PATCH, path + "/a/approval", conditions(condition("Approved")), type: merge)
        let certificate = Base64.encode(Array(try TestAuthority().certificate.utf8))
        _ = await server.call(.PATCH, path + "/a/status", ["status": ["certificate": .string(certificate)]], type: merge)
        #expect(await server.get(path, accept: table).json["rows"]?.array?.first?["cells"]?.array?.last == "Approved,Issued")
    }

    @Test func aSelectorChoosesTheSigner() async throws {
        let server = try await TestServer()
        try await server.create(path, request("a", try TestRequest.node("n")))
        try await server.create(path, request("b", try TestRequest.node("n"), signer: "example.com/x"))
        #expect(await server.get(path + "?fieldSelector=spec.signerName%3Dexample.com/x").names == ["b"])
    }
}
