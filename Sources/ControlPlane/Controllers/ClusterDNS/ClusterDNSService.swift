import JSONTree
import KubeAPI
import KubeTypes

/// The cluster's DNS as other parts see it: an ordinary Service without a selector, and slices that list every node. Pure.
///
/// Every agent serves DNS on the same high port of its node. An endpoint's hint names its own node, so that questions stay there.
public struct ClusterDNSService: Sendable, Hashable {
    static let namespace = "kube-system"
    static let name = "kube-dns"
    /// What tells our slices from those that somebody else made for the Service.
    static let manager = "cluster-dns.swiftlet"
    /// An EndpointSlice holds at most so many endpoints (API validation).
    static let sliceLimit = 1000

    /// The cluster IP, the first one of which the Service gets for good.
    public var clusterIP: String
    /// The port that every agent serves on.
    public var nodePort: Int

    public init(clusterIP: String = "10.96.0.10", nodePort: Int = 10053) { (self.clusterIP, self.nodePort) = (clusterIP, nodePort) }

    var service: JSON {
        [
            "apiVersion": "v1", "kind": "Service",
            "metadata": ["name": .string(Self.name), "namespace": .string(Self.namespace), "labels": ["k8s-app": "kube-dns", "kubernetes.io/name": "ClusterDNS"]],
            "spec": [
                "clusterIP": .string(clusterIP), "trafficDistribution": "PreferSameNode",
                "ports": [
                    ["name": "dns", "protocol": "UDP", "port": 53, "targetPort": JSON(nodePort)],
                    ["name": "dns-tcp", "protocol": "TCP", "port": 53, "targetPort": JSON(nodePort)],
                ],
            ],
        ]
    }

    /// The slices for these nodes, by name. A node whose agent is silent is not ready: nobody is sent there.
    func slices(_ nodes: [Node]) -> [String: JSON] {
        var slices: [String: JSON] = [:]
        let nodes = nodes.filter { $0.metadata.deletionTimestamp == nil }.sorted { $0.name < $1.name }
        for family in ["IPv4", "IPv6"] {
            let endpoints = nodes.flatMap { node in
                node.status.addresses.filter { $0.type == "InternalIP" && ($0.address.contains(":") == (family == "IPv6")) }.prefix(1).map { endpoint(node, $0.address) }
            }
            for (index, start) in stride(from: 0, to: endpoints.count, by: Self.sliceLimit).enumerated() {
                let name = "\(Self.name)-\(family.lowercased())" + (index == 0 ? "" : "-\(index + 1)")
                slices[name] = slice(name, family, Array(endpoints[start..<min(start + Self.sliceLimit, endpoints.count)]))
            }
        }
        return slices
    }

    private func endpoint(_ node: Node, _ address: String) -> JSON {
        let isReady = node.status.conditions.contains { $0.type == "Ready" && $0.status == "True" }
        return [
            "addresses": [.string(address)], "conditions": ["ready": .bool(isReady), "serving": .bool(isReady), "terminating": false], "nodeName": .string(node.name),
            "hints": ["forNodes": [["name": .string(node.name)]]],
        ]
    }

    private func slice(_ name: String, _ family: String, _ endpoints: [JSON]) -> JSON {
        [
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": [
                "name": .string(name), "namespace": .string(Self.namespace),
                "labels": ["kubernetes.io/service-name": .string(Self.name), "endpointslice.kubernetes.io/managed-by": .string(Self.manager), "k8s-app": "kube-dns"],
            ],
            "addressType": .string(family), "endpoints": .array(endpoints),
            "ports": [["name": "dns", "protocol": "UDP", "port": JSON(nodePort)], ["name": "dns-tcp", "protocol": "TCP", "port": JSON(nodePort)]],
        ]
    }

    /// What there is to do about the slices that exist.
    enum Change: Equatable {
        case create(JSON)
        /// A merge patch.
        case patch(name: String, JSON)
        case delete(name: String)
    }

    /// - Parameter existing: the Service's slices of this manager.
    func changes(from existing: [EndpointSlice], to nodes: [Node]) -> [Change] {
        let wanted = slices(nodes)
        var changes: [Change] = []
        var present: Set<String> = []
        for slice in existing {
            guard let target = wanted[slice.name], slice.addressType == target["addressType"]?.string else {
                changes.append(.delete(name: slice.name))
                continue
            }
            present.insert(slice.name)
            guard let goal = try? EndpointSlice(json: target), goal.endpoints != slice.endpoints || goal.ports != slice.ports else { continue }
            changes.append(.patch(name: slice.name, ["endpoints": target["endpoints"] ?? [], "ports": target["ports"] ?? []]))
        }
        for (name, slice) in wanted.sorted(by: { $0.key < $1.key }) where !present.contains(name) { changes.append(.create(slice)) }
        return changes
    }
}
