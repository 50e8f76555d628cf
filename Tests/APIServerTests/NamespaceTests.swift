import KubeHTTP
import NIOHTTP1
import JSONTree
import Testing

@Suite struct NamespaceTests {
    @Test func everyClusterHasFour() async throws {
        let server = try await TestServer()
        let list = await server.get(namespaces)
        #expect(list.names == ["default", "kube-node-lease", "kube-public", "kube-system"])
        let first = list.json["items"]?[0]
        #expect(first?[path: "metadata", "labels"] == ["kubernetes.io/metadata.name": "default"])
        #expect(first?["spec"] == ["finalizers": ["kubernetes"]])
        #expect(first?["status"] == ["phase": "Active"])
    }

    @Test func aNamespaceEndsWhenItsFinalizerIsTakenOff() async throws {
        let server = try await TestServer()
        try await server.create(namespaces, ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "n"]])
        let deleted = await server.call(.DELETE, namespaces + "/n")
        #expect(deleted.json[path: "status", "phase"] == "Terminating")
        #expect(deleted.json[path: "metadata", "deletionTimestamp"] != nil)
        // An ordinary update cannot take the finalizer off.
        let update = await server.call(.PUT, namespaces + "/n", deleted.json.with(["finalizers": []], at: "spec"))
        #expect(update.json["spec"] == ["finalizers": ["kubernetes"]])
        let finalized = await server.call(.PUT, namespaces + "/n/finalize", deleted.json.with(["finalizers": []], at: "spec"))
        #expect(finalized.status == 200)
        #expect(await server.get(namespaces + "/n").status == 404)
    }

    @Test func namesAreLabels() async throws {
        let server = try await TestServer()
        let answer = await server.call(.POST, namespaces, ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "a.b"]])
        #expect(answer.status == 422)
        #expect(answer.message.contains("a lowercase RFC 1123 label must consist of"))
    }
}
