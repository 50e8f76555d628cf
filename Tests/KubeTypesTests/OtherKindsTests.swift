import JSONTree
import KubeAPI
import KubeTypes
import Testing

@Suite struct OtherKindsTests {
    @Test func secretsHoldBytes() throws {
        let secret = try Secret(json: ["metadata": ["name": "s"], "data": ["k": "aGVsbG8="], "type": "Opaque"])
        #expect(secret.data["k"] == Array("hello".utf8))
        #expect(secret.json["data"] == ["k": "aGVsbG8="])
        #expect { try Secret(json: ["data": ["k": "a"]]) } throws: { "\($0)".hasPrefix("data.k: illegal base64") }
    }

    @Test func leasesHaveMicroseconds() throws {
        let lease = try Lease(json: ["metadata": ["name": "n"], "spec": ["renewTime": "2026-01-02T03:04:05.678901Z", "leaseDurationSeconds": 40]])
        #expect(lease.spec.renewTime?.time.nanoseconds == 678_901_000)
        #expect(lease.json[path: "spec", "renewTime"] == "2026-01-02T03:04:05.678901Z")
        #expect(lease.json["apiVersion"] == "coordination.k8s.io/v1")
    }

    @Test func resourcesKnowTheirPaths() {
        #expect(Pod.resource.path(namespace: "a", name: "b", subresource: "status") == "/api/v1/namespaces/a/pods/b/status")
        #expect(Lease.resource.path() == "/apis/coordination.k8s.io/v1/leases")
        #expect(Node.resource.path(namespace: nil, name: "n") == "/api/v1/nodes/n")
        #expect(EventsEvent.resource.apiVersion == "events.k8s.io/v1")
    }

    @Test func listsAreTyped() throws {
        let list = try ObjectList<ConfigMap>(json: [
            "kind": "ConfigMapList", "metadata": ["resourceVersion": "7"], "items": [["metadata": ["name": "a"], "data": ["x": "y"]]],
        ])
        #expect(list.metadata.resourceVersion == "7")
        #expect(list.items.map(\.name) == ["a"])
        #expect(list.items[0].data == ["x": "y"])
        #expect(list.json["kind"] == "ConfigMapList")
    }

    @Test func daemonEndpointsKeepTheirCapital() {
        let node = Node(with: { $0.status.daemonEndpoints = NodeDaemonEndpoints(kubeletEndpoint: DaemonEndpoint(port: 10250)) })
        #expect(node.json[path: "status", "daemonEndpoints", "kubeletEndpoint", "Port"] == 10250)
    }
}
