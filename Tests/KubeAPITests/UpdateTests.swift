import JSONTree
import KubeAPI
import Testing

@Suite struct UpdateTests {
    private func stored(_ pod: JSON = Sample.pod()) throws -> JSON {
        let pods = try #require(Sample.definition)
        var pod = pod
        pods.applyDefaults(to: &pod)
        pods.prepareForCreate(&pod, namespace: "default", uid: "u1", now: Time(seconds: 0))
        return pod
    }

    private func update(_ old: JSON, _ change: (inout JSON) -> Void) throws -> (object: JSON, errors: [String]) {
        let pods = try #require(Sample.definition)
        var new = old
        change(&new)
        pods.prepareForUpdate(&new, from: old)
        return (new, pods.validateUpdate(new, from: old).map(\.description))
    }

    @Test func creationSetsWhatTheServerDecides() throws {
        var pod = Sample.pod()
        pod["status"] = ["phase": "Running"]
        pod["metadata"]?["uid"] = "mine"
        pod["metadata"]?["resourceVersion"] = "5"
        let result = try stored(pod)
        #expect(result["status"] == ["phase": "Pending", "qosClass": "BestEffort"])
        #expect(result["metadata"] == [
            "name": "web", "namespace": "default", "uid": "u1", "creationTimestamp": "1970-01-01T00:00:00Z", "generation": 1,
        ])
    }

    @Test func nodesRegisterWithTheirStatus() throws {
        let nodes = try #require(APIRegistry.builtIn.definition(apiVersion: "v1", kind: "Node"))
        var node: JSON = ["metadata": ["name": "n"], "status": ["capacity": ["cpu": "2"]]]
        nodes.prepareForCreate(&node, namespace: nil, uid: "u", now: Time(seconds: 0))
        #expect(node["status"] == ["capacity": ["cpu": "2"]])
    }

    static let classes: [(JSON, String)] = [
        ([:], "BestEffort"), (["requests": ["cpu": "1"]], "Burstable"), (["limits": ["cpu": "1", "memory": "1Gi"]], "Guaranteed"),
        (["limits": ["cpu": "1", "memory": "1Gi"], "requests": ["cpu": "500m"]], "Burstable"), (["limits": ["cpu": "1"]], "Burstable"),
    ]

    @Test(arguments: classes)
    func qualityOfService(resources: JSON, expected: String) throws {
        #expect(try stored(Sample.pod(container: "resources", resources))[path: "status", "qosClass"]?.string == expected)
    }

    @Test func imagesAndMetadataMayChange() throws {
        let old = try stored()
        let (pod, errors) = try update(old) { pod in
            pod["spec"]?["containers"]?.withArray { $0[0]["image"] = "nginx:2" }
            pod["spec"]?["tolerations"] = [["operator": "Exists"]]
            pod["metadata"]?["labels"] = ["a": "b"]
            pod["status"] = ["phase": "Failed"]
            pod["metadata"]?["generation"] = 77
            pod["metadata"]?["creationTimestamp"] = nil
        }
        #expect(errors == [])
        #expect(pod["status"] == old["status"])
        #expect(pod[path: "metadata", "generation"] == 2)
        #expect(pod[path: "metadata", "creationTimestamp"] == "1970-01-01T00:00:00Z")
    }

    @Test func theRestOfASpecMayNot() throws {
        let (_, errors) = try update(stored()) { pod in
            pod["spec"]?["containers"]?.withArray { $0[0]["command"] = ["x"] }
            pod["spec"]?["hostNetwork"] = true
        }
        #expect(errors == [
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\nchanged: spec.containers[0].command, spec.hostNetwork"
        ])
        #expect(try update(stored()) { $0["spec"]?["containers"]?.withArray { $0.append(["name": "b", "image": "c"]) } }.errors
            == ["spec.containers: Forbidden: pod updates may not add or remove containers"])
    }

    @Test func tolerationsOnlyGrow() throws {
        let old = try stored(Sample.pod(spec: "tolerations", [["key": "a", "operator": "Exists"]]))
        #expect(try update(old) { $0["spec"]?["tolerations"] = [] }.errors
            == ["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"])
    }

    @Test func identityIsImmutable() throws {
        #expect(try update(stored()) { $0["metadata"]?["uid"] = "other" }.errors == ["metadata.uid: Invalid value: \"other\": field is immutable"])
        #expect(try update(stored()) { $0["metadata"]?["name"] = "other" }.errors == ["metadata.name: Invalid value: \"other\": field is immutable"])
    }

    @Test func statusUpdatesKeepTheSpec() throws {
        let pods = try #require(Sample.definition)
        let old = try stored()
        var new = old
        new["status"] = ["phase": "Running"]
        new["spec"]?["nodeName"] = "elsewhere"
        new["metadata"]?["labels"] = ["a": "b"]
        pods.prepareForStatusUpdate(&new, from: old, now: Time(seconds: 0))
        #expect(new["spec"] == old["spec"])
        #expect(new["status"] == ["phase": "Running"])
        #expect(pods.validateStatusUpdate(new, from: old) == [])
        new["status"] = ["phase": "Jogging"]
        #expect(pods.validateStatusUpdate(new, from: old).map(\.field) == ["status.phase"])
    }

    @Test func immutableMapsStay() throws {
        let maps = try #require(APIRegistry.builtIn.definition(apiVersion: "v1", kind: "ConfigMap"))
        let old: JSON = ["metadata": ["name": "c", "namespace": "n"], "data": ["a": "b"], "immutable": true]
        var new = old
        #expect(maps.validateUpdate(new, from: old) == [])
        new["data"]?["a"] = "c"
        new["immutable"] = nil
        #expect(maps.validateUpdate(new, from: old).map(\.description) == [
            "immutable: Forbidden: field is immutable when `immutable` is set", "data: Forbidden: field is immutable when `immutable` is set",
        ])
    }

    @Test func generatedNamesFit() {
        var random = SystemRandomNumberGenerator()
        let name = GeneratedName.make(base: String(repeating: "a", count: 80), using: &random)
        #expect(name.count == 63)
        #expect(GeneratedName.make(base: "web-", using: &random).count == 9)
        #expect(ValueFormat.dnsLabel(GeneratedName.make(base: "web-", using: &random)) == [])
    }
}
