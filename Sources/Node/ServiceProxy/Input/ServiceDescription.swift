public import Netlink

/// Which object of a kind.
public struct ObjectName: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var namespace: String
    public var name: String
    public init(_ namespace: String, _ name: String) { (self.namespace, self.name) = (namespace, name) }
    public var description: String { "\(namespace)/\(name)" }
    public static func < (left: ObjectName, right: ObjectName) -> Bool { (left.namespace, left.name) < (right.namespace, right.name) }
}

/// Where traffic may go: to every endpoint, or only to those of the node that translates it.
public enum TrafficPolicy: Sendable, Hashable { case cluster, local }

/// What the proxy needs to know of a Service. Headless Services and those of type ExternalName have no cluster IP and hence
/// nothing to translate.
public struct ServiceDescription: Sendable, Hashable {
    public struct Port: Sendable, Hashable {
        /// Empty where a Service has one port without a name.
        public var name: String
        public var transport: TransportProtocol
        public var port: UInt16
        public var nodePort: UInt16?
        public init(name: String = "", _ transport: TransportProtocol = .tcp, _ port: UInt16, nodePort: UInt16? = nil) {
            (self.name, self.transport, self.port, self.nodePort) = (name, transport, port, nodePort)
        }
    }

    public var name: ObjectName
    /// Seconds since 1970: of two Services that claim one address and port, the older has it.
    public var created: Int64
    /// At most one of each family.
    public var clusterIPs: [IPAddress]
    public var ports: [Port]
    public var externalIPs: [IPAddress]
    /// Of `status.loadBalancer.ingress`, those that are to be translated here (`ipMode` VIP).
    public var loadBalancerIPs: [IPAddress]
    /// Who may reach the load balancer's addresses; empty: everybody.
    public var sourceRanges: [IPPrefix]
    public var internalTrafficPolicy: TrafficPolicy
    public var externalTrafficPolicy: TrafficPolicy
    /// Seconds for which a client stays with its endpoint (sessionAffinity ClientIP); nil: none.
    public var affinitySeconds: UInt32?

    public init(
        _ name: ObjectName, created: Int64 = 0, clusterIPs: [IPAddress], ports: [Port], externalIPs: [IPAddress] = [],
        loadBalancerIPs: [IPAddress] = [], sourceRanges: [IPPrefix] = [], internalTrafficPolicy: TrafficPolicy = .cluster,
        externalTrafficPolicy: TrafficPolicy = .cluster, affinitySeconds: UInt32? = nil
    ) {
        (self.name, self.created, self.clusterIPs, self.ports) = (name, created, clusterIPs, ports)
        (self.externalIPs, self.loadBalancerIPs, self.sourceRanges) = (externalIPs, loadBalancerIPs, sourceRanges)
        (self.internalTrafficPolicy, self.externalTrafficPolicy) = (internalTrafficPolicy, externalTrafficPolicy)
        self.affinitySeconds = affinitySeconds
    }

    /// Whose claim on an address and port goes first.
    func precedes(_ other: ServiceDescription) -> Bool { (created, name) < (other.created, other.name) }
}

/// What the proxy needs to know of an EndpointSlice.
public struct EndpointSliceDescription: Sendable, Hashable {
    public struct Port: Sendable, Hashable {
        public var name: String
        public var transport: TransportProtocol
        public var port: UInt16
        public init(name: String = "", _ transport: TransportProtocol = .tcp, _ port: UInt16) {
            (self.name, self.transport, self.port) = (name, transport, port)
        }
    }

    public struct Endpoint: Sendable, Hashable {
        public var address: IPAddress
        public var isReady: Bool
        public var isServing: Bool
        public var isTerminating: Bool
        public var nodeName: String?
        /// `hints.forZones` and `hints.forNodes`; empty: no hints.
        public var zoneHints: [String]
        public var nodeHints: [String]

        public init(
            _ address: IPAddress, isReady: Bool = true, isServing: Bool? = nil, isTerminating: Bool = false, nodeName: String? = nil,
            zoneHints: [String] = [], nodeHints: [String] = []
        ) {
            (self.address, self.isReady, self.isServing) = (address, isReady, isServing ?? isReady)
            (self.isTerminating, self.nodeName) = (isTerminating, nodeName)
            (self.zoneHints, self.nodeHints) = (zoneHints, nodeHints)
        }
    }

    public var name: ObjectName
    /// The Service's name, in the same namespace (label `kubernetes.io/service-name`).
    public var service: String
    public var ports: [Port]
    public var endpoints: [Endpoint]

    public init(_ name: ObjectName, service: String, ports: [Port], endpoints: [Endpoint]) {
        (self.name, self.service, self.ports, self.endpoints) = (name, service, ports, endpoints)
    }
}

/// The node on which the proxy runs.
public struct NodeDescription: Sendable, Hashable {
    public var name: String
    /// Label `topology.kubernetes.io/zone`.
    public var zone: String?
    /// Node ports are open on these.
    public var addresses: [IPAddress]
    /// This node's own pods: what comes from anywhere else to a node port or an external address is masqueraded, so that
    /// the answer comes back through here.
    public var podCIDRs: [IPPrefix]
    /// Where cluster IPs come from.
    public var serviceCIDRs: [IPPrefix]

    public init(name: String, zone: String? = nil, addresses: [IPAddress], podCIDRs: [IPPrefix], serviceCIDRs: [IPPrefix]) {
        (self.name, self.zone, self.addresses, self.podCIDRs, self.serviceCIDRs) = (name, zone, addresses, podCIDRs, serviceCIDRs)
    }
}
