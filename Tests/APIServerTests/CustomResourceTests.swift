import KubeHTTP
import NIOHTTP1
import JSONTree
import Storage
import Testing

private let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
private let widgets = "/apis/example.com/v1/namespaces/default/widgets"

extension JSON {
    static func definition(_ plural: String = "widgets", kind: String = "Widget", change: (inout JSON) -> Void = { _ in }) -> JSON {
        var version: JSON = [
            "name": "v1", "served": true, "storage": true,
            "schema": ["openAPIV3Schema": [
                "type": "object", "required": ["spec"],
                "properties": [
                    "spec": [
                        "type": "object", "required": ["size"],
                        "properties": [
                            "size": ["type": "integer", "minimum": 1, "maximum": 10],
                            "color": ["type": "string", "default": "red", "enum": ["red", "blue"]],
                            "name": ["type": "string", "pattern": "^[a-z]+$"],
                            "replicas": ["type": "integer"],
                            "any": ["type": "object", "x-kubernetes-preserve-unknown-fields": true],
                            "port": ["x-kubernetes-int-or-string": true],
                        ],
                    ],
                    "status": ["type": "object", "properties": ["replicas": ["type": "integer"], "phase": ["type": "string"]]],
                ],
            ]],
        ]
        change(&version)
        return [
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": ["name": .string("\(plural).example.com")],
            "spec": [
                "group": "example.com", "scope": "Namespaced", "names": ["plural": .string(plural), "kind": .string(kind), "shortNames": [.string("s\(plural)")]],
                "versions": [version],
            ],
        ]
    }

    static func widget(_ name: String, _ spec: JSON = ["size": 1]) -> JSON {
        ["apiVersion": "example.com/v1", "kind": "Widget", "metadata": ["name": .string(name)], "spec": spec]
    }

    func condition(_ type: String) -> String? {
        (self[path: "status", "conditions"]?.array ?? []).first { $0["type"]?.string == type }?["status"]?.string
    }
}

@Suite struct CustomResourceTests {
    private func serverWithWidgets(_ change: (inout JSON) -> Void = { _ in }) async throws -> TestServer {
        let server = try await TestServer()
        try await server.create(definitions, .definition(change: change))
        return server
    }

    @Test func aDefinitionIsServedAtOnce() async throws {
        let server = try await TestServer()
        #expect(await server.get(widgets).status == 404)
        try await server.create(definitions, .definition())
        let definition = await server.get(definitions + "/widgets.example.com").json
        #expect(definition.condition("NamesAccepted") == "True")
        #expect(definition.condition("Established") == "True")
        #expect(definition.condition("NonStructuralSchema") == nil)
        #expect(definition[path: "status", "acceptedNames", "listKind"] == "WidgetList")
        #expect(definition[path: "status", "storedVersions"] == ["v1"])
        #expect(definition[path: "spec", "conversion"] == ["strategy": "None"])

        let made = try await server.create(widgets, .widget("a"))
        #expect(made["spec"] == ["size": 1, "color": "red"])
        #expect(made[path: "metadata", "generation"] == 1)
        #expect(await server.get(widgets).json["kind"] == "WidgetList")
        #expect(await server.get("/apis/example.com/v1/widgets").names == ["a"])

        let resources = await server.get("/apis/example.com/v1").json["resources"]
        #expect(resources?[0]?["shortNames"] == ["swidgets"])
        let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        let groups = await server.get("/apis", accept: accept).json["items"]?.array ?? []
        #expect(groups.contains { $0.name == "example.com" })
        let index = await server.get("/openapi/v3").json
        let url = try #require(index[path: "paths", "apis/example.com/v1", "serverRelativeURL"]?.string)
        let schema = await server.get(url).json[path: "components", "schemas", "com.example.v1.Widget"]
        #expect(schema?[path: "properties", "spec", "properties", "size", "maximum"] == 10)
        #expect(schema?["x-kubernetes-group-version-kind"] == [["group": "example.com", "kind": "Widget", "version": "v1"]])
        #expect(await server.get("/openapi/v2").json[path: "definitions", "com.example.v1.Widget"] != nil)
    }

