import KubeHTTP
import NIOHTTP1
import JSONTree
import Testing

@Suite struct BindingTests {
    @Test func aBindingGivesAPodItsNode() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("x"))
        try await server.bind("x", to: "n1")
        let pod = await server.get(pods + "/x").json
        #expect(pod[path: "spec", "nodeName"] == "n1")
        #expect(pod[path: "metadata", "generation"] == 1)
        let condition = pod[path: "status", "conditions"]?[0]
        #expect(condition?["type"] == "PodScheduled")
        #expect(condition?["status"] == "True")
        #expect(condition?["lastTransitionTime"] == "2026-01-02T03:04:05Z")
        #expect(pod[path: "status", "phase"] == "Pending")
    }

    @Test func aPodIsBoundOnce() async throws {
        let server = try await TestServer()
        let pod = try await server.create(pods, .pod("x"))
        let body: JSON = ["target": ["name": "n2"], "metadata": ["name": "x", "uid": "other"]]
        #expect(await server.call(.POST, pods + "/x/binding", body).status == 409)
        try await server.bind("x", to: "n1")
        let second = await server.call(.POST, pods + "/x/binding", ["target": ["name": "n2"], "metadata": ["name": "x", "uid": .string(pod.uid)]])
        #expect(second.status == 409)
        #expect(second.message == #"Operation cannot be fulfilled on pods/binding "x": pod x is already assigned to node "n1""#)
    }

    @Test func aBindingNeedsATargetAndAPod() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("x"))
        #expect(await server.call(.POST, pods + "/x/binding", ["target": [:]]).status == 422)
        #expect(await server.call(.POST, pods + "/none/binding", ["target": ["name": "n"]]).status == 404)
        let collection = await server.call(.POST, "/api/v1/namespaces/default/bindings", ["metadata": ["name": "x"], "target": ["name": "n"]])
        #expect(collection.status == 201)
        #expect(await server.get(pods + "/x").json[path: "spec", "nodeName"] == "n")
    }
}
