import KubeHTTP
import NIOHTTP1
import JSONTree
import Testing

@Suite struct CreateTests {
    @Test func anObjectGetsItsIdentityFromTheServer() async throws {
        let server = try await TestServer()
        let answer = await server.call(.POST, configMaps, .configMap("one").with("mine", at: "metadata", "uid"))
        #expect(answer.status == 201)
        let object = answer.json
        #expect(object.uid.count == 36)
        #expect(object.uid != "mine")
        #expect(object[path: "metadata", "creationTimestamp"] == "2026-01-02T03:04:05Z")
        #expect(object[path: "metadata", "namespace"] == "default")
        #expect(Int(object.version) != nil)
        #expect(await server.get(configMaps + "/one").json == object)
    }

    @Test func aSecondObjectOfTheNameIsRefused() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("x"))
        let answer = await server.call(.POST, pods, .pod("x"))
        #expect(answer.status == 409)
        #expect(answer.reason == "AlreadyExists")
        #expect(answer.message == #"pods "x" already exists"#)
        #expect(answer.json["details"] == ["name": "x", "kind": "pods"])
    }

    @Test func namesAreGenerated() async throws {
        let server = try await TestServer()
        let body = JSON.pod("").with(nil, at: "metadata", "name").with("web-", at: "metadata", "generateName")
        let first = try await server.create(pods, body)
        let second = try await server.create(pods, body)
        #expect(first.name.hasPrefix("web-") && first.name.count == 9)
        #expect(first.name != second.name)
        let without = await server.call(.POST, pods, body.with(nil, at: "metadata", "generateName"))
        #expect(without.status == 422)
        #expect(without.causes == ["metadata.name: Required value: name or generateName is required"])
    }

    @Test func theNamespaceMustExistAndMatchAndNotEnd() async throws {
        let server = try await TestServer()
        let missing = await server.call(.POST, "/api/v1/namespaces/nope/pods", .pod("x"))
        #expect(missing.status == 404)
        #expect(missing.message == #"namespaces "nope" not found"#)

        let other = await server.call(.POST, pods, .pod("x").with("kube-system", at: "metadata", "namespace"))
        #expect(other.status == 400)
        #expect(other.message == "the namespace of the provided object does not match the namespace sent on the request")

        try await server.create(namespaces, ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "ending"]])
        #expect(await server.call(.DELETE, namespaces + "/ending").status == 200)
        let ending = await server.call(.POST, "/api/v1/namespaces/ending/pods", .pod("x"))
        #expect(ending.status == 403)
        #expect(ending.message == "pods is forbidden: unable to create new content in namespace ending because it is being terminated")
        #expect(ending.causes == ["metadata.namespace: namespace ending is being terminated"])
    }

    @Test(arguments: ["Upper", "-dash", "dot.", "with space", "a/b", String(repeating: "a", count: 254)])
    func badNamesAreRefused(_ name: String) async throws {
        let server = try await TestServer()
        let answer = await server.call(.POST, configMaps, .configMap(name))
        #expect(answer.status == 422)
        #expect(answer.causes.first?.hasPrefix("metadata.name: Invalid value: ") == true)
        #expect(answer.message.hasPrefix(#"ConfigMap "\#(name)" is invalid: metadata.name: "#))
    }

    @Test func labelsAndAnnotationsAreChecked() async throws {
        let server = try await TestServer()
        let body = JSON.configMap("x").with(["bad key": "v", "ok": "bad value!"], at: "metadata", "labels")
            .with(["/x": "v"], at: "metadata", "annotations")
        let answer = await server.call(.POST, configMaps, body)
        #expect(answer.status == 422)
        #expect(answer.causes.count == 3)
        #expect(answer.causes.contains { $0.hasPrefix(#"metadata.labels: Invalid value: "bad key": name part must consist"#) })
        #expect(answer.causes.contains { $0.hasPrefix(#"metadata.annotations: Invalid value: "/x": prefix part must be non-empty"#) })
    }

    @Test func aDryRunStoresNothing() async throws {
        let server = try await TestServer()
        let before = await server.get(configMaps).json.version
        let answer = await server.call(.POST, configMaps + "?dryRun=All", .configMap("x"))
        #expect(answer.status == 201)
        #expect(answer.json.uid.count == 36)
        #expect(await server.get(configMaps + "/x").status == 404)
        #expect(await server.get(configMaps).json.version == before)
        #expect(await server.call(.POST, configMaps + "?dryRun=Some", .configMap("x")).status == 422)
    }

    @Test func aBodyThatCannotBeReadIsRefused() async throws {
        let server = try await TestServer()
        #expect(await Answer(server.respond(.POST, configMaps, Array("{".utf8))).status == 400)
        #expect(await Answer(server.respond(.POST, configMaps, Array("[]".utf8))).status == 400)
        #expect(await Answer(server.respond(.POST, configMaps, Array(#"{"kind":"Pod","apiVersion":"v1"}"#.utf8))).status == 400)
        let unknown = await server.call(.POST, configMaps, .configMap("x"), type: "text/csv")
        #expect(unknown.status == 415)
        #expect(unknown.reason == "UnsupportedMediaType")
        let large = await Answer(server.respond(.POST, configMaps, [UInt8](repeating: 32, count: (3 << 20) + 1)))
        #expect(large.status == 413)
        let deep = Array((#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":"# + String(repeating: "[", count: 100_000)).utf8)
        #expect(await Answer(server.respond(.POST, configMaps, deep)).status == 400)
    }

    @Test func podsGetWhatAdmissionAndDefaultsSet() async throws {
        let server = try await TestServer()
        let pod = try await server.create(pods, .pod("x", image: "nginx").with(["phase": "Running"], at: "status"))
        #expect(pod["status"] == ["phase": "Pending", "qosClass": "BestEffort"])
        #expect(pod[path: "metadata", "generation"] == 1)
        #expect(pod[path: "spec", "serviceAccountName"] == "default")
        #expect(pod[path: "spec", "priority"] == 0)
        #expect(pod[path: "spec", "tolerations"]?.array?.count == 2)
        #expect(pod[path: "spec", "restartPolicy"] == "Always")
        #expect(pod[path: "spec", "dnsPolicy"] == "ClusterFirst")
        #expect(pod[path: "spec", "terminationGracePeriodSeconds"] == 30)
        #expect(pod[path: "spec", "schedulerName"] == "default-scheduler")
        let container = pod[path: "spec", "containers"]?[0]
        #expect(container?["imagePullPolicy"] == "Always")
        #expect(container?["terminationMessagePath"] == "/dev/termination-log")
        #expect(container?["resources"] == [:])
        let tagged = try await server.create(pods, .pod("y", image: "host:5000/nginx:1.2"))
        #expect(tagged[path: "spec", "containers"]?[0]?["imagePullPolicy"] == "IfNotPresent")
    }

    @Test func secretsTakeText() async throws {
        let server = try await TestServer()
        let secret = try await server.create(
            "/api/v1/namespaces/default/secrets",
            ["apiVersion": "v1", "kind": "Secret", "metadata": ["name": "s"], "stringData": ["user": "admin"]])
        #expect(secret["data"] == ["user": "YWRtaW4="])
        #expect(secret["stringData"] == nil)
        #expect(secret["type"] == "Opaque")
    }
}
