import JSONTree
import KubeHTTP
import NIOHTTP1
import Testing

@Suite struct ValidationTests {
    @Test func everyWrongFieldIsTold() async throws {
        let server = try await TestServer()
        let answer = await server.call(
            .POST, pods,
            ["apiVersion": "v1", "kind": "Pod", "metadata": ["name": "x"], "spec": ["restartPolicy": "Sometimes", "containers": [["image": ""], ["name": "B", "image": "i"]]]])
        #expect(answer.status == 422)
        #expect(answer.reason == "Invalid")
        #expect(answer.message.hasPrefix(#"Pod "x" is invalid: ["#))
        #expect(answer.json[path: "details", "kind"] == "Pod")
        #expect(answer.json[path: "details", "name"] == "x")
        #expect(answer.causes.contains("spec.containers[0].name: Required value"))
        #expect(answer.causes.contains("spec.containers[0].image: Required value"))
        #expect(answer.causes.contains { $0.hasPrefix(#"spec.containers[1].name: Invalid value: "B": a lowercase RFC 1123 label must consist of"#) })
        #expect(answer.causes.contains(#"spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure""#))
    }

    @Test func oneWrongFieldIsToldWithoutBrackets() async throws {
        let server = try await TestServer()
        let answer = await server.call(.POST, pods, JSON.pod("x").with([["image": "i"]], at: "spec", "containers"))
        #expect(answer.message == #"Pod "x" is invalid: spec.containers[0].name: Required value"#)
    }

    @Test func unknownFieldsAreRefusedOrWarnedOfOrDropped() async throws {
        let server = try await TestServer()
        var body = JSON.pod("x")
        body["spec"]?["contaners"] = []
        let strict = await server.call(.POST, pods + "?fieldValidation=Strict", body)
        #expect(strict.status == 400)
        #expect(strict.message == #"Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.contaners""#)

        let warned = await server.call(.POST, pods + "?fieldValidation=Warn&dryRun=All", body)
        #expect(warned.status == 201)
        #expect(warned.headers["warning"] == [#"299 - "unknown field \"spec.contaners\"""#])
        #expect(warned.json["spec"]?["contaners"] == nil)

        let ignored = await server.call(.POST, pods + "?fieldValidation=Ignore", body)
        #expect(ignored.status == 201)
        #expect(ignored.headers["warning"].isEmpty)
        #expect(await server.call(.POST, pods + "?fieldValidation=Maybe", body).status == 400)
    }

    @Test func keysThatComeTwiceAreTold() async throws {
        let server = try await TestServer()
        let text = #"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1","a":"2"}}"#
        let strict = await Answer(server.respond(.POST, configMaps + "?fieldValidation=Strict", Array(text.utf8)))
        #expect(strict.status == 400)
        #expect(strict.message.contains("duplicate field"))
        let warned = await Answer(server.respond(.POST, configMaps, Array(text.utf8)))
        #expect(warned.json["data"] == ["a": "2"])
        #expect(warned.headers["warning"].count == 1)
    }

    @Test func wrongTypesAreRefusedInGosWords() async throws {
        let server = try await TestServer()
        let answer = await server.call(.POST, configMaps, JSON.configMap("x").with(1, at: "data", "a"))
        #expect(answer.status == 400)
        #expect(answer.message.hasPrefix(#"ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go"#))
        let name = await server.call(.POST, configMaps, JSON.configMap("x").with(7, at: "metadata", "name"))
        #expect(name.status == 400)
        let metadata = await server.call(.POST, configMaps, JSON.configMap("x").with([], at: "metadata"))
        #expect(metadata.status == 400)
    }

    @Test func patchesAreJudgedToo() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("x"))
        let answer = await server.call(
            .PATCH, pods + "/x?fieldValidation=Strict", ["spec": ["nope": 1]], type: "application/strategic-merge-patch+json")
        #expect(answer.status == 400 || answer.status == 422)
        #expect(answer.message.contains(#"unknown field "spec.nope""#))
        let label = await server.call(
            .PATCH, pods + "/x", ["metadata": ["labels": ["a b": "c"]]], type: "application/strategic-merge-patch+json")
        #expect(label.status == 422)
    }

    /// Whatever a client sends, it gets an answer, and the server goes on.
    @Test func hostileBodiesAreAnswered() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("x"))
        let values: [JSON] = [nil, true, 0, -1, 1e300, 9_223_372_036_854_775_807, "", "x", [], [nil], [[]], [:], ["a": nil]]
        let places: [[String]] = [
            ["metadata"], ["metadata", "name"], ["metadata", "labels"], ["metadata", "annotations"], ["metadata", "finalizers"],
            ["metadata", "deletionTimestamp"], ["metadata", "generateName"], ["metadata", "resourceVersion"], ["metadata", "ownerReferences"],
            ["spec"], ["spec", "containers"], ["spec", "volumes"], ["spec", "tolerations"], ["spec", "nodeName"], ["spec", "hostNetwork"],
            ["spec", "terminationGracePeriodSeconds"], ["status"], ["status", "conditions"], ["kind"], ["apiVersion"],
        ]
        for place in places {
            for value in values {
                var body = JSON.pod("y")
                Self.set(&body, place[...], value)
                #expect((200..<500).contains(await server.call(.POST, pods + "?dryRun=All", body).status), "\(place) \(value)")
                var patch: JSON = [:]
                Self.set(&patch, place[...], value)
                for type in ["application/merge-patch+json", "application/strategic-merge-patch+json"] {
                    for path in [pods + "/x?dryRun=All", pods + "/x/status?dryRun=All"] {
                        #expect((200..<500).contains(await server.call(.PATCH, path, patch, type: type).status), "\(place) \(value)")
                    }
                }
                #expect((200..<500).contains(await server.call(.POST, pods + "/x/binding?dryRun=All", body).status))
                #expect((200..<500).contains(await server.call(.DELETE, pods + "/x?dryRun=All", body).status))
            }
        }
        #expect(await server.get(pods + "/x").status == 200)
    }

    /// A status may be anything that its schema allows; printing it must not fail.
    @Test func oddStatusesArePrinted() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("x"))
        let odd: JSON = [
            "phase": "Running",
            "containerStatuses": [[
                "name": "a", "image": "", "imageID": "", "ready": true, "restartCount": 2_147_483_647,
                "lastState": ["terminated": ["exitCode": -1, "finishedAt": "0001-01-01T00:00:00Z"]],
            ]],
        ]
        let answer = await server.call(.PATCH, pods + "/x/status", ["status": odd], type: "application/merge-patch+json")
        #expect(answer.status == 200)
        let table = await server.get(pods, accept: "application/json;as=Table;v=v1;g=meta.k8s.io")
        #expect(table.json["rows"]?.array?.count == 1)
    }

    private static func set(_ json: inout JSON, _ path: ArraySlice<String>, _ value: JSON) {
        guard let first = path.first else { return }
        if path.count == 1 {
            json[first] = value
        } else {
            var inner = json[first] ?? [:]
            set(&inner, path.dropFirst(), value)
            json[first] = inner
        }
    }
}
