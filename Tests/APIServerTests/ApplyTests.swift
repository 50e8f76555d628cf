import KubeAPI
import KubeHTTP
import NIOHTTP1
import JSONTree
import Testing

private let applyType = "application/apply-patch+yaml"

@Suite struct ApplyTests {
    private func apply(_ server: TestServer, _ path: String, _ body: JSON, _ query: String) async -> Answer {
        await server.call(.PATCH, "\(path)?\(query)", body, type: applyType)
    }

    private func owners(_ object: JSON) -> [String] {
        (object[path: "metadata", "managedFields"]?.array ?? []).map { "\($0["manager"]?.string ?? "") \($0["operation"]?.string ?? "")" }
    }

    @Test func anApplyMakesAndChanges() async throws {
        let server = try await TestServer()
        let made = await apply(server, deployments + "/web", .deployment("web"), "fieldManager=one")
        #expect(made.status == 201, "\(made.json)")
        #expect(owners(made.json) == ["one Apply"])
        #expect(made.json[path: "spec", "strategy", "type"] == "RollingUpdate")
        // Defaults belong to nobody.
        #expect(made.json[path: "metadata", "managedFields"]?[0]?[path: "fieldsV1", "f:spec", "f:strategy"] == nil)

        var body = JSON.deployment("web", replicas: 5)
        body["spec"]?["template"]?["spec"]?["containers"] = [["name": "main", "image": "nginx:2"]]
        let changed = await apply(server, deployments + "/web", body, "fieldManager=one")
        #expect(changed.status == 200)
        #expect(changed.json[path: "spec", "replicas"] == 5)
        #expect((changed.json[path: "spec", "template", "spec", "containers"]?.array ?? []).map { $0["image"] } == ["nginx:2"])
        #expect(changed.json[path: "metadata", "generation"] == 2)
        // The same again changes nothing.
        #expect(await apply(server, deployments + "/web", body, "fieldManager=one").json.version == changed.json.version)
    }

    @Test func conflictsNameTheManager() async throws {
        let server = try await TestServer()
        _ = await apply(server, deployments + "/web", .deployment("web"), "fieldManager=one")
        let scaled = await server.call(
            .PATCH, deployments + "/web/scale?fieldManager=scaler", ["spec": ["replicas": 4]], type: "application/merge-patch+json")
        #expect(scaled.status == 200)
        let refused = await apply(server, deployments + "/web", .deployment("web"), "fieldManager=one")
        #expect(refused.status == 409)
        #expect(refused.reason == "Conflict")
        #expect(refused.message == #"Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas"#)
        #expect(refused.causes == [#".spec.replicas: conflict with "scaler" with subresource "scale" using apps/v1"#])
        #expect(await server.get(deployments + "/web").json[path: "spec", "replicas"] == 4)
        let forced = await apply(server, deployments + "/web", .deployment("web"), "fieldManager=one&force=true")
        #expect(forced.status == 200)
        #expect(forced.json[path: "spec", "replicas"] == 2)
        #expect(owners(forced.json) == ["one Apply"])
    }

    @Test func theStatusIsAppliedApart() async throws {
        let server = try await TestServer()
        try await server.create(deployments, .deployment("web"))
        let body: JSON = ["apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "web"], "status": ["observedGeneration": 1]]
        let status = await apply(server, deployments + "/web/status", body, "fieldManager=controller")
        #expect(status.status == 200, "\(status.json)")
        #expect(status.json[path: "status", "observedGeneration"] == 1)
        #expect(status.json[path: "spec", "replicas"] == 2)
        #expect((status.json[path: "metadata", "managedFields"]?.array ?? []).first { $0["manager"] == "controller" }?["subresource"] == "status")
    }

    @Test func whatIsMissingIsTold() async throws {
        let server = try await TestServer()
        let manager = await apply(server, configMaps + "/x", .configMap("x"), "force=true")
        #expect(manager.status == 422)
        #expect(manager.message.hasSuffix("fieldManager: Required value: is required for apply patch"))
        let managed = await apply(server, configMaps + "/x", JSON.configMap("x").with([["manager": "a"]], at: "metadata", "managedFields"), "fieldManager=a")
        #expect(managed.message == "metadata.managedFields must be nil")
        let force = await server.call(.PATCH, configMaps + "/x?force=true", [:], type: "application/merge-patch+json")
        #expect(force.message.hasSuffix("force: Forbidden: may not be specified for non-apply patch"))
        let missing = await apply(server, "/api/v1/namespaces/none/configmaps/x", .configMap("x"), "fieldManager=a")
        #expect(missing.message == #"namespaces "none" not found"#)
    }

    @Test func bodiesMayBeYAML() async throws {
        let server = try await TestServer()
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  a: \"1\"\n  b: |\n    two\n"
        let answer = await Answer(server.respond(.PATCH, configMaps + "/x?fieldManager=a&dryRun=All", Array(text.utf8), type: applyType))
        #expect(answer.status == 201)
        #expect(answer.json["data"] == ["a": "1", "b": "two\n"])
        #expect(await server.get(configMaps + "/x").status == 404)
        let bomb = await Answer(server.respond(.PATCH, configMaps + "/x?fieldManager=a", Array("a: &a [x]\nb: *a\n".utf8), type: applyType))
        #expect(bomb.status == 400)
    }

    @Test func everyWriteHasAManager() async throws {
        let server = try await TestServer()
        let made = try await server.create(configMaps + "?fieldManager=maker", .configMap("x"))
        #expect(made[path: "metadata", "managedFields"] == [[
            "manager": "maker", "operation": "Update", "apiVersion": "v1", "time": "2026-01-02T03:04:05Z", "fieldsType": "FieldsV1",
            "fieldsV1": ["f:data": [".": [:], "f:a": [:]]],
        ]])
        let patched = await server.call(.PATCH, configMaps + "/x", ["data": ["b": "2"]], type: "application/merge-patch+json")
        #expect(owners(patched.json) == ["kubernetes-admin Update", "maker Update"])
    }
}

@Suite struct PropagationTests {
    @Test(arguments: [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
    func aPolicyIsAFinalizer(policy: String, finalizer: String) async throws {
        let server = try await TestServer()
        try await server.create(deployments, .deployment("web"))
        let answer = await server.call(.DELETE, deployments + "/web?propagationPolicy=\(policy)")
        #expect(answer.status == 200)
        #expect(answer.json[path: "metadata", "finalizers"] == [.string(finalizer)])
        let waiting = await server.get(deployments + "/web").json
        #expect(waiting[path: "metadata", "deletionTimestamp"] != nil)
        let done = await server.call(.PATCH, deployments + "/web", ["metadata": ["finalizers": []]], type: "application/merge-patch+json")
        #expect(done.status == 200)
        #expect(await server.get(deployments + "/web").status == 404)
    }

    @Test func theOldOptionMeansTheSame() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, .configMap("x"))
        let both = await server.call(.DELETE, configMaps + "/x", ["kind": "DeleteOptions", "orphanDependents": true, "propagationPolicy": "Background"])
        #expect(both.status == 422)
        let answer = await server.call(.DELETE, configMaps + "/x", ["kind": "DeleteOptions", "orphanDependents": true])
        #expect(answer.json[path: "metadata", "finalizers"] == ["orphan"])
        // A later delete may ask for something else.
        #expect(await server.call(.DELETE, configMaps + "/x?propagationPolicy=Background").status == 200)
        #expect(await server.get(configMaps + "/x").status == 404)
    }
}
