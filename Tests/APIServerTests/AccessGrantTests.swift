import JSONTree
import KubeHTTP
import NIOHTTP1
import Testing

@testable import APIServer

/// Nobody gives what they do not have.
@Suite struct AccessEscalationTests {
    private let ann = ClientCertificate.user("ann")

    /// Ann may write roles and bindings in the namespace and in the cluster, and read pods.
    private func server() async throws -> TestServer {
        let server = try await TestServer()
        let all = ["create", "update", "patch", "get", "delete"]
        try await server.grant("ann", [
            .rule(all, ["roles", "rolebindings", "clusterroles", "clusterrolebindings"], group: "rbac.authorization.k8s.io"), .rule(["get", "list"], ["pods"]),
        ])
        return server
    }

    private let roles = rbac + "/namespaces/default/roles"
    private let bindings = rbac + "/namespaces/default/rolebindings"

    @Test func rolesHoldNoMoreThanTheirAuthor() async throws {
        let server = try await server()
        #expect(await server.call(.POST, roles, .role("Role", "ok", [.rule(["get"], ["pods"])]), as: ann).status == 201)
        let answer = await server.call(.POST, roles, .role("Role", "bad", [.rule(["get", "watch", "delete"], ["pods"]), .rule(["get"], ["secrets"])]), as: ann)
        #expect(answer.status == 403)
        #expect(answer.message == """
            roles.rbac.authorization.k8s.io "bad" is forbidden: user "ann" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:
            {APIGroups:[""], Resources:["pods"], Verbs:["watch" "delete"]}
            {APIGroups:[""], Resources:["secrets"], Verbs:["get"]}
            """)
        let patch: JSON = ["rules": [.rule(["*"], ["*"])]]
        #expect(await server.call(.PATCH, roles + "/ok", patch, type: "application/merge-patch+json", as: ann).status == 403)
        #expect(await server.call(.PATCH, roles + "/ok", patch, type: "application/merge-patch+json").status == 200, "administrators may")
        let label: JSON = ["metadata": ["labels": ["a": "b"]]]
        #expect(await server.call(.PATCH, roles + "/ok", label, type: "application/merge-patch+json", as: ann).status == 403)
        let finalizers: JSON = ["metadata": ["finalizers": ["x.io/y"]]]
        #expect(await server.call(.PATCH, roles + "/ok", finalizers, type: "application/merge-patch+json", as: ann).status == 200)
    }

    @Test func whoMayEscalateMay() async throws {
        let server = try await server()
        try await server.grant("ann", [.rule(["escalate"], ["roles"], group: "rbac.authorization.k8s.io")], namespace: "default", name: "more")
        #expect(await server.call(.POST, roles, .role("Role", "r", [.rule(["*"], ["*"])]), as: ann).status == 201)
        let cluster = await server.call(.POST, rbac + "/clusterroles", .role("ClusterRole", "r", [.rule(["*"], ["*"])]), as: ann)
        #expect(cluster.status == 403)
    }

    @Test func bindingsGiveNoMoreThanTheirAuthorHas() async throws {
        let server = try await server()
        try await server.create(roles, .role("Role", "pods", [.rule(["get"], ["pods"])]))
        try await server.create(roles, .role("Role", "secrets", [.rule(["get"], ["secrets"])]))
        func bind(_ name: String, _ kind: String, _ role: String) async -> Answer {
            await server.call(.POST, bindings, .binding("RoleBinding", name, to: kind, role, [.userSubject("bob")]), as: ann)
        }
        #expect(await bind("a", "Role", "pods").status == 201)
        #expect(await bind("b", "Role", "secrets").message.contains("is attempting to grant RBAC permissions not currently held"))
        #expect(await bind("c", "ClusterRole", "cluster-admin").status == 403)
        #expect(await bind("d", "Role", "nowhere").message == #"roles.rbac.authorization.k8s.io "nowhere" not found"#)
        #expect(await server.call(
            .POST, rbac + "/clusterrolebindings", .binding("ClusterRoleBinding", "me", to: "ClusterRole", "cluster-admin", [.userSubject("ann")]), as: ann
        ).status == 403)
        try await server.grant(
            "ann", [["apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["bind"], "resourceNames": ["secrets"]]], namespace: "default", name: "binder")
        #expect(await bind("b", "Role", "secrets").status == 201)
        #expect(await bind("c", "ClusterRole", "cluster-admin").status == 403)
    }

    @Test func gatheringByLabelTakesFullAuthority() async throws {
        let server = try await server()
        let role = JSON.role("ClusterRole", "sum", []).with(["clusterRoleSelectors": [["matchLabels": ["a": "b"]]]], at: "aggregationRule")
        #expect(await server.call(.POST, rbac + "/clusterroles", role, as: ann).message.hasSuffix("must have cluster-admin privileges to use an aggregationRule"))
        #expect(await server.call(.POST, rbac + "/clusterroles", role).status == 201)
        // The aggregation controller may write what others label.
        var written = await server.get(rbac + "/clusterroles/sum").json
        written["rules"] = [.rule(["get"], ["secrets"])]
        #expect(await server.call(.PUT, rbac + "/clusterroles/sum", written, as: .account("clusterrole-aggregation-controller")).status == 200)
    }
}

/// `kubectl auth can-i` and `whoami`.
@Suite struct AccessReviewTests {
    private func review(_ kind: String, _ spec: JSON) -> JSON { ["apiVersion": "authorization.k8s.io/v1", "kind": .string(kind), "spec": spec] }

    @Test func mayIMayTheyMayTheyHere() async throws {
        let server = try await TestServer()
        try await server.grant("ann", [.rule(["list"], ["pods"])], namespace: "default")
        let attributes: JSON = ["verb": "list", "resource": "pods", "namespace": "default"]
        let own = await server.call(
            .POST, accessReviews + "/selfsubjectaccessreviews", review("SelfSubjectAccessReview", ["resourceAttributes": attributes]), as: .user("ann"))
        #expect(own.status == 201)
        #expect(own.json["status"] == ["allowed": true, "reason": #"RBAC: allowed by RoleBinding "granted/default" of Role "granted" to User "ann""#])
        func other(_ path: String, _ kind: String, _ spec: JSON, as user: ClientCertificate = .admin) async -> Answer {
            await server.call(.POST, path, review(kind, spec), as: user)
        }
        let path = accessReviews + "/subjectaccessreviews"
        #expect(await other(path, "SubjectAccessReview", ["user": "ann", "resourceAttributes": attributes]).json[path: "status", "allowed"] == true)
        #expect(await other(path, "SubjectAccessReview", ["user": "bob", "resourceAttributes": attributes]).json[path: "status", "allowed"] == false)
        #expect(await other(path, "SubjectAccessReview", ["user": "x", "groups": ["system:masters"], "nonResourceAttributes": ["verb": "get", "path": "/x"]])
            .json[path: "status", "allowed"] == true)
        #expect(await other(path, "SubjectAccessReview", ["user": "ann", "resourceAttributes": attributes], as: .user("ann")).status == 403)
        let local = accessReviews + "/namespaces/default/localsubjectaccessreviews"
        #expect(await other(local, "LocalSubjectAccessReview", ["user": "ann", "resourceAttributes": attributes]).json[path: "status", "allowed"] == true)
        #expect(await other(local, "LocalSubjectAccessReview", ["user": "ann", "resourceAttributes": attributes.with("other", at: "namespace")]).status == 422)
    }

    @Test func allThatIMay() async throws {
        let server = try await TestServer()
        try await server.grant("ann", [.rule(["list"], ["pods"])], namespace: "default")
        func rules(_ user: ClientCertificate) async -> JSON {
            await server.call(.POST, accessReviews + "/selfsubjectrulesreviews", review("SelfSubjectRulesReview", ["namespace": "default"]), as: user).json["status"] ?? .null
        }
        let own = await rules(.user("ann"))
        #expect(own["incomplete"] == false)
        #expect(own["resourceRules"]?.array?.contains(.rule(["list"], ["pods"])) == true)
        #expect(own["nonResourceRules"]?.array?.contains { $0["nonResourceURLs"]?.array?.contains("/openapi/*") == true } == true)
        #expect(await rules(.admin)["resourceRules"]?.array?.contains(.rule(["*"], ["*"], group: "*")) == true)
        #expect(await rules(.node("n"))["incomplete"] == true)
    }

    @Test func whoAmI() async throws {
        let server = try await TestServer()
        let answer = await server.call(
            .POST, identityReviews + "/selfsubjectreviews", ["apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"], as: .user("ann", "team"))
        #expect(answer.json[path: "status", "userInfo"] == ["username": "ann", "groups": ["team", "system:authenticated"]])
    }
}

/// Service accounts and their tokens in new pods.
@Suite struct AccessPodTests {
    private let accounts = "/api/v1/namespaces/default/serviceaccounts"

    private func volumes(_ pod: JSON) -> [JSON] { pod[path: "spec", "volumes"]?.array ?? [] }
    private func mounts(_ pod: JSON, _ list: String = "containers", _ index: Int = 0) -> [JSON] { pod[path: "spec", list]?[index]?["volumeMounts"]?.array ?? [] }

    @Test func everyContainerGetsTheToken() async throws {
        let server = try await TestServer()
        var body = JSON.pod("p")
        body["spec"]?["initContainers"] = [["name": "init", "image": "i:1"]]
        body["spec"]?["containers"] = [
            ["name": "a", "image": "i:1"],
            ["name": "b", "image": "i:1", "volumeMounts": [["name": "own", "mountPath": .string(ServiceAccountAdmission.mountPath)]]],
        ]
        body["spec"]?["volumes"] = [["name": "own", "emptyDir": [:]]]
        let pod = try await server.create(pods, body)
        #expect(pod[path: "spec", "serviceAccountName"] == "default")
        #expect(pod[path: "spec", "serviceAccount"] == "default")
        let volume = try #require(volumes(pod).last)
        let name = volume["name"]?.string ?? ""
        #expect(name.hasPrefix("kube-api-access-") && name.utf8.count == 21)
        #expect(volume["projected"] == [
            "sources": [
                ["serviceAccountToken": ["expirationSeconds": 3607, "path": "token"]],
                ["configMap": ["name": "kube-root-ca.crt", "items": [["key": "ca.crt", "path": "ca.crt"]]]],
                ["downwardAPI": ["items": [["path": "namespace", "fieldRef": ["apiVersion": "v1", "fieldPath": "metadata.namespace"]]]]],
            ],
            "defaultMode": 420,
        ])
        let mount: JSON = ["name": .string(name), "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"]
        #expect(mounts(pod).contains(mount))
        #expect(mounts(pod, "initContainers").contains(mount))
        #expect(mounts(pod, "containers", 1).map { $0["name"] } == ["own"])
    }

    /// The nine cases of Kubernetes' conformance test.
    @Test(arguments: [
        (nil, nil, true), (true, nil, true), (false, nil, false), (nil, true, true), (true, true, true), (false, true, true), (nil, false, false),
        (true, false, false), (false, false, false),
    ] as [(Bool?, Bool?, Bool)])
    func optingOut(_ account: Bool?, _ pod: Bool?, _ isMounted: Bool) async throws {
        let server = try await TestServer()
        try await server.create(accounts, JSON.serviceAccount("bot").with(account.map { .bool($0) }, at: "automountServiceAccountToken"))
        let created = try await server.create(
            pods, JSON.pod("p").with("bot", at: "spec", "serviceAccountName").with(pod.map { .bool($0) }, at: "spec", "automountServiceAccountToken"))
        #expect(!volumes(created).isEmpty == isMounted)
        #expect(!mounts(created).isEmpty == isMounted)
    }

    @Test func anAccountThatDoesNotExistIsNamed() async throws {
        let server = try await TestServer()
        let answer = await server.call(.POST, pods, JSON.pod("p").with("nobody", at: "spec", "serviceAccountName"))
        #expect(answer.status == 403)
        #expect(answer.message == #"pods "p" is forbidden: error looking up service account default/nobody: serviceaccount "nobody" not found"#)
    }

    @Test func aMirrorPodHasNoAccount() async throws {
        let server = try await TestServer()
        let mirror = JSON.pod("m").with(.object(["kubernetes.io/config.mirror": "1"]), at: "metadata", "annotations")
        #expect(volumes(try await server.create(pods, mirror)).isEmpty)
        let greedy = mirror.with("n", at: "metadata", "name").with("default", at: "spec", "serviceAccountName")
        #expect(await server.call(.POST, pods, greedy).message.hasSuffix("a mirror pod may not reference service accounts"))
    }

    @Test(.timeLimit(.minutes(1))) func aPodWaitsForTheDefaultAccountOfANewNamespace() async throws {
        let server = try await TestServer()
        try await server.create(namespaces, ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "new"]])
        async let pod = server.call(.POST, "/api/v1/namespaces/new/pods", .pod("p"))
        async let account = server.call(.POST, "/api/v1/namespaces/new/serviceaccounts", .serviceAccount("default"))
        let statuses = await (account.status, pod.status)
        #expect(statuses == (201, 201))
    }

    @Test func pullSecretsOfTheAccountAreThePods() async throws {
        let server = try await TestServer()
        try await server.create(accounts, JSON.serviceAccount("bot").with([["name": "pull"]], at: "imagePullSecrets"))
        let bot = JSON.pod("p").with("bot", at: "spec", "serviceAccountName")
        #expect(try await server.create(pods, bot)[path: "spec", "imagePullSecrets"] == [["name": "pull"]])
        let own = bot.with("q", at: "metadata", "name").with([["name": "mine"]], at: "spec", "imagePullSecrets")
        #expect(try await server.create(pods, own)[path: "spec", "imagePullSecrets"] == [["name": "mine"]])
    }
}
