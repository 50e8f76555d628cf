import NIOHTTP1
import APIServer
import JSONTree
import KubeHTTP
import Testing

@Suite struct AccessTests {
    private let nobody = ClientCertificate(commonName: "eve")
    private let node = ClientCertificate(commonName: "system:node:n1", organizations: ["system:nodes"])
    private let scheduler = ClientCertificate(commonName: "system:kube-scheduler")
    private let controllers = ClientCertificate(commonName: "system:kube-controller-manager")

    @Test func withoutAnIdentityThereIsHealthAndVersionOnly() async throws {
        let server = try await TestServer()
        for path in ["/healthz", "/livez", "/readyz", "/readyz/ping", "/version"] { #expect(await server.get(path, as: nil).status == 200) }
        #expect(await server.get("/healthz", as: nil).text == "ok")
        #expect(await server.get("/readyz?verbose", as: nil).text.hasSuffix("readyz check passed\n"))
        #expect(await server.get("/version", as: nil).json["gitVersion"] == "v1.36.0+swiftlet")
        for path in ["/api", "/apis", pods, "/openapi/v3", "/"] {
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
        #expect(await server.get(pods + "/p/log", as: nobody).message.contains(#"cannot get resource "pods/log""#))
    }

    @Test func nodesMayDoWhatNodesDo() async throws {
        let server = try await TestServer()
        let body: JSON = ["apiVersion": "v1", "kind": "Node", "metadata": ["name": "n1"]]
        #expect(await server.call(.POST, nodes, body, as: node).status == 201)
        #expect(await server.call(.PATCH, nodes + "/n1/status", ["status": [:]], type: "application/merge-patch+json", as: node).status == 200)
        #expect(await server.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", as: node).status == 200)
        #expect(await server.get("/api/v1/namespaces/default/secrets/s", as: node).status == 404)
        #expect(await server.call(.PATCH, nodes + "/n2", [:], type: "application/merge-patch+json", as: node).status == 403)
        #expect(await server.call(.DELETE, nodes + "/n1", as: node).status == 403)
        #expect(await server.call(.POST, namespaces, [:], as: node).status == 403)
        let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        let lease: JSON = ["apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": ["name": "n1"]]
        #expect(await server.call(.POST, leases, lease, as: node).status == 201)
        #expect(await server.get(leases + "/n1", as: node).status == 200)
        #expect(await server.call(.PATCH, leases + "/n2", [:], type: "application/merge-patch+json", as: node).status == 403)
    }

    @Test func theControlPlanesPartsMayDoTheirWork() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("p"))
        #expect(await server.call(.POST, pods + "/p/binding", ["target": ["name": "n"]], as: scheduler).status == 201)
        #expect(await server.get("/api/v1/nodes", as: scheduler).status == 200)
        #expect(await server.get("/api/v1/secrets", as: scheduler).status == 403)
        #expect(await server.call(.PUT, namespaces + "/default/finalize", [:], as: scheduler).status == 403)
        #expect(await server.call(.DELETE, "/api/v1/namespaces/default/secrets", as: controllers).status == 200)
    }

    @Test func anotherAuthorizerDecidesOtherwise() async throws {
        struct Everybody: Authorizer {
            func allows(_ attributes: AuthorizationAttributes) async -> Bool { attributes.verb == "list" }
        }
        let authorizer: any Authorizer = Everybody()
        let user = User(name: "eve", groups: [])
        #expect(await authorizer.allows(.init(user: user, verb: "list", resource: nil)))
        #expect(await !SystemAuthorizer().allows(.init(user: user, verb: "list", resource: nil)))
    }
}
