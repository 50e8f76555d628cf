import JSONTree
import KubeAPI
import KubeTypes
import Testing

@testable import Controllers

/// The DNS Service's slices, decided from the nodes.
@Suite struct ClusterDNSServiceTests {
    let dns = ClusterDNSService(clusterIP: "10.96.0.10", nodePort: 10053)

    func node(_ name: String, _ addresses: [String], ready: String = "True") throws -> Node {
        try Node(json: [
            "metadata": ["name": .string(name)],
            "status": [
                "addresses": .array(addresses.map { ["type": "InternalIP", "address": .string($0)] } + [["type": "Hostname", "address": .string(name)]]),
                "conditions": [["type": "Ready", "status": .string(ready)]],
            ],
        ])
    }

    func slice(_ json: JSON?) throws -> EndpointSlice { try EndpointSlice(json: try #require(json)) }

    @Test("every node is an endpoint on the high port, with a hint for itself; a silent one is not ready")
    func endpoints() throws {
        let slices = dns.slices([try node("b", ["192.0.2.2", "192.0.2.3"], ready: "Unknown"), try node("a", ["192.0.2.1", "fd00::1"])])
        #expect(Set(slices.keys) == ["kube-dns-ipv4", "kube-dns-ipv6"])
        let four = try slice(slices["kube-dns-ipv4"])
        #expect(four.endpoints.map(\.addresses) == [["192.0.2.1"], ["192.0.2.2"]])
        #expect(four.endpoints.map { $0.conditions?.ready } == [true, false])
        #expect(four.endpoints.map { $0.hints?.forNodes.map(\.name) } == [["a"], ["b"]])
        #expect(four.ports.map(\.port) == [10053, 10053] && four.ports.map(\.name) == ["dns", "dns-tcp"])
        #expect(four.metadata.labels["kubernetes.io/service-name"] == "kube-dns")
        #expect(try slice(slices["kube-dns-ipv6"]).endpoints.map(\.addresses) == [["fd00::1"]])
    }

    @Test("only differences are written")
    func changes() throws {
        let nodes = [try node("a", ["192.0.2.1"])]
        guard case .create(let json)? = dns.changes(from: [], to: nodes).first else { throw KubeValueMissing() }
        let existing = try slice(json)
        #expect(dns.changes(from: [existing], to: nodes) == [])
        let later = nodes + [try node("b", ["192.0.2.2"])]
        let changes = dns.changes(from: [existing], to: later)
        guard case .patch("kube-dns-ipv4", let patch)? = changes.first, changes.count == 1 else { throw KubeValueMissing() }
        #expect(patch["endpoints"]?.array?.count == 2)
        // The last node goes, or somebody serves DNS himself.
        #expect(dns.changes(from: [existing], to: []) == [.delete(name: "kube-dns-ipv4")])
        // A node that is being deleted is nobody's server any more.
        var leaving = try node("a", ["192.0.2.1"]).json
        leaving["metadata"]?["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        #expect(dns.slices([try Node(json: leaving)]).isEmpty)
    }

    @Test("a slice holds a thousand endpoints at most")
    func many() throws {
        let nodes = try (0..<1001).map { try node("n\($0)", ["10.0.\($0 / 250).\($0 % 250 + 1)"]) }
        let slices = dns.slices(nodes)
        #expect(slices.mapValues { $0["endpoints"]?.array?.count } == ["kube-dns-ipv4": 1000, "kube-dns-ipv4-2": 1])
    }

    struct KubeValueMissing: Error {}
}