    @Test func unknownFieldsArePrunedAndWrongOnesTold() async throws {
        let server = try await serverWithWidgets()
        let made = try await server.create(widgets, .widget("a", ["size": 2, "unknown": 1, "any": ["x": ["y": 1]], "port": "http"]))
        #expect(made["spec"] == ["size": 2, "any": ["x": ["y": 1]], "port": "http", "color": "red"])
        let strict = await server.call(.POST, widgets + "?fieldValidation=Strict", .widget("b", ["size": 2, "unknown": 1]))
        #expect(strict.status == 400)
        #expect(strict.message.hasSuffix(#"strict decoding error: unknown field "spec.unknown""#))
        let wrong = await server.call(.POST, widgets, .widget("b", ["size": "big", "color": "green", "name": "X1"]))
        #expect(wrong.status == 422)
        #expect(Set(wrong.causes) == [
            #"spec.size: Invalid value: "string": spec.size in body must be of type integer: "string""#,
            #"spec.color: Unsupported value: "green": supported values: "blue", "red""#,
            #"spec.name: Invalid value: "X1": spec.name in body should match '^[a-z]+$'"#,
        ])
        #expect(wrong.message.hasPrefix(#"Widget.example.com "b" is invalid: "#))
        #expect(await server.call(.POST, widgets, .widget("b", ["size": 11])).causes == ["spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10"])
        #expect(await server.call(.POST, widgets, .widget("b", [:])).causes == ["spec.size: Required value"])
        let missing = await server.call(.POST, widgets, JSON.widget("b").with(nil, at: "spec"))
        #expect(missing.causes == ["spec: Required value"])
    }

    @Test func updatesAndPatchesGoTheWayOfBuiltInKinds() async throws {
        let server = try await serverWithWidgets()
        let made = try await server.create(widgets, .widget("a"))
        let without = await server.call(.PUT, widgets + "/a", .widget("a", ["size": 2]))
        #expect(without.causes == ["metadata.resourceVersion: Invalid value: 0: must be specified for an update"])
        let changed = await server.call(.PUT, widgets + "/a", made.with(3, at: "spec", "size"))
        #expect(changed.status == 200)
        #expect(changed.json[path: "metadata", "generation"] == 2)
        let patched = await server.call(.PATCH, widgets + "/a", ["spec": ["size": 4]], type: "application/merge-patch+json")
        #expect(patched.json[path: "spec", "size"] == 4)
        #expect(await server.call(.PATCH, widgets + "/a", ["spec": ["size": 4]], type: "application/strategic-merge-patch+json").status == 415)
        let applied = await server.call(.PATCH, widgets + "/a?fieldManager=m&force=true", .widget("a", ["size": 5]), type: "application/apply-patch+yaml")
        #expect(applied.json[path: "spec", "size"] == 5)
        #expect((applied.json[path: "metadata", "managedFields"]?.array ?? []).contains { $0["operation"] == "Apply" })
        let watch = try await server.watch(widgets + "?watch=true&resourceVersion=\(applied.json.version)")
        #expect(await server.call(.DELETE, widgets + "/a").status == 200)
        #expect(await watch.short(1) == ["DELETED a"])
    }

    @Test func statusAndScaleArePartsOfTheirOwn() async throws {
        let server = try await serverWithWidgets {
            $0["subresources"] = ["status": [:], "scale": ["specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"]]
        }
        let made = try await server.create(widgets, JSON.widget("a", ["size": 1, "replicas": 2]).with(["phase": "x"], at: "status"))
        #expect(made["status"] == nil)
        let status = await server.call(.PATCH, widgets + "/a/status", ["status": ["phase": "Up", "replicas": 2], "spec": ["size": 9]], type: "application/merge-patch+json")
        #expect(status.json["status"] == ["phase": "Up", "replicas": 2])
        #expect(status.json[path: "spec", "size"] == 1)
        #expect(status.json[path: "metadata", "generation"] == 1)
        #expect(await server.get(widgets + "/a/scale").json["status"] == ["replicas": 2])
        let scaled = await server.call(.PATCH, widgets + "/a/scale", ["spec": ["replicas": 7]], type: "application/merge-patch+json")
        #expect(scaled.json["spec"] == ["replicas": 7])
        #expect(await server.get(widgets + "/a").json[path: "spec", "replicas"] == 7)
    }

    @Test func columnsAreThoseOfTheDefinition() async throws {
        let server = try await serverWithWidgets {
            $0["additionalPrinterColumns"] = [
                ["name": "Size", "type": "integer", "jsonPath": ".spec.size"], ["name": "Color", "type": "string", "jsonPath": ".spec.color", "priority": 1],
                ["name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"],
            ]
        }
        try await server.create(widgets, .widget("a", ["size": 3]))
        server.clock.advance(60)
        let table = await server.get(widgets, accept: "application/json;as=Table;v=v1;g=meta.k8s.io").json
        #expect((table["columnDefinitions"]?.array ?? []).map { $0["name"]?.string } == ["Name", "Size", "Color", "Age"])
        #expect(table["rows"]?[0]?["cells"] == ["a", 3, "red", "60s"])
    }

    @Test func versionsDifferInTheirNameOnly() async throws {
        let server = try await TestServer()
        var definition = JSON.definition()
        let stored = definition[path: "spec", "versions"]?[0] ?? [:]
        var old = stored
        old["name"] = "v1beta1"
        old["storage"] = false
        old["deprecated"] = true
        definition["spec"]?["versions"] = [old, stored]
        try await server.create(definitions, definition)
        #expect(await server.get("/apis/example.com").json[path: "preferredVersion", "version"] == "v1")
        let path = "/apis/example.com/v1beta1/namespaces/default/widgets"
        let made = await server.call(.POST, path, JSON.widget("a").with("example.com/v1beta1", at: "apiVersion"))
        #expect(made.status == 201)
        #expect(made.headers["warning"] == [#"299 - "example.com/v1beta1 Widget is deprecated""#])
        #expect(made.json["apiVersion"] == "example.com/v1beta1")
        #expect(await server.get(widgets + "/a").json["apiVersion"] == "example.com/v1")
        #expect(await server.get(path).json["items"]?[0]?["apiVersion"] == "example.com/v1beta1")
        // A version that is no longer served is gone from everywhere.
        let patch: JSON = [["op": "replace", "path": "/spec/versions/0/served", "value": false]]
        #expect(await server.call(.PATCH, definitions + "/widgets.example.com", patch, type: "application/json-patch+json").status == 200)
        #expect(await server.get(path).status == 404)
        #expect(await server.get("/openapi/v3").json[path: "paths", "apis/example.com/v1beta1"] == nil)
    }

    @Test func definitionsSurviveARestart() async throws {
        let storage = try SQLiteStorage.inMemory()
        let first = try await TestServer(storage: storage)
        try await first.create(definitions, .definition())
        try await first.create(widgets, .widget("a"))
        let second = try await TestServer(storage: storage)
        #expect(await second.get(widgets).names == ["a"])
    }
}

