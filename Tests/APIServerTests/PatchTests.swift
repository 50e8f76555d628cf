import KubeHTTP
import NIOHTTP1
import JSONTree
import Testing

@Suite struct PatchTests {
    @Test func jsonPatchChangesByPath() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, .configMap("x", ["a": "1", "b": "2"]))
        let patch: JSON = [
            ["op": "test", "path": "/data/a", "value": "1"], ["op": "replace", "path": "/data/a", "value": "3"], ["op": "remove", "path": "/data/b"],
        ]
        let answer = await server.call(.PATCH, configMaps + "/x", patch, type: "application/json-patch+json")
        #expect(answer.status == 200)
        #expect(answer.json["data"] == ["a": "3"])
        let failed = await server.call(.PATCH, configMaps + "/x", patch, type: "application/json-patch+json")
        #expect(failed.status == 422)
        #expect(await server.get(configMaps + "/x").json["data"] == ["a": "3"])
    }

    @Test func mergePatchRemovesWithNull() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, .configMap("x", ["a": "1", "b": "2"]))
        let answer = await server.call(.PATCH, configMaps + "/x", ["data": ["a": nil, "c": "3"]], type: "application/merge-patch+json")
        #expect(answer.json["data"] == ["b": "2", "c": "3"])
    }

    @Test func strategicMergePatchMergesListsByKey() async throws {
        let server = try await TestServer()
        let body = JSON.pod("x").with([["name": "a", "image": "i:1"], ["name": "b", "image": "i:1"]], at: "spec", "containers")
        try await server.create(pods, body)
        let answer = await server.call(
            .PATCH, pods + "/x", ["spec": ["containers": [["name": "b", "image": "i:2"]]]], type: "application/strategic-merge-patch+json")
        #expect(answer.status == 200)
        let containers = answer.json[path: "spec", "containers"]?.array ?? []
        #expect(containers.map { $0["image"] } == ["i:1", "i:2"])
    }

    @Test func aPatchMayStateTheVersionItIsMeantFor() async throws {
        let server = try await TestServer()
        let object = try await server.create(configMaps, .configMap("x"))
        func patch(_ version: String) async -> Answer {
            await server.call(
                .PATCH, configMaps + "/x", ["metadata": ["resourceVersion": .string(version)], "data": ["a": "2"]],
                type: "application/merge-patch+json")
        }
        #expect(await patch("1").status == 409)
        #expect(await patch(object.version).status == 200)
        #expect(await patch(object.version).status == 409)
    }

    @Test func otherPatchesAreRefused() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, .configMap("x"))
        #expect(await server.call(.PATCH, configMaps + "/x", [:], type: "application/json").status == 415)
        #expect(await server.call(.PATCH, configMaps + "/x", "text", type: "application/merge-patch+json").status == 400)
        #expect(await server.call(.PATCH, configMaps + "/none", [:], type: "application/merge-patch+json").status == 404)
    }
}
