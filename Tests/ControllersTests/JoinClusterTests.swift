import ClusterTrust
import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Testing

@testable import Controllers

/// What nodes that join find, and what they are given.
@Suite(.timeLimit(.minutes(2))) struct JoinClusterTests {
    private let configuration = ClusterConfiguration(
        server: "https://192.0.2.1:6443", authority: "-----BEGIN CERTIFICATE-----\n", serviceRange: "10.96.0.0/16", podRange: "10.244.0.0/16",
        domain: "cluster.local", dns: "10.96.0.10")

    private func token(_ text: String = "abcdef.0123456789abcdef", expiration: Time? = nil, signs: Bool = true) throws -> BootstrapTokenSecret {
        BootstrapTokenSecret(token: try BootstrapToken(text), expiration: expiration, signs: signs)
    }

    private func create(_ cluster: TestCluster, _ token: BootstrapTokenSecret) async throws {
        _ = try await cluster.client.create(Secret.resource, namespace: "kube-system", token.secret)
    }

    private func clusterInfo(_ cluster: TestCluster, until holds: (ConfigMap) -> Bool) async throws -> ConfigMap {
        try await cluster.wait(ConfigMap.self, named: "cluster-info", in: "kube-public", until: holds)
    }

    @Test("cluster-info is signed by every token, for as long as there is one, and again when it changes")
    func signatures() async throws {
        try await TestCluster.run(configuration: configuration) { cluster in
            try await create(cluster, try token())
            try await create(cluster, try token("ghijkl.0123456789abcdef", signs: false))
            let map = try await clusterInfo(cluster) { $0.data["jws-kubeconfig-abcdef"] != nil }
            let kubeconfig = try #require(map.data["kubeconfig"])
            #expect(DetachedSignature.isValid(map.data["jws-kubeconfig-abcdef"] ?? "", of: kubeconfig, try BootstrapToken("abcdef.0123456789abcdef")))
            #expect(map.data["jws-kubeconfig-ghijkl"] == nil)
            #expect(kubeconfig.contains("    server: https://192.0.2.1:6443\n"))

            // Somebody's change is undone, and what was signed for it as well.
            try await cluster.patch(ConfigMap.resource, "cluster-info", namespace: "kube-public", ["data": ["kubeconfig": "evil"]])
            _ = try await clusterInfo(cluster) { $0.data["kubeconfig"] == kubeconfig && $0.data["jws-kubeconfig-abcdef"] == map.data["jws-kubeconfig-abcdef"] }
            try await cluster.delete(ConfigMap.resource, "cluster-info", namespace: "kube-public")
            _ = try await clusterInfo(cluster) { $0.uid != map.uid && $0.data["jws-kubeconfig-abcdef"] == map.data["jws-kubeconfig-abcdef"] }

            try await cluster.delete(Secret.resource, "bootstrap-token-abcdef", namespace: "kube-system")
            let left = try await clusterInfo(cluster) { $0.data["jws-kubeconfig-abcdef"] == nil }
            #expect(left.data.keys.sorted() == ["kubeconfig"])
        }
    }

    @Test("an expired token signs nothing, and is removed")
    func expiration() async throws {
        let time = TestClock()
        try await TestCluster.run(clock: time.clock(realBelow: .seconds(5)), configuration: configuration) { cluster in
            try await create(cluster, try token(expiration: start + .seconds(3600)))
            try await create(cluster, try token("ghijkl.0123456789abcdef"))
            _ = try await clusterInfo(cluster) { $0.data["jws-kubeconfig-abcdef"] != nil && $0.data["jws-kubeconfig-ghijkl"] != nil }
            await time.sleeper(for: .seconds(3600))
            time.advance(.seconds(3600))
            await cluster.wait(Secret.self, in: "kube-system") { $0.map(\.name) == ["bootstrap-token-ghijkl"] }
            _ = try await clusterInfo(cluster) { $0.data["jws-kubeconfig-abcdef"] == nil && $0.data["jws-kubeconfig-ghijkl"] != nil }
        }
    }

    @Test("kubeadm's documents are there, come back, and are the operator's to change")
    func documents() async throws {
        try await TestCluster.run(configuration: configuration) { cluster in
            func wait(_ name: String, _ holds: (ConfigMap) -> Bool) async throws -> ConfigMap {
                try await cluster.wait(ConfigMap.self, named: name, in: "kube-system", until: holds)
            }
            let kubeadm = try await wait("kubeadm-config") { _ in true }
            #expect(kubeadm.data["ClusterConfiguration"]?.contains("controlPlaneEndpoint: 192.0.2.1:6443\n") == true)
            #expect(kubeadm.data["ClusterConfiguration"]?.contains("  podSubnet: 10.244.0.0/16\n") == true)
            let kubelet = try await wait("kubelet-config") { _ in true }
            #expect(kubelet.data["kubelet"]?.contains("\nclusterDNS:\n- 10.96.0.10\nclusterDomain: cluster.local\n") == true)
            try await cluster.patch(ConfigMap.resource, "kubelet-config", namespace: "kube-system", ["data": ["kubelet": "mine"]])
            try await cluster.delete(ConfigMap.resource, "kubeadm-config", namespace: "kube-system")
            _ = try await wait("kubeadm-config") { $0.uid != kubeadm.uid }
            #expect(try await cluster.client.get(ConfigMap.self, namespace: "kube-system", name: "kubelet-config").data["kubelet"] == "mine")
        }
    }

    @Test("each node gets addresses of its own for its pods; what it brings is kept, what it leaves is free")
    func nodeRanges() async throws {
        try await TestCluster.run(nodeRanges: try NodeRanges(cluster: "10.244.0.0/22")) { cluster in
            func create(_ name: String, _ range: String? = nil) async throws {
                var node: JSON = ["apiVersion": "v1", "kind": "Node", "metadata": ["name": .string(name)]]
                if let range { node["spec"] = ["podCIDR": .string(range), "podCIDRs": [.string(range)]] }
                _ = try await cluster.client.create(Node.resource, node)
            }
            func ranges(_ expected: [String: String]) async {
                await cluster.wait(Node.self) { nodes in Dictionary(uniqueKeysWithValues: nodes.map { ($0.name, $0.spec.podCIDR ?? "") }) == expected }
            }
            try await create("a", "10.244.1.0/24")
            try await create("b")
            try await create("c")
            await cluster.wait(Node.self) { nodes in nodes.allSatisfy { $0.spec.podCIDR != nil } && nodes.count == 3 }
            let found = try await cluster.client.list(Node.self).items
            #expect(Set(found.compactMap(\.spec.podCIDR)) == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"])
            #expect(found.first { $0.name == "a" }?.spec.podCIDR == "10.244.1.0/24")
            try await create("d")
            await cluster.wait(Node.self) { nodes in nodes.contains { $0.name == "d" && $0.spec.podCIDR == "10.244.3.0/24" } }
            // Nothing is left for the next one until somebody goes.
            try await create("e")
            await cluster.wait(Event.self) { events in events.contains { $0.reason == "CIDRNotAvailable" && $0.message == "Node e status is now: CIDRNotAvailable" } }
            try await cluster.delete(Node.resource, "a", namespace: nil)
            await cluster.wait(Node.self) { nodes in nodes.contains { $0.name == "e" && $0.spec.podCIDR == "10.244.1.0/24" } }
        }
    }

    @Test func rangesAreEqualPartsThatTouchNothingInUse() throws {
        let ranges = try NodeRanges(cluster: "10.244.0.0/16")
        #expect(ranges.free(used: [String]()) == "10.244.0.0/24")
        #expect(ranges.free(used: ["10.244.0.0/24", "10.244.1.0/24", "10.244.3.0/24"]) == "10.244.2.0/24")
        #expect(ranges.free(used: ["10.244.0.0/23", "10.244.2.128/25", "nonsense", "fd00::/64"]) == "10.244.3.0/24")
        #expect(try NodeRanges(cluster: "10.0.0.0/24").free(used: ["10.0.0.0/26"]) == nil)
        #expect(try NodeRanges(cluster: "10.0.0.0/24", length: 26).free(used: ["10.0.0.0/26"]) == "10.0.0.64/26")
        for wrong in ["", "10.0.0.0", "10.0.0.0/25", "fd00::/48"] { #expect(throws: NodeRangeError.self) { try NodeRanges(cluster: wrong) } }
    }
}
