import JSONTree
import KubeTypes
import Testing
@testable import Kubelet

@Suite("resolv.conf of pods")
struct ResolvConfTests {
    static let host = "# made by the host\nnameserver 192.0.2.53\nnameserver 192.0.2.54\nsearch example.com corp.example.com\noptions rotate timeout:1\n"

    static func text(_ spec: [String: JSON], clusterDNS: [String] = ["10.96.0.10"]) throws -> String {
        var json: JSON = ["metadata": ["name": "p", "namespace": "shop", "uid": "u"], "spec": ["containers": [["name": "c", "image": "i"]]]]
        for (key, value) in spec { json["spec"]?[key] = value }
        let configuration = KubeletConfiguration(nodeName: "n", nodeAddresses: [], clusterDNS: clusterDNS)
        return ManagedFiles(manifest: PodManifest(try Pod(json: json)), addresses: [], configuration: configuration).resolvConf(nodeResolvers: host)
    }

    static let cluster = "search shop.svc.cluster.local svc.cluster.local cluster.local example.com corp.example.com\nnameserver 10.96.0.10\noptions ndots:5\n"
    static let ofTheHost = "search example.com corp.example.com\nnameserver 192.0.2.53\nnameserver 192.0.2.54\noptions rotate timeout:1\n"

    @Test("each policy")
    func policies() throws {
        #expect(try Self.text([:]) == Self.cluster)
        #expect(try Self.text(["dnsPolicy": "ClusterFirst"]) == Self.cluster)
        #expect(try Self.text(["dnsPolicy": "ClusterFirst", "hostNetwork": true]) == Self.ofTheHost)
        #expect(try Self.text(["dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": true]) == Self.cluster)
        #expect(try Self.text(["dnsPolicy": "Default"]) == Self.ofTheHost)
        // A node without the cluster's DNS.
        #expect(try Self.text([:], clusterDNS: []) == Self.ofTheHost)
    }

    @Test("what the pod adds itself")
    func wishes() throws {
        let wishes: JSON = [
            "nameservers": ["1.1.1.1", "10.96.0.10"], "searches": ["my.org", "cluster.local"],
            "options": [["name": "ndots", "value": "2"], ["name": "edns0"]],
        ]
        #expect(try Self.text(["dnsPolicy": "None", "dnsConfig": wishes]) == "search my.org cluster.local\nnameserver 1.1.1.1\nnameserver 10.96.0.10\noptions ndots:2 edns0\n")
        #expect(try Self.text(["dnsConfig": wishes])
            == "search shop.svc.cluster.local svc.cluster.local cluster.local example.com corp.example.com my.org\nnameserver 10.96.0.10\nnameserver 1.1.1.1\noptions ndots:2 edns0\n")
    }

    @Test("no more than resolvers read: three servers, 32 search paths in 2048 characters")
    func limits() throws {
        let many: JSON = ["nameservers": .array((1...5).map { .string("192.0.2.\($0)") }), "searches": .array((0..<40).map { .string("s\($0).org") })]
        let lines = try Self.text(["dnsPolicy": "None", "dnsConfig": many]).split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("nameserver") }.count == 3)
        #expect(lines[0].split(separator: " ").count == 33)
        let long: JSON = ["nameservers": ["192.0.2.1"], "searches": .array((0..<20).map { .string("\($0)" + String(repeating: "x", count: 200) + ".org") })]
        let search = try Self.text(["dnsPolicy": "None", "dnsConfig": long]).split(separator: "\n")[0].dropFirst("search ".count)
        #expect(search.count <= 2048 && search.split(separator: " ").count == 9)
    }
}
