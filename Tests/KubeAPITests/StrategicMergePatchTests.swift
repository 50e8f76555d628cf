import JSONTree
import KubeAPI
import Testing

@Suite struct StrategicMergePatchTests {
    private func apply(_ patch: JSON, to object: JSON) throws -> JSON {
        try PatchType.strategicMerge.apply(patch, to: object, schema: #require(Sample.definition).schema)
    }

    /// (spec before, patch of the spec, spec after)
    static let cases: [(String, JSON, JSON, JSON)] = [
        ("lists of maps merge by their key",
         ["containers": [["name": "a", "image": "1", "args": ["x"]], ["name": "b", "image": "2"]]],
         ["containers": [["name": "b", "image": "3"], ["name": "c", "image": "4"]]],
         ["containers": [["name": "a", "image": "1", "args": ["x"]], ["name": "b", "image": "3"], ["name": "c", "image": "4"]]]),
        ("atomic lists are replaced", ["containers": [["name": "a", "args": ["x", "y"]]]], ["containers": [["name": "a", "args": ["z"]]]],
         ["containers": [["name": "a", "args": ["z"]]]]),
        ("null deletes", ["nodeName": "n", "hostNetwork": true], ["nodeName": nil, "hostname": nil], ["hostNetwork": true]),
        ("maps merge", ["nodeSelector": ["a": "1", "b": "2"]], ["nodeSelector": ["a": nil, "c": "3"]], ["nodeSelector": ["b": "2", "c": "3"]]),
        ("an element is deleted", ["containers": [["name": "a"], ["name": "b"]]], ["containers": [["$patch": "delete", "name": "a"]]], ["containers": [["name": "b"]]]),
        ("a list is replaced", ["containers": [["name": "a"], ["name": "b"]]], ["containers": [["name": "c"], ["$patch": "replace"]]], ["containers": [["name": "c"]]]),
        ("a map is replaced", ["securityContext": ["runAsUser": 1]], ["securityContext": ["$patch": "replace", "fsGroup": 2]], ["securityContext": ["fsGroup": 2]]),
        ("a map is emptied", ["securityContext": ["runAsUser": 1]], ["securityContext": ["$patch": "delete"]], ["securityContext": [:]]),
        ("the order is set",
         ["containers": [["name": "a"], ["name": "b"], ["name": "c"]]], ["$setElementOrder/containers": [["name": "c"], ["name": "a"], ["name": "b"]]],
         ["containers": [["name": "c"], ["name": "a"], ["name": "b"]]]),
        ("elements of the server keep their place",
         ["containers": [["name": "a"], ["name": "server"], ["name": "b"]]],
         ["$setElementOrder/containers": [["name": "a"], ["name": "b"], ["name": "new"]], "containers": [["name": "new", "image": "i"]]],
         ["containers": [["name": "a"], ["name": "server"], ["name": "b"], ["name": "new", "image": "i"]]]),
        ("retainKeys drops the others",
         ["volumes": [["name": "v", "emptyDir": [:]]]], ["volumes": [["name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": ["path": "/x"]]]],
         ["volumes": [["name": "v", "hostPath": ["path": "/x"]]]]),
        ("new content has no directives", [:], ["volumes": [["name": "v", "$retainKeys": ["name", "emptyDir"], "emptyDir": ["medium": nil]]]],
         ["volumes": [["name": "v", "emptyDir": [:]]]]),
        ("ports merge by container port",
         ["containers": [["name": "a", "ports": [["containerPort": 80, "protocol": "TCP"]]]]],
         ["containers": [["name": "a", "ports": [["containerPort": 80, "name": "http"], ["containerPort": 81]]]]],
         ["containers": [["name": "a", "ports": [["containerPort": 80, "protocol": "TCP", "name": "http"], ["containerPort": 81]]]]]),
        ("a type may change", ["nodeSelector": ["a": "b"]], ["nodeSelector": "x"], ["nodeSelector": "x"]),
        ("environment by name", ["containers": [["name": "a", "env": [["name": "A", "value": "1"], ["name": "B", "value": "2"]]]]],
         ["containers": [["name": "a", "env": [["name": "B", "value": nil, "valueFrom": ["fieldRef": ["fieldPath": "metadata.name"]]], ["name": "A", "$patch": "delete"]]]]],
         ["containers": [["name": "a", "env": [["name": "B", "valueFrom": ["fieldRef": ["fieldPath": "metadata.name"]]]]]]]),
    ]

    @Test(arguments: cases)
    func applies(title: String, before: JSON, patch: JSON, after: JSON) throws {
        #expect(try apply(["spec": patch], to: ["spec": before]) == ["spec": after], "\(title)")
    }

    @Test func primitivesAreSets() throws {
        let object: JSON = ["metadata": ["finalizers": ["a", "b"]]]
        #expect(try apply(["metadata": ["finalizers": ["b", "c"]]], to: object) == ["metadata": ["finalizers": ["a", "b", "c"]]])
        #expect(try apply(["metadata": ["$deleteFromPrimitiveList/finalizers": ["a"]]], to: object) == ["metadata": ["finalizers": ["b"]]])
        #expect(try apply(["metadata": ["$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["c", "b"], "finalizers": ["c"]]], to: object)
            == ["metadata": ["finalizers": ["c", "b"]]])
    }

    @Test func whatKubectlApplySends() throws {
        let live: JSON = [
            "metadata": ["name": "web", "annotations": ["kubectl.kubernetes.io/last-applied-configuration": "old"]],
            "spec": ["containers": [["name": "main", "image": "nginx:1", "terminationMessagePath": "/dev/termination-log"]], "restartPolicy": "Always"],
        ]
        let patch: JSON = [
            "metadata": ["annotations": ["kubectl.kubernetes.io/last-applied-configuration": "new"]],
            "spec": ["$setElementOrder/containers": [["name": "main"]], "containers": [["name": "main", "image": "nginx:2"]]],
        ]
        #expect(try apply(patch, to: live) == [
            "metadata": ["name": "web", "annotations": ["kubectl.kubernetes.io/last-applied-configuration": "new"]],
            "spec": ["containers": [["name": "main", "image": "nginx:2", "terminationMessagePath": "/dev/termination-log"]], "restartPolicy": "Always"],
        ])
    }

    static let refusals: [(JSON, String)] = [
        (["spec": ["containers": [["image": "x"]]]], "map: {\"image\":\"x\"} does not contain declared merge key: name"),
        (["spec": ["$patch": "explode"]], "unknown patch type found: \"explode\""),
        (["spec": ["volumes": [["name": "v", "$retainKeys": ["name"], "emptyDir": [:]]]]],
         "expected $retainKeys to list all members of the patch, found \"emptyDir\" missing"),
        ([1], "expected a strategic merge patch to be an object, found array"),
    ]

    @Test(arguments: refusals)
    func refuses(patch: JSON, message: String) {
        #expect { try apply(patch, to: Sample.pod()) } throws: { "\($0)" == message }
    }
}
