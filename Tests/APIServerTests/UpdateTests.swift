import KubeHTTP
import NIOHTTP1
import JSONTree
import Testing

@Suite struct UpdateTests {
    @Test func anUpdateNeedsTheVersionItWasMadeFrom() async throws {
        let server = try await TestServer()
        let first = try await server.create(configMaps, .configMap("x"))
        let second = await server.call(.PUT, configMaps + "/x", first.with(["a": "2"], at: "data"))
        #expect(second.status == 200)
        #expect(second.json["data"] == ["a": "2"])
        #expect(second.json.version > first.version)

        let stale = await server.call(.PUT, configMaps + "/x", first.with(["a": "3"], at: "data"))
        #expect(stale.status == 409)
        #expect(stale.reason == "Conflict")
        #expect(stale.message == #"Operation cannot be fulfilled on configmaps "x": the object has been modified; please apply your changes to the latest version and try again"#)

        let unconditional = await server.call(.PUT, configMaps + "/x", .configMap("x", ["a": "4"]))
        #expect(unconditional.status == 200)
        #expect(unconditional.json.uid == first.uid)
        #expect(unconditional.json[path: "metadata", "creationTimestamp"] == first[path: "metadata", "creationTimestamp"])
    }

    @Test func anUpdateThatChangesNothingIsNoChange() async throws {
        let server = try await TestServer()
        let object = try await server.create(configMaps, .configMap("x"))
        let same = await server.call(.PUT, configMaps + "/x", object)
        #expect(same.status == 200)
        #expect(same.json == object)
        let patched = await server.call(.PATCH, configMaps + "/x", ["data": ["a": "1"]], type: "application/merge-patch+json")
        #expect(patched.json.version == object.version)
    }

    @Test func nameNamespaceAndIdentityMustMatchThePath() async throws {
        let server = try await TestServer()
        let object = try await server.create(configMaps, .configMap("x"))
        let name = await server.call(.PUT, configMaps + "/x", object.with("y", at: "metadata", "name"))
        #expect(name.status == 400)
        #expect(name.message == "the name of the object (y) does not match the name on the URL (x)")
        let namespace = await server.call(.PUT, configMaps + "/x", object.with("other", at: "metadata", "namespace"))
        #expect(namespace.status == 400)
        let uid = await server.call(.PUT, configMaps + "/x", object.with("u", at: "metadata", "uid"))
        #expect(uid.status == 409)
        #expect(uid.message.hasSuffix("Precondition failed: UID in precondition: u, UID in object meta: \(object.uid)"))
        let missing = await server.call(.PUT, configMaps + "/none", .configMap("none"))
        #expect(missing.status == 404)
        #expect(missing.message == #"configmaps "none" not found"#)
    }

    @Test func specAndStatusAreSeparate() async throws {
        let server = try await TestServer()
        let pod = try await server.create(pods, .pod("x"))
        let main = await server.call(.PUT, pods + "/x", pod.with("Running", at: "status", "phase").with(["a": "b"], at: "metadata", "labels"))
        #expect(main.json[path: "status", "phase"] == "Pending")
        #expect(main.json[path: "metadata", "labels"] == ["a": "b"])

        let status = await server.call(
            .PATCH, pods + "/x/status", ["status": ["phase": "Running"], "spec": ["nodeName": "n"]], type: "application/merge-patch+json")
        #expect(status.status == 200)
        #expect(status.json[path: "status", "phase"] == "Running")
        #expect(status.json[path: "status", "qosClass"] == "BestEffort")
        #expect(status.json[path: "spec", "nodeName"] == nil)
        #expect(status.json[path: "metadata", "generation"] == 1)
    }

    @Test func onlySomeFieldsOfAPodMayChange() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("x"))
        let image = await server.call(
            .PATCH, pods + "/x", ["spec": ["containers": [["name": "main", "image": "nginx:2"]]]], type: "application/strategic-merge-patch+json")
        #expect(image.status == 200)
        #expect(image.json[path: "metadata", "generation"] == 2)
        let node = await server.call(.PATCH, pods + "/x", ["spec": ["nodeName": "n"]], type: "application/merge-patch+json")
        #expect(node.status == 422)
        #expect(node.causes.first?.hasPrefix("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`") == true)
    }

    @Test func immutableDataStaysAsItIs() async throws {
        let server = try await TestServer()
        let object = try await server.create(configMaps, JSON.configMap("x").with(true, at: "immutable"))
        let data = await server.call(.PUT, configMaps + "/x", object.with(["a": "2"], at: "data"))
        #expect(data.causes == ["data: Forbidden: field is immutable when `immutable` is set"])
        let flag = await server.call(.PUT, configMaps + "/x", object.with(nil, at: "immutable"))
        #expect(flag.causes == ["immutable: Forbidden: field is immutable when `immutable` is set"])
    }

    @Test func concurrentPatchesAllCount() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, .configMap("x", [:]))
        let applied = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<4 {
                group.addTask {
                    await server.call(.PATCH, configMaps + "/x", ["data": .object(["k\(index)": "v"])], type: "application/merge-patch+json").status == 200
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(applied == 4)
        #expect(await server.get(configMaps + "/x").json["data"]?.object?.count == 4)
    }
}