@Suite struct CustomResourceDefinitionTests {
    @Test func deletingADefinitionDeletesItsObjects() async throws {
        let server = try await TestServer()
        let definition = try await server.create(definitions, .definition())
        #expect(definition[path: "metadata", "finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"])
        try await server.create(widgets, .widget("a"))
        try await server.create(widgets, JSON.widget("held").with(["example.com/wait"], at: "metadata", "finalizers"))
        #expect(await server.call(.DELETE, definitions + "/widgets.example.com").status == 200)
        // One object has something to wait for, and so has the definition.
        #expect(await server.get(widgets).names == ["held"])
        #expect(await server.get(definitions + "/widgets.example.com").json.condition("Terminating") == "True")
        let late = await server.call(.POST, widgets, .widget("late"))
        #expect(late.status == 405)
        #expect(late.message == "create not allowed while custom resource definition is terminating")
        _ = await server.call(.PATCH, widgets + "/held", ["metadata": ["finalizers": nil]], type: "application/merge-patch+json")
        #expect(await server.get(definitions + "/widgets.example.com").status == 404)
        #expect(await server.get(widgets).status == 404)
        #expect(await server.get("/apis/example.com").status == 404)
    }

    @Test func namesThatAreTakenWait() async throws {
        let server = try await TestServer()
        try await server.create(definitions, .definition())
        try await server.create(definitions, .definition("gadgets", kind: "Widget"))
        let second = await server.get(definitions + "/gadgets.example.com").json
        #expect(second.condition("NamesAccepted") == "False")
        #expect(second.condition("Established") == "False")
        let names = (second[path: "status", "conditions"]?.array ?? []).first { $0["type"] == "NamesAccepted" }
        #expect(names?["reason"] == "ListKindConflict")
        #expect(names?["message"] == "\"WidgetList\" is already in use")
        #expect(await server.get("/apis/example.com/v1/gadgets").status == 404)
        // The names become free.
        #expect(await server.call(.DELETE, definitions + "/widgets.example.com").status == 200)
        #expect(await server.get(definitions + "/gadgets.example.com").json.condition("Established") == "True")
        #expect(await server.get("/apis/example.com/v1/gadgets").status == 200)
    }

