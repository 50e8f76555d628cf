import JSONTree
import KubeAPI
import Testing

/// A pod that is right, to be made wrong in one place.
enum Sample {
    static let definition = APIRegistry.builtIn.definition(group: "", version: "v1", resource: "pods")

    static func pod(_ change: (inout JSON) -> Void = { _ in }) -> JSON {
        var pod: JSON = [
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "web", "namespace": "default"],
            "spec": ["containers": [["name": "main", "image": "nginx"]]],
        ]
        change(&pod)
        return pod
    }

    /// The pod with a member of its spec set.
    static func pod(spec key: String, _ value: JSON) -> JSON { pod { $0["spec"]?[key] = value } }

    /// The pod with a member of its container set.
    static func pod(container key: String, _ value: JSON) -> JSON {
        pod { pod in
            pod["spec"]?["containers"]?.withArray { $0[0][key] = value }
        }
    }
}

@Suite struct DecodingTests {
    let pods = Sample.definition

    @Test func keepsWhatItKnows() throws {
        let pods = try #require(pods)
        let (object, warnings) = try pods.decode(Sample.pod())
        #expect(object == Sample.pod())
        #expect(warnings == [])
    }

    @Test func setsKindAndVersion() throws {
        let pods = try #require(pods)
        var pod = Sample.pod()
        pod["kind"] = nil
        pod["apiVersion"] = nil
        #expect(try pods.decode(pod).object["kind"] == "Pod")
        pod["kind"] = "Node"
        #expect { try pods.decode(pod) } throws: { ($0 as? StatusError)?.code == 400 }
    }

    @Test(arguments: [("hostNetwork", false), ("hostname", ""), ("nodeSelector", [:]), ("tolerations", [])] as [(String, JSON)])
    func whatSaysNothingIsAbsent(field: String, value: JSON) throws {
        let pods = try #require(pods)
        #expect(try pods.decode(Sample.pod(spec: field, value)).object == Sample.pod())
    }

    @Test(arguments: [("hostUsers", false), ("automountServiceAccountToken", false), ("runtimeClassName", ""), ("priority", 0), ("securityContext", [:])] as [(String, JSON)])
    func whatIsAPointerUpstreamKeepsItsZero(field: String, value: JSON) throws {
        let pods = try #require(pods)
        #expect(try pods.decode(Sample.pod(spec: field, value)).object["spec"]?[field] == value)
    }

    @Test func aZeroOfARequiredFieldStays() throws {
        let sets = try #require(APIRegistry.builtIn.definition(group: "apps", version: "v1", resource: "replicasets"))
        let set: JSON = ["apiVersion": "apps/v1", "kind": "ReplicaSet", "status": ["replicas": 0, "readyReplicas": 0]]
        #expect(try sets.decode(set).object["status"] == ["replicas": 0])
    }

    @Test func findsUnknownFields() throws {
        let pods = try #require(pods)
        var pod = Sample.pod(container: "imagee", "x")
        pod["spec"]?["foo"] = ["deep": 1]
        let expected = ["unknown field \"spec.containers[0].imagee\"", "unknown field \"spec.foo\"", "duplicate field \"spec.x\""]
        let (object, warnings) = try pods.decode(pod, duplicates: ["spec.x"], fieldValidation: .warn)
        #expect(warnings.sorted() == expected.sorted())
        #expect(object == Sample.pod())
        #expect(try pods.decode(pod, fieldValidation: .ignore).warnings == [])
        #expect {
            try pods.decode(Sample.pod(spec: "foo", 1), duplicates: ["spec.x"], fieldValidation: .strict)
        } throws: { error in
            "\(error)" == "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"spec.foo\", "
                + "duplicate field \"spec.x\""
        }
    }

    static let mismatches: [(JSON, String)] = [
        (Sample.pod(spec: "containers", "x"), "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container"),
        (Sample.pod(container: "ports", "80"), "json: cannot unmarshal string into Go struct field Container.spec.containers.ports of type []v1.ContainerPort"),
        (Sample.pod(container: "ports", [["containerPort": "80"]]),
         "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"),
        (Sample.pod(container: "ports", [["containerPort": 3_000_000_000]]),
         "json: cannot unmarshal number 3000000000 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"),
        (Sample.pod(spec: "hostNetwork", "yes"), "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool"),
        (Sample.pod { $0["metadata"]?["labels"] = ["a": 1] }, "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"),
        (Sample.pod(container: "command", [1]), "json: cannot unmarshal number into Go struct field Container.spec.containers.command of type string"),
        (Sample.pod(container: "resources", ["limits": ["cpu": "lots"]]),
         "spec.containers[0].resources.limits[cpu]: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
        (Sample.pod(container: "livenessProbe", ["httpGet": ["port": 1.5]]),
         "json: cannot unmarshal number 1.5 into Go struct field HTTPGetAction.spec.containers.livenessProbe.httpGet.port of type int32"),
    ]

    @Test(arguments: mismatches)
    func namesWrongTypes(pod: JSON, message: String) throws {
        let pods = try #require(pods)
        #expect { try pods.decode(pod) } throws: { error in
            "\(error)" == "Pod in version \"v1\" cannot be handled as a Pod: \(message)" && (error as? StatusError)?.code == 400
        }
    }

    @Test func writesCanonicalForms() throws {
        let pods = try #require(pods)
        var pod = Sample.pod(container: "resources", ["limits": ["cpu": 0.5, "memory": "1024Mi"]])
        pod["metadata"]?["creationTimestamp"] = .null
        pod["spec"]?["nodeName"] = .null
        pod["status"] = ["startTime": "2026-01-02T05:04:05+02:00"]
        let object = try pods.decode(pod).object
        #expect(object["spec"]?["containers"]?[0]?[path: "resources", "limits"] == ["cpu": "500m", "memory": "1Gi"])
        #expect(object[path: "status", "startTime"] == "2026-01-02T03:04:05Z")
        #expect(object["metadata"]?.object?.contains("creationTimestamp") == false)
        #expect(object["spec"]?.object?.contains("nodeName") == false)
    }

    @Test func nullElementsAreZero() throws {
        let pods = try #require(pods)
        let object = try pods.decode(Sample.pod(container: "args", ["a", nil])).object
        #expect(object["spec"]?["containers"]?[0]?["args"] == ["a", ""])
    }
}
