internal import Netlink

/// What the kernel's sets hold for the policies: who is isolated, and what isolated pods may exchange.
///
/// The number of rules does not depend on the number of policies; a change is a few elements.
struct PolicyPicture: Sendable, Hashable {
    /// A pod of this node: the address that packets go to, the link that they come from.
    struct LocalPod: Sendable, Hashable {
        var link: String
        var pod: PolicyPod
    }

    /// Addresses of the pods whose incoming traffic is restricted.
    var isolatedIn: Set<IPAddress> = []
    /// Links of the pods whose outgoing traffic is restricted.
    var isolatedOut: Set<String> = []
    var allowedIn: Set<Incoming> = []
    var allowedOut: Set<Outgoing> = []

    /// Packets to `pod` from `peers` at `ports`.
    struct Incoming: Sendable, Hashable {
        var pod: IPAddress
        var traffic: Traffic
    }

    /// Packets that come from `link` to `peers` at `ports`.
    struct Outgoing: Sendable, Hashable {
        var link: String
        var traffic: Traffic
    }

    struct Traffic: Sendable, Hashable {
        var peers: ClosedRange<IPAddress>
        /// nil: every protocol and port.
        var ports: PortSet.Range?
    }

    init() {}

    init(_ snapshot: PolicySnapshot, local: [LocalPod]) {
        for place in local {
            if let allowed = snapshot.allowed(.ingress, for: place.pod) {
                isolatedIn.formUnion(place.pod.addresses)
                for address in place.pod.addresses {
                    allowedIn.formUnion(Self.traffic(allowed, address.family).map { Incoming(pod: address, traffic: $0) })
                }
            }
            if let allowed = snapshot.allowed(.egress, for: place.pod) {
                isolatedOut.insert(place.link)
                for family in Set(place.pod.addresses.map(\.family)) {
                    allowedOut.formUnion(Self.traffic(allowed, family).map { Outgoing(link: place.link, traffic: $0) })
                }
            }
        }
    }

    private static func traffic(_ allowed: AllowedTraffic, _ family: IPAddress.Family) -> [Traffic] {
        allowed.entries.filter { $0.addresses.lowerBound.family == family }.flatMap { entry in
            entry.ports.isEverything ? [Traffic(peers: entry.addresses, ports: nil)] : entry.ports.ranges.map { Traffic(peers: entry.addresses, ports: $0) }
        }
    }
}
