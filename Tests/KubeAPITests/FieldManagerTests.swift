import JSONTree
import KubeAPI
import Testing

@Suite struct FieldManagerTests {
    private let schema: Schema
    private let start = Time(seconds: 1_767_323_045)

    init() throws { schema = try SchemaCatalog.builtIn.schema("apps/v1.Deployment") }

    private func manager(_ name: String, after seconds: Int64 = 0, subresource: String = "") -> FieldManager {
        FieldManager(name: name, apiVersion: "apps/v1", subresource: subresource, now: Time(seconds: start.seconds + seconds))
    }

    private func deployment(_ spec: JSON, labels: JSON? = nil) -> JSON {
        var object: JSON = ["apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "a", "namespace": "n"], "spec": spec]
        if let labels { object["metadata"]?["labels"] = labels }
        return object
    }

    private func containers(_ containers: JSON...) -> JSON { ["template": ["spec": ["containers": .array(containers)]]] }

    private func apply(_ name: String, _ configuration: JSON, to live: JSON? = nil, force: Bool = false) throws -> JSON {
        try manager(name).apply(configuration, to: live, schema: schema, force: force)
    }

    private func owners(_ object: JSON) -> [String: [String]] {
        let managed = ManagedFields(object[path: "metadata", "managedFields"]?.array ?? [])
        return Dictionary((managed?.entries ?? []).map { ("\($0.manager) \($0.operation.rawValue)", $0.fields.paths) }, uniquingKeysWith: +)
    }

    @Test func fieldsHaveTheFormOfKubernetes() throws {
        let object = try apply("m", deployment(containers(["name": "c", "image": "i", "args": ["x"], "ports": [["containerPort": 80]]]), labels: ["app": "a"]))
        #expect(object[path: "metadata", "managedFields"] == [[
            "manager": "m", "operation": "Apply", "apiVersion": "apps/v1", "time": "2026-01-02T03:04:05Z", "fieldsType": "FieldsV1",
            "fieldsV1": [
                "f:metadata": ["f:labels": ["f:app": [:]]],
                "f:spec": ["f:template": ["f:spec": ["f:containers": [
                    #"k:{"name":"c"}"#: [
                        ".": [:], "f:args": [:], "f:image": [:], "f:name": [:],
                        "f:ports": [#"k:{"containerPort":80,"protocol":"TCP"}"#: [".": [:], "f:containerPort": [:]]],
                    ],
                ]]]],
            ],
        ]])
        let read = try #require(ManagedFields(object[path: "metadata", "managedFields"]?.array ?? []))
        #expect(read.json == object[path: "metadata", "managedFields"])
    }

    @Test func anotherApplierConflicts() throws {
        let live = try apply("one", deployment(["replicas": 1, "paused": false]))
        #expect {
            try apply("two", deployment(["replicas": 2]), to: live)
        } throws: { error in
            let status = (error as? FieldManager.Conflicts)?.status
            return status?.code == 409 && status?.message == #"Apply failed with 1 conflict: conflict with "one": .spec.replicas"#
                && status?.details["causes"] == [["reason": "FieldManagerConflict", "message": #"conflict with "one""#, "field": ".spec.replicas"]]
        }
        let forced = try apply("two", deployment(["replicas": 2]), to: live, force: true)
        #expect(forced[path: "spec", "replicas"] == 2)
        #expect(owners(forced) == ["one Apply": [".spec.paused"], "two Apply": [".spec.replicas"]])
        // The same value is no conflict: both own it.
        let shared = try apply("three", deployment(["replicas": 2]), to: forced)
        #expect(owners(shared)["two Apply"] == [".spec.replicas"])
        #expect(owners(shared)["three Apply"] == [".spec.replicas"])
    }

    @Test func updatesConflictByTheirVersion() throws {
        var live = deployment(["replicas": 1])
        manager("kubectl-create").update(&live, from: nil, schema: schema)
        #expect {
            try apply("two", deployment(["replicas": 2, "paused": true]), to: live)
        } throws: { error in
            (error as? FieldManager.Conflicts)?.status.message
                == #"Apply failed with 1 conflict: conflict with "kubectl-create" using apps/v1: .spec.replicas"#
        }
        var changed = live
        changed["spec"]?["paused"] = true
        manager("editor").update(&changed, from: live, schema: schema)
        #expect {
            try apply("two", deployment(["replicas": 2, "paused": false]), to: changed)
        } throws: { error in
            (error as? FieldManager.Conflicts)?.status.message == """
                Apply failed with 2 conflicts: conflicts with "editor" using apps/v1:
                - .spec.paused
                conflicts with "kubectl-create" using apps/v1:
                - .spec.replicas
                """
        }
    }

    @Test func whatIsNoLongerAppliedGoes() throws {
        let live = try apply("one", deployment(containers(["name": "a", "image": "1", "tty": true], ["name": "b", "image": "2"]), labels: ["x": "1", "y": "2"]))
        let next = try apply("one", deployment(containers(["name": "a", "image": "3"]), labels: ["x": "1"]), to: live)
        #expect(next[path: "spec", "template", "spec", "containers"] == [["name": "a", "image": "3"]])
        #expect(next[path: "metadata", "labels"] == ["x": "1"])
    }

    @Test func whatOthersOwnOrNobodyDoesStays() throws {
        let live = try apply("one", deployment(containers(["name": "a", "image": "1"], ["name": "b", "image": "2"])))
        // The server's defaults belong to nobody.
        var defaulted = live
        defaulted["spec"]?["replicas"] = 1
        defaulted["spec"]?["template"]?["spec"]?["containers"] = [["name": "a", "image": "1", "tty": false], ["name": "b", "image": "2", "tty": false]]
        let shared = try apply("two", deployment(containers(["name": "b", "stdin": true])), to: defaulted)
        #expect(shared[path: "spec", "template", "spec", "containers"]
            == [["name": "a", "image": "1", "tty": false], ["name": "b", "image": "2", "tty": false, "stdin": true]])
        // `a` is gone with its defaults, `b` stays for its other owner, without what only the first one said.
        let next = try apply("one", deployment(["paused": true]), to: shared)
        #expect(next[path: "spec", "template", "spec", "containers"] == [["name": "b", "tty": false, "stdin": true]])
        #expect(next[path: "spec", "replicas"] == 1)
    }

    @Test func elementsKeepTheirPlaces() throws {
        var live = deployment(containers(["name": "server"], ["name": "a"], ["name": "b"]))
        manager("x").update(&live, from: nil, schema: schema)
        let merged = try apply("one", deployment(containers(["name": "b"], ["name": "new"], ["name": "a"])), to: live)
        #expect((merged[path: "spec", "template", "spec", "containers"]?.array ?? []).map { $0["name"] } == ["server", "b", "new", "a"])
    }

    @Test func updatesTakeOwnership() throws {
        var first = deployment(["replicas": 1], labels: ["a": "1"])
        manager("one").update(&first, from: nil, schema: schema)
        #expect(owners(first) == ["one Update": [".metadata.labels", ".metadata.labels.a", ".spec", ".spec.replicas"]])
        var second = first
        second["spec"]?["replicas"] = 2
        second["metadata"]?["labels"] = ["b": "2"]
        manager("two", after: 5).update(&second, from: first, schema: schema)
        #expect(owners(second) == ["one Update": [".metadata.labels", ".spec"], "two Update": [".metadata.labels.b", ".spec.replicas"]])
        // A client that leaves the list out does not mean to lose it.
        var third = second
        third["metadata"]?["managedFields"] = nil
        manager("two", after: 9).update(&third, from: second, schema: schema)
        #expect(third == second)
        // Nothing changed, so neither did the time.
        #expect(third[path: "metadata", "managedFields"]?[1]?["time"] == "2026-01-02T03:04:10Z")
        third["metadata"]?["managedFields"] = [[:]]
        manager("two").update(&third, from: second, schema: schema)
        #expect(third[path: "metadata", "managedFields"] == nil)
    }

    @Test func statusHasManagersOfItsOwn() throws {
        var live = deployment(["replicas": 1])
        manager("one").update(&live, from: nil, schema: schema)
        var changed = live
        changed["status"] = ["readyReplicas": 1]
        manager("one", subresource: "status").update(&changed, from: live, schema: schema)
        let entries = try #require(ManagedFields(changed[path: "metadata", "managedFields"]?.array ?? [])?.entries)
        #expect(entries.map(\.subresource) == ["", "status"])
        // An apply to the object owns no status, whatever it says.
        var configuration = deployment(["replicas": 1])
        configuration["status"] = ["readyReplicas": 7]
        #expect(owners(try apply("two", configuration))["two Apply"] == [".spec.replicas"])
    }

    @Test func objectsOfUnknownOriginHaveAnOwnerWhenTheyAreApplied() throws {
        let live = deployment(["replicas": 1])
        var changed = live
        changed["spec"]?["replicas"] = 2
        manager("x").update(&changed, from: live, schema: schema)
        #expect(changed[path: "metadata", "managedFields"] == nil)
        #expect { try apply("one", deployment(["replicas": 3]), to: changed) } throws: { error in
            (error as? FieldManager.Conflicts)?.status.message
                == #"Apply failed with 1 conflict: conflict with "before-first-apply" using apps/v1: .spec.replicas"#
        }
    }

    @Test func managersThatUpdateAreLimited() throws {
        var live = deployment(["replicas": 0])
        manager("m0").update(&live, from: nil, schema: schema)
        for number in 1...12 {
            var next = live
            var labels = next[path: "metadata", "labels"] ?? [:]
            labels["l\(number)"] = "x"
            next["metadata"]?["labels"] = labels
            manager("m\(number)", after: Int64(number)).update(&next, from: live, schema: schema)
            live = next
        }
        let entries = try #require(ManagedFields(live[path: "metadata", "managedFields"]?.array ?? [])?.entries)
        #expect(entries.count == 10)
        let ancient = try #require(entries.first { $0.manager == "ancient-changes" })
        #expect(ancient.fields.paths.contains(".spec.replicas"))
        #expect(entries.contains { $0.manager == "m12" })
    }
}
