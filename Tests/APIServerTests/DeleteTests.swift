import KubeHTTP
import NIOHTTP1
import JSONTree
import Testing

@Suite struct DeleteTests {
    @Test func dataIsGoneAtOnce() async throws {
        let server = try await TestServer()
        let object = try await server.create(configMaps, .configMap("x"))
        let answer = await server.call(.DELETE, configMaps + "/x")
        #expect(answer.status == 200)
        #expect(answer.json["status"] == "Success")
        #expect(answer.json["details"] == ["name": "x", "kind": "configmaps", "uid": .string(object.uid)])
        #expect(await server.get(configMaps + "/x").status == 404)
        #expect(await server.call(.DELETE, configMaps + "/x").message == #"configmaps "x" not found"#)
    }

    @Test func aPodOnANodeGetsItsGracePeriod() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("x"))
        try await server.bind("x", to: "n")
        let answer = await server.call(.DELETE, pods + "/x")
        #expect(answer.status == 200)
        #expect(answer.json["kind"] == "Pod")
        #expect(answer.json[path: "metadata", "deletionTimestamp"] == "2026-01-02T03:04:35Z")
        #expect(answer.json[path: "metadata", "deletionGracePeriodSeconds"] == 30)
        #expect(answer.json[path: "metadata", "generation"] == 2)

        // Again: nothing changes. Longer: neither. Shorter: counts from the first delete.
        server.clock.advance(5)
        #expect(await server.call(.DELETE, pods + "/x").json.version == answer.json.version)
        let longer = await server.call(.DELETE, pods + "/x?gracePeriodSeconds=100")
        #expect(longer.json[path: "metadata", "deletionGracePeriodSeconds"] == 30)
        let shorter = await server.call(.DELETE, pods + "/x", ["kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 10])
        #expect(shorter.json[path: "metadata", "deletionTimestamp"] == "2026-01-02T03:04:15Z")

        // The node's agent has the last word.
        let last = await server.call(
            .DELETE, pods + "/x",
            ["gracePeriodSeconds": 0, "preconditions": ["uid": answer.json[path: "metadata", "uid"] ?? ""]])
        #expect(last.status == 200)
        #expect(await server.get(pods + "/x").status == 404)
    }

    @Test func aPodWithoutANodeIsGoneAtOnce() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("x"))
        let answer = await server.call(.DELETE, pods + "/x")
        #expect(answer.json["kind"] == "Pod")
        #expect(await server.get(pods + "/x").status == 404)
    }

    @Test func anEndedPodIsGoneAtOnce() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("x"))
        try await server.bind("x", to: "n")
        _ = await server.call(.PATCH, pods + "/x/status", ["status": ["phase": "Succeeded"]], type: "application/merge-patch+json")
        _ = await server.call(.DELETE, pods + "/x")
        #expect(await server.get(pods + "/x").status == 404)
    }

    @Test func preconditionsMustHold() async throws {
        let server = try await TestServer()
        let object = try await server.create(configMaps, .configMap("x"))
        let uid = await server.call(.DELETE, configMaps + "/x", ["preconditions": ["uid": "other"]])
        #expect(uid.status == 409)
        #expect(uid.message == #"Operation cannot be fulfilled on configmaps "x": Precondition failed: UID in precondition: other, UID in object meta: \#(object.uid)"#)
        let version = await server.call(.DELETE, configMaps + "/x", ["preconditions": ["resourceVersion": "1"]])
        #expect(version.status == 409)
        let right = await server.call(
            .DELETE, configMaps + "/x", ["preconditions": ["uid": .string(object.uid), "resourceVersion": .string(object.version)]])
        #expect(right.status == 200)
    }

    @Test func finalizersHoldAnObjectBack() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, JSON.configMap("x").with(["example.com/hold"], at: "metadata", "finalizers"))
        let deleted = await server.call(.DELETE, configMaps + "/x")
        #expect(deleted.json[path: "metadata", "deletionTimestamp"] != nil)
        #expect(deleted.json["kind"] == "ConfigMap")
        let more = await server.call(
            .PATCH, configMaps + "/x", ["metadata": ["finalizers": ["example.com/hold", "example.com/more"]]], type: "application/merge-patch+json")
        #expect(more.status == 422)
        #expect(await server.get(configMaps + "/x").status == 200)
        let freed = await server.call(.PATCH, configMaps + "/x", ["metadata": ["finalizers": nil]], type: "application/merge-patch+json")
        #expect(freed.status == 200)
        #expect(await server.get(configMaps + "/x").status == 404)
    }

    @Test func aDryRunDeletesNothing() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, .configMap("x"))
        #expect(await server.call(.DELETE, configMaps + "/x?dryRun=All").status == 200)
        #expect(await server.call(.DELETE, configMaps + "/x", ["dryRun": ["All"]]).status == 200)
        #expect(await server.get(configMaps + "/x").status == 200)
    }

    @Test func aCollectionIsDeletedBySelector() async throws {
        let server = try await TestServer()
        for (name, label) in [("a", "x"), ("b", "y"), ("c", "x")] {
            try await server.create(configMaps, JSON.configMap(name).with(["app": .string(label)], at: "metadata", "labels"))
        }
        let answer = await server.call(.DELETE, configMaps + "?labelSelector=app%3Dx")
        #expect(answer.status == 200)
        #expect(answer.json["kind"] == "ConfigMapList")
        #expect(answer.names == ["a", "c"])
        #expect(await server.get(configMaps).names == ["b"])
    }

    @Test func badOptionsAreRefused() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, .configMap("x"))
        #expect(await server.call(.DELETE, configMaps + "/x", ["gracePeriodSeconds": -1]).status == 422)
        #expect(await server.call(.DELETE, configMaps + "/x", ["propagationPolicy": "Never"]).status == 422)
        #expect(await server.call(.DELETE, configMaps + "/x", ["kind": "Pod"]).status == 400)
        #expect(await server.call(.DELETE, configMaps + "/x", ["propagationPolicy": "Foreground"]).status == 200)
    }
}

extension TestServer {
    func bind(_ pod: String, to node: String) async throws {
        let answer = await call(
            .POST, "\(pods)/\(pod)/binding",
            ["apiVersion": "v1", "kind": "Binding", "metadata": ["name": .string(pod)], "target": ["kind": "Node", "name": .string(node)]])
        try #require(answer.status == 201, "\(answer.json)")
    }
}
