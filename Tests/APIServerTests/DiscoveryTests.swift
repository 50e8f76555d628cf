import KubeHTTP
import NIOHTTP1
import JSONTree
import Testing

@Suite struct DiscoveryTests {
    @Test func groupsAndResourcesAreListed() async throws {
        let server = try await TestServer()
        #expect(await server.get("/api").json["versions"] == ["v1"])
        let groups = await server.get("/apis").json
        #expect(groups["kind"] == "APIGroupList")
        let names = (groups["groups"]?.array ?? []).compactMap { $0["name"]?.string }
        #expect(names == [
            "apiextensions.k8s.io", "apps", "authentication.k8s.io", "authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io",
            "discovery.k8s.io", "networking.k8s.io", "node.k8s.io", "rbac.authorization.k8s.io", "storage.k8s.io",
        ])
        #expect(groups["groups"]?[1]?["preferredVersion"] == ["groupVersion": "apps/v1", "version": "v1"])
        #expect(await server.get("/apis/coordination.k8s.io").json["kind"] == "APIGroup")
        let core = await server.get("/api/v1").json
        #expect(core["kind"] == "APIResourceList")
        #expect(core["groupVersion"] == "v1")
        let resources = core["resources"]?.array ?? []
        let pods = try #require(resources.first { $0["name"] == "pods" })
        #expect(pods["kind"] == "Pod")
        #expect(pods["namespaced"] == true)
        #expect(pods["shortNames"] == ["po"])
        #expect(pods["singularName"] == "pod")
        #expect(resources.first { $0["name"] == "nodes" }?["shortNames"] == ["no"])
        #expect(resources.contains { $0["name"] == "pods/exec" })
        // Only what is served is shown.
        #expect(!resources.contains { $0["name"] == "pods/proxy" })
        let eviction = try #require(resources.first { $0["name"] == "pods/eviction" })
        #expect(eviction["group"] == "policy")
    }

    @Test(arguments: ["v2", "v2beta1"])
    func discoveryIsAggregated(_ version: String) async throws {
        let server = try await TestServer()
        let accept =
            "application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList,application/json"
        let core = await server.get("/api", accept: accept)
        #expect(core.headers["content-type"] == ["application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList"])
        #expect(core.json["kind"] == "APIGroupDiscoveryList")
        #expect(core.json["apiVersion"] == .string("apidiscovery.k8s.io/\(version)"))
        let resources = core.json["items"]?[0]?["versions"]?[0]?["resources"]?.array ?? []
        let pods = try #require(resources.first { $0["resource"] == "pods" })
        #expect(pods["responseKind"] == ["group": "", "version": "v1", "kind": "Pod"])
        #expect(pods["scope"] == "Namespaced")
        #expect((pods["subresources"]?.array ?? []).contains { $0["subresource"] == "log" })
        #expect(resources.first { $0["resource"] == "nodes" }?["scope"] == "Cluster")
        let groups = await server.get("/apis", accept: accept).json
        #expect(groups["items"]?[0]?[path: "metadata", "name"] == "apiextensions.k8s.io")
        let apps = groups["items"]?[1]?["versions"]?[0]?["resources"]?.array ?? []
        #expect(apps.first { $0["resource"] == "deployments" }?["subresources"] == [
            ["subresource": "scale", "responseKind": ["group": "autoscaling", "version": "v1", "kind": "Scale"], "verbs": ["get", "patch", "update"]],
            ["subresource": "status", "responseKind": ["group": "apps", "version": "v1", "kind": "Deployment"], "verbs": ["get", "patch", "update"]],
        ])
    }

    @Test(arguments: ["/nope", "/api/v2", "/api/v1/widgets", "/apis/nope", "/apis/coordination.k8s.io/v9", "/api/v1/namespaces/default/nodes", "/api/v1/namespaces/default/pods/x/nope", "/api/v1/namespaces/default/pods/x/log/more"])
    func unknownPathsAreNotFound(_ path: String) async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("x"))
        let answer = await server.get(path)
        #expect(answer.status == 404)
        #expect(answer.json["kind"] == "Status")
        #expect(answer.message == "the server could not find the requested resource")
    }

    @Test func verbsThatAResourceDoesNotHaveAreNotAllowed() async throws {
        let server = try await TestServer()
        #expect(await server.call(.DELETE, namespaces).status == 405)
        #expect(await server.call(.POST, pods + "/x", .pod("x")).status == 405)
        #expect(await server.call(.DELETE, pods + "/x/log").status == 405)
        #expect(await server.call(.PUT, pods, .pod("x")).status == 405)
    }

    @Test func openAPIDescribesWhatIsServed() async throws {
        let server = try await TestServer()
        let index = await server.get("/openapi/v3").json
        let url = try #require(index[path: "paths", "api/v1", "serverRelativeURL"]?.string)
        let document = await server.get(url).json
        #expect(document["paths"]?["/api/v1/namespaces/{namespace}/pods/{name}"]?["patch"] != nil)
        #expect(await server.get("/openapi/v2").json["swagger"] == "2.0")
        #expect(await server.get("/openapi/v2", accept: "application/com.github.proto-openapi.spec.v2@v1.0+protobuf").status == 406)
        #expect(await server.get("/openapi/v3/apis/nope/v1").status == 404)
    }
}