    @Test func brokenDefinitionsAreRefused() async throws {
        let server = try await TestServer()
        func causes(_ change: (inout JSON) -> Void) async -> [String] {
            var definition = JSON.definition()
            change(&definition)
            return await server.call(.POST, definitions, definition).causes
        }
        #expect(await causes { $0["metadata"]?["name"] = "x" } == [#"metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group"#])
        #expect(await causes { $0["spec"]?["scope"] = "Galaxy" } == [#"spec.scope: Unsupported value: "Galaxy": supported values: "Cluster", "Namespaced""#])
        #expect(await causes { $0["spec"]?["versions"]?.withArray { $0[0]["storage"] = false } }
            == [#"spec.versions: Invalid value: ["v1"]: must have exactly one version marked as storage version"#])
        #expect(await causes { $0["spec"]?["versions"]?.withArray { $0[0]["schema"] = nil } }
            == ["spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"])
        #expect(await causes { $0["spec"]?["versions"]?.withArray { $0[0]["schema"]?["openAPIV3Schema"]?["properties"]?["spec"]?["type"] = nil } }
            == ["spec.versions[0].schema.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields"])
        #expect(await causes { $0["spec"]?["conversion"] = ["strategy": "Webhook"] }
            == [#"spec.conversion.strategy: Unsupported value: "Webhook": supported values: "None""#])
    }

    @Test func namesStay() async throws {
        let server = try await TestServer()
        try await server.create(definitions, .definition())
        let answer = await server.call(
            .PATCH, definitions + "/widgets.example.com", ["spec": ["names": ["kind": "Other", "listKind": "OtherList"]]], type: "application/merge-patch+json")
        #expect(answer.causes == [#"spec.names.kind: Invalid value: "Other": field is immutable"#])
    }
}

@Suite struct OpenAPIEndpointTests {
    @Test func documentsMayBeKept() async throws {
        let server = try await TestServer()
        let url = try #require(await server.get("/openapi/v3").json[path: "paths", "apis/apps/v1", "serverRelativeURL"]?.string)
        let document = await server.get(url)
        #expect(document.headers["cache-control"] == ["public, immutable"])
        let tag = try #require(document.headers["etag"].first)
        #expect(url.hasSuffix("?hash=" + tag.dropFirst().dropLast()))
        let plain = await server.get("/openapi/v3/apis/apps/v1")
        #expect(plain.headers["cache-control"] == ["no-cache, private"])
        #expect(plain.headers["etag"] == [tag])
        let old = await server.get("/openapi/v3/apis/apps/v1?hash=0")
        #expect(old.status == 301)
        #expect(old.headers["location"] == [url])
        // A custom resource does not change the documents of others.
        try await server.create(definitions, .definition())
        #expect(await server.get("/openapi/v3").json[path: "paths", "apis/apps/v1", "serverRelativeURL"] == .string(url))
    }
}
