internal import Netlink

/// What a client connects to.
struct Frontend: Sendable, Hashable {
    var address: IPAddress
    var transport: TransportProtocol
    var port: UInt16

    /// The protocol tells few apart.
    func hash(into hasher: inout Hasher) { address.hash(into: &hasher, with: port) }
}

/// How a frontend's connections are spread. Frontends that are spread alike share a chain, so the number of chains depends
/// on how many different lengths of lists there are, not on the number of Services.
struct Balancer: Sendable, Hashable {
    enum Scope: UInt32, Sendable, Hashable { case cluster = 0, local = 1 }
    var scope: Scope
    /// The length of the list, 1 to ``maximum``.
    var count: UInt32
    /// 0: no affinity. The API allows a day.
    var affinitySeconds: UInt32

    /// Longer lists are cut: 14 bits remain of 32 for the length.
    static let maximum = 16_383

    /// Chain and length in one number: one bit of scope, 17 of seconds, 14 of length.
    var number: UInt32 { count << 18 | min(affinitySeconds, 131_071) << 1 | scope.rawValue }

    var chain: String { "\(scope == .local ? "local" : "cluster")-\(count)\(affinitySeconds > 0 ? "-\(affinitySeconds)s" : "")" }
}

/// One element of a set or map of the table, or a thing made of several (a balancer: a chain and a verdict).
enum TableElement: Sendable, Hashable {
    case front(Frontend, Balancer)
    /// The same for this node's pods and the node itself, where that differs: they are not bound by externalTrafficPolicy.
    case inside(Frontend, Balancer)
    /// Without affinity: from a place in the frontend's list to where it leads.
    case pick(Balancer.Scope, Frontend, UInt32, Backend)
    /// With affinity: from a place in the list to the endpoint's token, which a client's memory holds, and from there to
    /// where it leads.
    case choose(Balancer.Scope, Frontend, UInt32, token: UInt32)
    case live(Balancer.Scope, Frontend, token: UInt32, Backend)
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
