import JSONTree
import KubeAPI
import Testing

@Suite struct OtherKindsValidationTests {
    private func errors(_ kind: String, _ object: JSON, apiVersion: String = "v1") throws -> [String] {
        let definition = try #require(APIRegistry.builtIn.definition(apiVersion: apiVersion, kind: kind))
        var object = try definition.decode(object).object
        definition.applyDefaults(to: &object)
        return definition.validate(object).map(\.description)
    }

    static let cases: [(String, JSON, [String])] = [
        ("ConfigMap", ["metadata": ["name": "a", "namespace": "n"], "data": ["k": "v"]], []),
        ("ConfigMap", ["metadata": ["namespace": "n"]], ["metadata.name: Required value: name or generateName is required"]),
        ("ConfigMap", ["metadata": ["name": "a"]], ["metadata.namespace: Required value"]),
        ("ConfigMap", ["metadata": ["name": "a", "namespace": "n"], "data": ["..": ""]], ["data[..]: Invalid value: \"..\": must not be '..'"]),
        ("ConfigMap", ["metadata": ["name": "a", "namespace": "n"], "data": ["a": ""], "binaryData": ["a": ""]],
         ["data[a]: Invalid value: \"a\": duplicate of key present in binaryData"]),
        ("ConfigMap", ["metadata": ["name": "a", "namespace": "n"], "data": ["a": .string(String(repeating: "x", count: 1 << 20 + 1))]],
         [": Too long: may not be more than 1048576 bytes"]),
        ("Secret", ["metadata": ["name": "a", "namespace": "n"], "type": "kubernetes.io/tls", "data": ["tls.crt": ""]], ["data[tls.key]: Required value"]),
        ("Namespace", ["metadata": ["name": "a", "namespace": "n"]], ["metadata.namespace: Forbidden: not allowed on this type"]),
        ("Node", ["metadata": ["name": "a"], "spec": ["taints": [["key": "a", "effect": "Never"]]]],
         ["spec.taints[0].effect: Unsupported value: \"Never\": supported values: \"NoExecute\", \"NoSchedule\", \"PreferNoSchedule\""]),
        ("Node", ["metadata": ["name": "a"], "spec": ["taints": [["key": "a"]]]], ["spec.taints[0].effect: Required value"]),
        ("Event", ["metadata": ["name": "a", "namespace": "n"], "involvedObject": ["namespace": "m"]],
         ["involvedObject.namespace: Invalid value: \"m\": does not match event.namespace"]),
        ("Binding", ["metadata": ["name": "a", "namespace": "n"], "target": ["kind": "Node"]], ["target.name: Required value"]),
        ("ServiceAccount", ["metadata": ["name": "a", "namespace": "n", "labels": ["a/b/c": "v", "ok": "no spaces here"]]], [
            "metadata.labels: Invalid value: \"a/b/c\": a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
            "metadata.labels[ok]: Invalid value: \"no spaces here\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ]),
        ("ServiceAccount", ["metadata": ["name": "a", "namespace": "n", "ownerReferences": [["kind": "Pod", "name": "p", "uid": "u"]]]],
         ["metadata.ownerReferences[0].apiVersion: Invalid value: \"\": version must not be empty"]),
    ]

    @Test(arguments: cases)
    func validates(kind: String, object: JSON, expected: [String]) throws {
        #expect(try errors(kind, object) == expected)
    }

    @Test func leases() throws {
        let lease: JSON = ["metadata": ["name": "a", "namespace": "n"], "spec": ["leaseDurationSeconds": 0, "holderIdentity": ""]]
        #expect(try errors("Lease", lease, apiVersion: "coordination.k8s.io/v1") == [
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than or equal to 1", "spec.holderIdentity: Invalid value: \"\": must not be empty",
        ])
    }

    @Test func statusErrorsHaveKubernetesWords() {
        let pods = ResourceReference(group: "", version: "v1", resource: "pods", kind: "Pod", namespaced: true)
        let leases = ResourceReference(group: "coordination.k8s.io", version: "v1", resource: "leases", kind: "Lease", namespaced: true)
        #expect(StatusError.notFound(pods, name: "a").message == "pods \"a\" not found")
        #expect(StatusError.alreadyExists(leases, name: "a").message == "leases.coordination.k8s.io \"a\" already exists")
        #expect(StatusError.notFound(leases, name: "a").json == [
            "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure", "message": "leases.coordination.k8s.io \"a\" not found",
            "reason": "NotFound", "details": ["name": "a", "group": "coordination.k8s.io", "kind": "leases"], "code": 404,
        ])
        #expect(StatusError.invalid(leases, name: "a", [.required(.spec)]).message == "Lease.coordination.k8s.io \"a\" is invalid: spec: Required value")
    }
}
