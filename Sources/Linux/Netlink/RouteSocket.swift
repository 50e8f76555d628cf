internal import Glibc
internal import LinuxSystem

/// Links, addresses, routes and neighbours of one network namespace (rtnetlink).
public struct RouteSocket: Sendable {
    public let socket: NetlinkSocket

    /// For the calling thread's network namespace.
    public init() throws(NetlinkError) { socket = try NetlinkSocket(.route) }

    /// For another network namespace, by the path of its nsfs file.
    public init(inside namespacePath: String) throws { socket = try NetlinkSocket.open(.route, inside: namespacePath) }

    // MARK: Links

    /// Every link. Its size grows with the node's pods: for one link ask for that.
    public func links() throws(NetlinkError) -> [Link] {
        try socket.dump("list links", type: Link.getLink) { LinkSettings().write(into: &$0, more: Self.withoutStatistics) }.compactMap { Link($0) }
    }

    /// The link of a name; nil if there is none.
    public func link(named name: String) throws(NetlinkError) -> Link? {
        try find("find link \(name)") { LinkSettings(name: name).write(into: &$0, more: Self.withoutStatistics) }
    }

    /// The link of an index; nil if there is none.
    public func link(_ index: Int32) throws(NetlinkError) -> Link? {
        try find("find link \(index)") { LinkSettings().write(into: &$0, index: index, more: Self.withoutStatistics) }
    }

    private func find(_ operation: String, _ body: (inout NetlinkWriter) -> Void) throws(NetlinkError) -> Link? {
        do throws(NetlinkError) {
            return try socket.get(operation, type: Link.getLink, body).lazy.compactMap { Link($0) }.first
        } catch {
            guard error.errno == ENODEV else { throw error }
            return nil
        }
    }

    /// IFLA_EXT_MASK RTEXT_FILTER_SKIP_STATS: a third of the answer.
    private static func withoutStatistics(_ writer: inout NetlinkWriter) { writer.attribute(29, u32: 8) }

    /// - Throws: ``NetlinkError`` with EEXIST if the name, or the peer's, is taken.
    public func create(_ kind: LinkKind, _ settings: LinkSettings) throws(NetlinkError) {
        try socket.request("create link \(settings.name ?? "")", type: Link.newLink, flags: [.create, .exclusive]) { writer in
            settings.write(into: &writer, more: kind.write)
        }
    }

    public func change(_ index: Int32, _ settings: LinkSettings) throws(NetlinkError) {
        try socket.request("change link \(index)", type: Link.newLink) { settings.write(into: &$0, index: index) }
    }

    /// Changes the link whose name the settings have.
    public func changeNamed(_ settings: LinkSettings) throws(NetlinkError) {
        try socket.request("change link \(settings.name ?? "")", type: Link.newLink) { settings.write(into: &$0) }
    }

    /// Removes a link; a veth takes its peer with it.
    /// - Returns: false if it was gone.
    @discardableResult
    public func deleteLink(_ index: Int32) throws(NetlinkError) -> Bool {
        try absent(ENODEV) { () throws(NetlinkError) in
            try socket.request("delete link \(index)", type: Link.deleteLink) { LinkSettings().write(into: &$0, index: index) }
        }
    }

    /// Removes the link of a name, in one step: no index that could be another link's by now.
    @discardableResult
    public func deleteLink(named name: String) throws(NetlinkError) -> Bool {
        try absent(ENODEV) { () throws(NetlinkError) in
            try socket.request("delete link \(name)", type: Link.deleteLink) { LinkSettings(name: name).write(into: &$0) }
        }
    }

    // MARK: Addresses

    public func addresses() throws(NetlinkError) -> [LinkAddress] {
        try socket.dump("list addresses", type: LinkAddress.getAddress) { writer in
            writer.put([0, 0, 0, 0] as [UInt8])
            writer.put(Int32(0))
        }.compactMap { LinkAddress($0) }
    }

    /// Adds the address, or finds it there.
    public func add(_ address: LinkAddress) throws(NetlinkError) {
        try socket.request("add address \(address.prefix)", type: LinkAddress.newAddress, flags: [.create, .replace]) { address.write(into: &$0) }
    }

    @discardableResult
    public func delete(_ address: LinkAddress) throws(NetlinkError) -> Bool {
        try absent(EADDRNOTAVAIL, ENODEV) { () throws(NetlinkError) in
            try socket.request("delete address \(address.prefix)", type: LinkAddress.deleteAddress) { address.write(into: &$0) }
        }
    }

    // MARK: Routes

    /// The routes of a family in the main table, or every table's for nil.
    public func routes(_ family: IPAddress.Family, table: UInt32? = 254) throws(NetlinkError) -> [Route] {
        try socket.dump("list routes", type: Route.getRoute) { writer in
            writer.put([family.rawValue, 0, 0, 0, 0, 0, 0, 0])
            writer.put(UInt32(0))
            if let table { writer.attribute(15, u32: table) }
        }.compactMap { Route($0) }
    }

    /// Adds the route, or replaces the one with the same destination and metric.
    public func replace(_ route: Route) throws(NetlinkError) {
        let destination = route.destination?.description ?? "default"
        try socket.request("set route \(destination)", type: Route.newRoute, flags: [.create, .replace]) { route.write(into: &$0) }
    }

    @discardableResult
    public func delete(_ route: Route) throws(NetlinkError) -> Bool {
        let destination = route.destination?.description ?? "default"
        return try absent(ESRCH) { () throws(NetlinkError) in
            try socket.request("delete route \(destination)", type: Route.deleteRoute) { route.write(into: &$0) }
        }
    }

    // MARK: Neighbours

    public func neighbours(_ family: IPAddress.Family) throws(NetlinkError) -> [Neighbour] {
        try socket.dump("list neighbours", type: Neighbour.getNeighbour) { writer in
            writer.put([family.rawValue, 0, 0, 0])
            writer.put(Int32(0))
            writer.put(UInt32(0))
        }.compactMap { Neighbour($0) }
    }

    public func replace(_ neighbour: Neighbour) throws(NetlinkError) {
        try socket.request("set neighbour \(neighbour.address)", type: Neighbour.newNeighbour, flags: [.create, .replace]) { neighbour.write(into: &$0) }
    }

    /// Runs a removal; these errors mean that there was nothing to remove.
    private func absent(_ errors: Int32..., body: () throws(NetlinkError) -> Void) throws(NetlinkError) -> Bool {
        do throws(NetlinkError) {
            try body()
            return true
        } catch {
            guard errors.contains(error.errno) else { throw error }
            return false
        }
    }
}
