public import Netlink

/// What a node's pod network is made of.
public struct PodNetworkConfiguration: Sendable, Hashable {
    /// This node's own range, one for each family; the first is the primary. The first and last address of an IPv4 range
    /// are not given out.
    public var podCIDRs: [IPPrefix]
    /// The pods of the whole cluster: traffic to them keeps its source address.
    public var clusterCIDRs: [IPPrefix]
    /// Rewrite the source of what pods send to addresses outside the cluster.
    public var masquerades: Bool
    /// nf_tables table of this node, in the inet family.
    public var tableName: String
    /// Names of host-side links begin with it; at most five characters.
    public var linkPrefix: String
    /// Bytes; nil: that of the link with the default route.
    public var mtu: UInt32?
    /// Set `ip_forward` and turn redirects off in the node's network namespace.
    public var managesSystemSettings: Bool
    /// How long a released address is not given out again: peers and conntrack may still speak to its last owner.
    public var quarantine: Duration
    /// The node's network namespace; nil: the process's own.
    public var nodeNamespacePath: String?

    public init(
        podCIDRs: [IPPrefix], clusterCIDRs: [IPPrefix] = [], masquerades: Bool = true, tableName: String = "swiftlet-pods", linkPrefix: String = "swl",
        mtu: UInt32? = nil, managesSystemSettings: Bool = true, quarantine: Duration = .seconds(60), nodeNamespacePath: String? = nil
    ) {
        (self.podCIDRs, self.clusterCIDRs, self.masquerades, self.tableName) = (podCIDRs, clusterCIDRs, masquerades, tableName)
        (self.linkPrefix, self.mtu, self.managesSystemSettings) = (linkPrefix, mtu, managesSystemSettings)
        (self.quarantine, self.nodeNamespacePath) = (quarantine, nodeNamespacePath)
    }

    /// Where pods send what is not theirs, whatever the node's addresses are. Link-local, so it cannot collide with a pod
    /// or a Service.
    static let gateway4 = IPAddress.v4(0xa9fe_0101)  // 169.254.1.1

    func validated() throws(PodNetworkError) -> PodNetworkConfiguration {
        guard let first = podCIDRs.first else { throw PodNetworkError(.invalidConfiguration, "expected a pod CIDR, found none") }
        for prefix in podCIDRs where prefix.address.family == .v6 {
            throw PodNetworkError(.invalidConfiguration, "expected IPv4 pod CIDRs, found \(prefix): IPv6 is not supported yet")
        }
        guard podCIDRs.count == 1, first.length <= 30 else {
            throw PodNetworkError(.invalidConfiguration, "expected one pod CIDR of at least four addresses, found \(podCIDRs)")
        }
        guard (1...5).contains(linkPrefix.utf8.count), linkPrefix.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") }) else {
            throw PodNetworkError(.invalidConfiguration, "expected a link prefix of one to five characters, found \"\(linkPrefix)\"")
        }
        return self
    }
}
