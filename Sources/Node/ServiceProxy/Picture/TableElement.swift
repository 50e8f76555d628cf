internal import Netlink

/// What a client connects to.
struct Frontend: Sendable, Hashable {
    var address: IPAddress
    var transport: TransportProtocol
    var port: UInt16
}

/// How a frontend's connections are spread. Frontends that are spread alike share a chain, so the number of chains depends
/// on how many different lengths of lists there are, not on the number of Services.
struct Balancer: Sendable, Hashable {
    enum Scope: UInt32, Sendable, Hashable { case cluster = 0, local = 1 }
    var scope: Scope
    /// The length of the list.
    var count: UInt32
    /// The list is found under another frontend's name, the Service's cluster IP: node ports, external addresses.
    var isTranslated: Bool
    /// 0: no affinity.
    var affinitySeconds: UInt32

    var chain: String {
        "\(scope == .local ? "local" : "cluster")\(isTranslated ? "-external" : "")-\(count)\(affinitySeconds > 0 ? "-\(affinitySeconds)s" : "")"
    }
}

/// One element of a set or map of the table, or a thing made of several (a balancer: a chain and a verdict).
enum TableElement: Sendable, Hashable {
    case front(Frontend, Balancer)
    /// The same for this node's pods and the node itself, where that differs: they are not bound by externalTrafficPolicy.
    case inside(Frontend, Balancer)
    /// Under which cluster IP and port the list of an external frontend is.
    case canonical(Frontend, Frontend)
    case pick(Balancer.Scope, Frontend, UInt32, Backend)
    /// Which endpoints of a Service with affinity still live.
    case live(Balancer.Scope, Frontend, Backend)
    /// Connections from anywhere but this node's pods get this node's address.
    case masquerade(Frontend)
    /// Connections from this node's own addresses do.
    case masqueradeOwn(Frontend)
    case reject(Frontend)
    case drop(Frontend)
    /// Only allowed sources may connect.
    case guarded(Frontend)
    case allowed(Frontend, IPPrefix)
    /// An endpoint of this node: as its own client it would answer itself past the translation.
    case hairpin(IPAddress)
    case balancer(IPAddress.Family, Balancer)
}
