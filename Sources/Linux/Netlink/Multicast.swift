/// Groups of messages that a socket can listen to.
public enum NetlinkGroup {
    /// RTNLGRP_LINK
    public static let links: Int32 = 1
    /// RTNLGRP_NEIGH
    public static let neighbours: Int32 = 3
    /// RTNLGRP_IPV4_IFADDR
    public static let addresses4: Int32 = 5
    /// RTNLGRP_IPV4_ROUTE
    public static let routes4: Int32 = 7
    /// NFNLGRP_NFTABLES
    public static let nftables: Int32 = 7
}

/// A change that somebody made.
public enum RouteEvent: Sendable, Hashable {
    case linkChanged(Link)
    case linkRemoved(Link)
    case addressChanged(LinkAddress)
    case addressRemoved(LinkAddress)
    case routeChanged(Route)
    case routeRemoved(Route)

    /// Nil for messages of another kind.
    public init?(_ message: NetlinkMessage) {
        switch message.type {
        case Link.newLink: guard let link = Link(message) else { return nil }; self = .linkChanged(link)
        case Link.deleteLink: guard let link = Link(message) else { return nil }; self = .linkRemoved(link)
        case LinkAddress.newAddress: guard let address = LinkAddress(message) else { return nil }; self = .addressChanged(address)
        case LinkAddress.deleteAddress: guard let address = LinkAddress(message) else { return nil }; self = .addressRemoved(address)
        case Route.newRoute: guard let route = Route(message) else { return nil }; self = .routeChanged(route)
        case Route.deleteRoute: guard let route = Route(message) else { return nil }; self = .routeRemoved(route)
        default: return nil
        }
    }
}
