import APIServer
import JSONTree
import KubeHTTP
import NIOHTTP1
import Testing

@Suite struct AccessTests {
    private let nobody = ClientCertificate(commonName: "eve")

    @Test func withoutAnIdentityThereIsHealthAndVersionOnly() async throws {
        let server = try await TestServer()
        for path in ["/healthz", "/livez", "/readyz", "/readyz/ping", "/version"] { #expect(await server.get(path, as: nil).status == 200) }
        #expect(await server.get("/healthz", as: nil).text == "ok")
        #expect(await server.get("/readyz?verbose", as: nil).text.hasSuffix("readyz check passed\n"))
        #expect(await server.get("/version", as: nil).json["gitVersion"] == "v1.36.0+swiftlet")
        for path in ["/api", "/apis", pods, "/openapi/v3", "/", "/openid/v1/jwks"] {
            let answer = await server.get(path, as: nil)
            #expect(answer.status == 401)
            #expect(answer.json["kind"] == "Status")
            #expect(answer.message == "Unauthorized")
        }
    }

    @Test func whoHasNoRightIsToldWhich() async throws {
        let server = try await TestServer()
        let list = await server.get(pods, as: nobody)
        #expect(list.status == 403)
        #expect(list.reason == "Forbidden")
        #expect(list.message == #"pods is forbidden: User "eve" cannot list resource "pods" in API group "" in the namespace "default""#)
        #expect(await server.get("/api/v1/nodes/n", as: nobody).message
            == #"nodes "n" is forbidden: User "eve" cannot get resource "nodes" in API group "" at the cluster scope"#)
        #expect(await server.get("/apis/coordination.k8s.io/v1/leases?watch=1", as: nobody).message
            == #"leases.coordination.k8s.io is forbidden: User "eve" cannot watch resource "leases" in API group "coordination.k8s.io" at the cluster scope"#)
        #expect(await server.get("/secret", as: nobody).message == #"forbidden: User "eve" cannot get path "/secret""#)
        #expect(await server.get("/api", as: nobody).status == 200)
        #expect(await server.get("/apis/coordination.k8s.io/v1", as: nobody).status == 200)
    }

    @Test func aStreamIntoAContainerIsACreateWhateverTheMethod() async throws {
        let server = try await TestServer()
        let answer = await server.get(pods + "/p/exec?command=sh&stdout=1", as: nobody)
        #expect(answer.message.contains(#"cannot create resource "pods/exec""#))
        #expect(await server.get(pods + "/p/attach", as: nobody).message.contains(#"cannot create resource "pods/attach""#))
        #expect(await server.get(pods + "/p/portforward", as: nobody).message.contains(#"cannot create resource "pods/portforward""#))
        #expect(await server.get(pods + "/p/log", as: nobody).message.contains(#"cannot get resource "pods/log""#))
        // Who may read the subresource must not get a shell by it.
        try await server.grant("eve", [.rule(["get"], ["pods/exec"])], namespace: "default")
        #expect(await server.get(pods + "/p/exec?command=sh&stdout=1", as: nobody).status == 403)
    }

    @Test func aRoleHoldsFromItsWriteToItsDeletion() async throws {
        let server = try await TestServer()
        #expect(await server.get(pods, as: nobody).status == 403)
        try await server.grant("eve", [.rule(["list"], ["pods"])], namespace: "default")
        #expect(await server.get(pods, as: nobody).status == 200)
        #expect(await server.get("/api/v1/pods", as: nobody).status == 403)
        #expect(await server.get("/api/v1/namespaces/kube-system/pods", as: nobody).status == 403)
        var role = await server.get(rbac + "/namespaces/default/roles/granted").json
        role["rules"] = [.rule(["get"], ["pods"])]
        #expect(await server.call(.PUT, rbac + "/namespaces/default/roles/granted", role).status == 200)
        #expect(await server.get(pods, as: nobody).status == 403)
        #expect(await server.get(pods + "/p", as: nobody).status == 404)
        #expect(await server.call(.DELETE, rbac + "/namespaces/default/rolebindings/granted").status == 200)
        #expect(await server.get(pods + "/p", as: nobody).status == 403)
    }

    @Test func aListOfOneByItsNameIsAboutThatOne() async throws {
        let server = try await TestServer()
        try await server.grant("eve", [["apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"], "resourceNames": ["mine"]]], namespace: "default")
        #expect(await server.get(configMaps + "?fieldSelector=metadata.name%3Dmine", as: nobody).status == 200)
        #expect(await server.get(configMaps + "?fieldSelector=metadata.name%3Dother", as: nobody).status == 403)
        #expect(await server.get(configMaps + "?fieldSelector=metadata.name!%3Dmine", as: nobody).status == 403)
        #expect(await server.get(configMaps, as: nobody).status == 403)
    }

