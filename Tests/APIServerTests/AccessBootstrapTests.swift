import ClusterTrust
import JSONTree
import KubeAPI
import KubeHTTP
import NIOHTTP1
import Testing

/// Who is about to join: by a bootstrap token, or by nothing at all.
@Suite struct AccessBootstrapTests {
    private let secrets = "/api/v1/namespaces/kube-system/secrets"
    private let clusterInfo = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
    private let selfReview = identityReviews + "/selfsubjectreviews"
    private let review: JSON = ["apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"]

    private func token(_ change: (inout BootstrapTokenSecret) -> Void = { _ in }) throws -> BootstrapTokenSecret {
        var secret = BootstrapTokenSecret(token: try BootstrapToken("abcdef.0123456789abcdef"), expiration: nil)
        change(&secret)
        return secret
    }

    @Test func aTokenIsAUserAndItsGroups() async throws {
        let server = try await TestServer()
        try await server.create(secrets, try token { $0.groups = ["system:bootstrappers:a", "system:bootstrappers:b"] }.secret)
        let user = await server.call(.POST, selfReview, review, token: "abcdef.0123456789abcdef").json[path: "status", "userInfo"]
        #expect(user?["username"] == "system:bootstrap:abcdef")
        #expect(user?["groups"] == ["system:bootstrappers", "system:bootstrappers:a", "system:bootstrappers:b", "system:authenticated"])
    }

    @Test func aTokenThatDoesNotHoldIsNobody() async throws {
        let server = try await TestServer()
        try await server.create(secrets, try token().secret)
        func status(_ token: String) async -> Int { await server.call(.POST, selfReview, review, token: token).status }
        #expect(await status("abcdef.0123456789abcdef") == 201)
        for wrong in ["abcdef.0123456789abcdee", "abcdeg.0123456789abcdef", "abcdef", "abcdef.", "abcdef.0123456789ABCDEF"] { #expect(await status(wrong) == 401, "\(wrong)") }
        _ = await server.call(.DELETE, secrets + "/bootstrap-token-abcdef")
        #expect(await status("abcdef.0123456789abcdef") == 401)
    }

    @Test func aTokenHoldsUntilItExpiresAndForWhatItIs() async throws {
        let server = try await TestServer()
        let end = Time(seconds: TestServer.start) + .seconds(60)
        try await server.create(secrets, try token { $0.expiration = end }.secret)
        func status() async -> Int { await server.call(.POST, selfReview, review, token: "abcdef.0123456789abcdef").status }
        server.clock.advance(59)
        #expect(await status() == 201)
        server.clock.advance(1)
        #expect(await status() == 401)

        let other = try await TestServer()
        try await other.create(secrets, try token { $0.authenticates = false }.secret)
        #expect(await other.call(.POST, selfReview, review, token: "abcdef.0123456789abcdef").status == 401)
        // A Secret of another namespace is no token of the cluster.
        let third = try await TestServer()
        var elsewhere = try token().secret
        elsewhere["metadata"]?["namespace"] = "default"
        try await third.create("/api/v1/namespaces/default/secrets", elsewhere)
        #expect(await third.call(.POST, selfReview, review, token: "abcdef.0123456789abcdef").status == 401)
    }

    @Test func aSecretThatIsNoTokenIsRefused() async throws {
        let server = try await TestServer()
        let good = try token().secret
        func causes(_ key: String, _ text: String) async -> [String] {
            await server.call(.POST, secrets, good.with(.string(Base64.encode(Array(text.utf8))), at: "data", key)).causes
        }
        #expect(await causes("token-id", "ABC") == [
            #"data[token-id]: Invalid value: "ABC": must match the regex ^([a-z0-9]{6})$"#,
            #"metadata.name: Invalid value: "bootstrap-token-abcdef": must be "bootstrap-token-<token-id>""#,
        ])
        let secret = await causes("token-secret", "letmein")
        #expect(secret == [#"data[token-secret]: Invalid value: "<hidden>": must match the regex ^([a-z0-9]{16})$"#])
        #expect(await causes("expiration", "tomorrow") == [#"data[expiration]: Invalid value: "tomorrow": must be a time as in RFC 3339"#])
        #expect(await causes("auth-extra-groups", "system:masters").first?.hasPrefix(#"data[auth-extra-groups]: Invalid value: "system:masters": must match the regex"#) == true)
        var missing = good
        missing["data"] = [:]
        #expect(await server.call(.POST, secrets, missing).causes == ["data[token-id]: Required value", "data[token-secret]: Required value"])
    }

    @Test func withoutAnIdentityThereIsClusterInfo() async throws {
        let server = try await TestServer()
        #expect(await server.get(clusterInfo, as: nil).status == 404)
        try await server.create("/api/v1/namespaces/kube-public/configmaps", .configMap("cluster-info", ["kubeconfig": "x"]))
        try await server.create("/api/v1/namespaces/kube-public/configmaps", .configMap("other"))
        #expect(await server.get(clusterInfo, as: nil).json[path: "data", "kubeconfig"] == "x")
        for path in ["/api/v1/namespaces/kube-public/configmaps/other", "/api/v1/namespaces/kube-public/configmaps", clusterInfo + "/status", "/api/v1/namespaces/kube-public"] {
            #expect(await server.get(path, as: nil).status == 401, "\(path)")
        }
        #expect(await server.call(.DELETE, clusterInfo, as: nil).status == 401)
        // Who shows a token that does not hold is not nobody.
        #expect(await server.call(.GET, clusterInfo, token: "abcdef.0123456789abcdef").status == 401)
        #expect(await server.call(.GET, clusterInfo, headers: ["Impersonate-User": "kubernetes-admin"]).status == 401)
    }

    @Test func thePolicyCanTakeClusterInfoAwayButGiveNothingElse() async throws {
        let server = try await TestServer()
        try await server.create("/api/v1/namespaces/kube-public/configmaps", .configMap("cluster-info"))
        try await server.create(rbac + "/clusterrolebindings", .binding("ClusterRoleBinding", "open", to: "ClusterRole", "cluster-admin", [.userSubject("system:anonymous")]))
        #expect(await server.get(pods, as: nil).status == 401)
        let other = try await TestServer()
        _ = await other.call(.DELETE, rbac + "/namespaces/kube-public/rolebindings/kubeadm:bootstrap-signer-clusterinfo")
        #expect(await other.get(clusterInfo, as: nil).status == 401)
    }
}
