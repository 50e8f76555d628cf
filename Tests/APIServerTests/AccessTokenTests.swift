import JSONTree
import KubeAPI
import KubeHTTP
import NIOHTTP1
import Testing

@testable import APIServer

/// Tokens of service accounts: issued, believed, refused.
@Suite struct AccessTokenTests {
    private let accounts = "/api/v1/namespaces/default/serviceaccounts"

    private func request(_ spec: JSON = [:]) -> JSON { ["apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec] }

    private func token(_ server: TestServer, _ account: String = "default", _ spec: JSON = [:]) async throws -> String {
        let answer = await server.call(.POST, "\(accounts)/\(account)/token", request(spec))
        try #require(answer.status == 201, "\(answer.json)")
        return try #require(answer.json[path: "status", "token"]?.string)
    }

    private func whoAmI(_ server: TestServer, _ token: String) async -> Answer {
        await server.call(.POST, identityReviews + "/selfsubjectreviews", ["apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"], token: token)
    }

    private func bound(to pod: JSON) -> JSON {
        ["boundObjectRef": ["apiVersion": "v1", "kind": "Pod", "name": .string(pod.name), "uid": .string(pod.uid)]]
    }

    @Test func aTokenIsItsServiceAccount() async throws {
        let server = try await TestServer()
        let account = try await server.create(accounts, .serviceAccount("bot"))
        let answer = await server.call(.POST, accounts + "/bot/token", request(["expirationSeconds": 1200]))
        #expect(answer.json[path: "status", "expirationTimestamp"] == "2026-01-02T03:24:05Z")
        #expect(answer.json[path: "metadata", "name"] == "bot")
        let token = try #require(answer.json[path: "status", "token"]?.string)
        let user = await whoAmI(server, token).json[path: "status", "userInfo"]
        #expect(user?["username"] == "system:serviceaccount:default:bot")
        #expect(user?["uid"]?.string == account.uid)
        #expect(user?["groups"] == ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"])
        // And has the rights that are given to it.
        #expect(await server.call(.GET, pods, token: token).status == 403)
        let subject: JSON = ["kind": "ServiceAccount", "name": "bot", "namespace": "default"]
        try await server.create(rbac + "/namespaces/default/rolebindings", .binding("RoleBinding", "view", to: "ClusterRole", "view", [subject]))
        #expect(await server.call(.GET, pods, token: token).status == 200)
    }

    @Test func itEndsWithItsTimeItsAccountAndItsPod() async throws {
        let server = try await TestServer()
        try await server.create(accounts, .serviceAccount("bot"))
        let pod = try await server.create(pods, .pod("p").with("bot", at: "spec", "serviceAccountName"))
        let short = try await token(server, "bot", ["expirationSeconds": 600])
        let podToken = try await token(server, "bot", bound(to: pod))
        #expect(await whoAmI(server, short).status == 201)
        let extra = await whoAmI(server, podToken).json[path: "status", "userInfo", "extra"]
        #expect(extra?["authentication.kubernetes.io/pod-name"] == ["p"])
        #expect(extra?["authentication.kubernetes.io/pod-uid"] == [.string(pod.uid)])

        server.clock.advance(599)
        #expect(await whoAmI(server, short).status == 201)
        server.clock.advance(1)
        #expect(await whoAmI(server, short).status == 401)

        #expect(await whoAmI(server, podToken).status == 201)
        #expect(await server.call(.DELETE, pods + "/p?gracePeriodSeconds=0").status == 200)
        #expect(await whoAmI(server, podToken).status == 401)
        try await server.create(pods, .pod("p").with("bot", at: "spec", "serviceAccountName"))
        #expect(await whoAmI(server, podToken).status == 401, "another pod of the same name")

        let other = try await token(server, "bot")
        #expect(await server.call(.DELETE, accounts + "/bot").status == 200)
        #expect(await whoAmI(server, other).status == 401)
        try await server.create(accounts, .serviceAccount("bot"))
        #expect(await whoAmI(server, other).status == 401, "another account of the same name")
    }

    @Test func forgedAndForeignTokensAreRefused() async throws {
        let server = try await TestServer()
        let good = try await token(server)
        let parts = good.split(separator: ".").map(String.init)
        let claims = try JSON(parsing: #require(Base64URL.decode(parts[1])))
        let stronger = Base64URL.encode(claims.with("system:serviceaccount:kube-system:default", at: "sub").bytes())
        let none = Base64URL.encode(Array(#"{"alg":"none"}"#.utf8))
        let foreign = try TokenKeys().sign(claims)
        for bad in ["\(parts[0]).\(stronger).\(parts[2])", "\(none).\(parts[1]).", "\(none).\(parts[1]).\(parts[2])", foreign, "\(parts[0]).\(parts[1])", "x", good + "A", "\(parts[0]).\(parts[1]).AAAA"] {
            #expect(await whoAmI(server, bad).status == 401, "\(bad)")
        }
        #expect(await server.call(.GET, "/api", headers: ["Authorization": "Basic \(good)"]).status == 401)
        let audience = try await token(server, "default", ["audiences": ["vault"]])
        #expect(await whoAmI(server, audience).status == 401, "a token for others is none for this server")
    }

    @Test func requestsThatCannotBeMet() async throws {
        let server = try await TestServer()
        let pod = try await server.create(pods, .pod("p"))
        try await server.create(accounts, .serviceAccount("bot"))
        func ask(_ account: String, _ spec: JSON) async -> Answer { await server.call(.POST, "\(accounts)/\(account)/token", request(spec)) }
        #expect(await ask("nobody", [:]).message == #"serviceaccounts "nobody" not found"#)
        #expect(await ask("default", ["expirationSeconds": 599]).status == 422)
        #expect(await ask("bot", bound(to: pod)).message == #"cannot bind token for serviceaccount "bot" to pod running with different serviceaccount name."#)
        #expect(await ask("default", bound(to: pod.with("q", at: "metadata", "name"))).message == #"pods "q" not found"#)
        let stale = await ask("default", bound(to: pod.with("u", at: "metadata", "uid")))
        #expect((stale.status, stale.message.contains("the UID in the bound object reference (u) does not match")) == (409, true))
        #expect(await ask("default", ["boundObjectRef": ["kind": "ConfigMap", "apiVersion": "v1", "name": "c"]]).status == 400)
        #expect(await server.get(accounts + "/default/token").status == 405)
    }

    @Test func tokenReviews() async throws {
        let server = try await TestServer()
        func review(_ token: String, _ audiences: [String] = []) async -> JSON {
            let spec: JSON = ["token": .string(token), "audiences": JSON(audiences)]
            return await server.call(.POST, identityReviews + "/tokenreviews", ["apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec])
                .json["status"] ?? .null
        }
        let own = try await token(server)
        let vault = try await token(server, "default", ["audiences": ["vault", "other"]])
        let status = await review(own)
        #expect(status["authenticated"] == true)
        #expect(status[path: "user", "username"] == "system:serviceaccount:default:default")
        #expect(status["audiences"] == ["https://kubernetes.default.svc.cluster.local"])
        #expect(await review(vault)["authenticated"] != true)
        #expect(await review(vault, ["vault", "x"])["audiences"] == ["vault"])
        #expect(await review("rubbish")["error"] == "invalid bearer token")
        server.clock.advance(3600)
        #expect(await review(own)["error"] == "invalid bearer token, service account token has expired")
    }

    @Test func othersCanVerifyByDiscovery() async throws {
        let server = try await TestServer()
        let token = try await token(server)
        let document = await server.call(.GET, "/.well-known/openid-configuration", token: token)
        #expect(document.json["issuer"] == "https://kubernetes.default.svc.cluster.local")
        #expect(document.json["id_token_signing_alg_values_supported"] == ["ES256"])
        #expect(document.json["jwks_uri"] == "https://kubernetes.default.svc.cluster.local/openid/v1/jwks")
        let keys = await server.call(.GET, "/openid/v1/jwks", token: token)
        #expect(keys.headers.first(name: "content-type") == "application/jwk-set+json")
        let header = try JSON(parsing: #require(Base64URL.decode(token.split(separator: ".")[0])))
        let key = try #require(keys.json["keys"]?.array?.first)
        #expect(key["kid"] == header["kid"])
        #expect((key["kty"], key["crv"], key["alg"]) == ("EC", "P-256", "ES256"))
        #expect(Base64URL.decode(key["x"]?.string ?? "")?.count == 32)
        #expect(Base64URL.decode(key["y"]?.string ?? "")?.count == 32)
        // Service accounts may read it, others who are authenticated may not.
        #expect(await server.get("/openid/v1/jwks", as: .user("eve")).status == 403)
    }

    @Test func browsersSendTheTokenAsASubprotocol() async throws {
        let server = try await TestServer()
        let token = try await token(server)
        let protocols = "base64url.bearer.authorization.k8s.io." + Base64URL.encode(Array(token.utf8)) + ", v5.channel.k8s.io"
        #expect(await server.call(.GET, "/api", headers: ["Sec-WebSocket-Protocol": protocols]).status == 200)
    }
}