    @Test func theControlPlanesPartsMayDoTheirWorkAndNoMore() async throws {
        let server = try await TestServer()
        let scheduler = ClientCertificate.user("system:kube-scheduler")
        try await server.create(pods, .pod("p"))
        #expect(await server.call(.POST, pods + "/p/binding", ["target": ["name": "n"]], as: scheduler).status == 201)
        #expect(await server.get("/api/v1/nodes", as: scheduler).status == 200)
        #expect(await server.get("/api/v1/secrets", as: scheduler).status == 403)
        #expect(await server.call(.PUT, namespaces + "/default/finalize", [:], as: scheduler).status == 403)
        let secrets = "/api/v1/namespaces/default/secrets"
        #expect(await server.call(.DELETE, secrets, as: .account("namespace-controller")).status == 200)
        #expect(await server.call(.DELETE, secrets, as: .account("deployment-controller")).status == 403)
        #expect(await server.call(.DELETE, secrets, as: .account("namespace-controller", in: "default")).status == 403)
        #expect(await server.get("/apis/apps/v1/replicasets", as: .account("deployment-controller")).status == 200)
    }

    @Test func manyChangesBetweenTwoLooksAreNotLost() async throws {
        let server = try await TestServer()
        #expect(await server.get(pods, as: nobody).status == 403)
        // More than a mailbox holds, so that the picture is made anew.
        for number in 0..<1100 {
            try await server.create(rbac + "/namespaces/default/rolebindings", .binding("RoleBinding", "b\(number)", to: "ClusterRole", "view", [.userSubject("u\(number)")]))
        }
        for name in ["u0", "u500", "u1099"] { #expect(await server.get(pods, as: .user(name)).status == 200) }
        #expect(await server.call(.DELETE, rbac + "/namespaces/default/rolebindings/b500").status == 200)
        #expect(await server.get(pods, as: .user("u500")).status == 403)
    }
}

/// Acting as somebody else.
@Suite struct AccessImpersonationTests {
    @Test func administratorsMayOthersNeedTheVerb() async throws {
        let server = try await TestServer()
        let asAnn: HTTPHeaders = ["Impersonate-User": "ann"]
        let denied = await server.call(.GET, pods, headers: asAnn, as: .admin)
        #expect(denied.message.contains(#"User "ann" cannot list resource "pods""#))
        let refused = await server.call(.GET, pods, headers: asAnn, as: .user("eve"))
        #expect(refused.message == #"users "ann" is forbidden: User "eve" cannot impersonate resource "users" in API group "" at the cluster scope"#)
        let groups: HTTPHeaders = ["Impersonate-User": "ann", "Impersonate-Group": "system:masters"]
        #expect(await server.call(.GET, pods, headers: groups, as: .admin).status == 200)
        try await server.grant("eve", [.rule(["impersonate"], ["users"])])
        #expect(await server.call(.GET, "/api", headers: asAnn, as: .user("eve")).status == 200)
        #expect(await server.call(.GET, pods, headers: groups, as: .user("eve")).message
            == #"groups "system:masters" is forbidden: User "eve" cannot impersonate resource "groups" in API group "" at the cluster scope"#)
        #expect(await server.call(.GET, pods, headers: ["Impersonate-Group": "g"], as: .admin).status == 400)
    }

    @Test func aServiceAccountIsInItsGroups() async throws {
        let server = try await TestServer()
        let headers: HTTPHeaders = ["Impersonate-User": "system:serviceaccount:default:bot", "Impersonate-Extra-Scopes%2Fx": "one"]
        let answer = await server.call(.POST, identityReviews + "/selfsubjectreviews", ["apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"], headers: headers, as: .admin)
        let user = answer.json[path: "status", "userInfo"]
        #expect(user?["username"] == "system:serviceaccount:default:bot")
        #expect(user?["groups"] == ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"])
        #expect(user?["extra"] == .object(["scopes/x": ["one"]]))
    }
}
