/// An address of a link.
public struct LinkAddress: Sendable, Hashable {
    public var index: Int32
    public var prefix: IPPrefix
    /// The kernel's `RT_SCOPE_*`: 0 everywhere, 253 this link, 254 this host.
    public var scope: UInt8

    public init(index: Int32, prefix: IPPrefix, scope: UInt8 = 0) {
        (self.index, self.prefix, self.scope) = (index, prefix, scope)
    }

    static let newAddress: UInt16 = 20
    static let deleteAddress: UInt16 = 21
    static let getAddress: UInt16 = 22
    /// `struct ifaddrmsg`
    static let headerLength = 8

    init?(_ message: NetlinkMessage) {
        guard message.type == Self.newAddress || message.type == Self.deleteAddress, message.body.count >= Self.headerLength else { return nil }
        let header = Array(message.body.prefix(4))
        let attributes = message.attributes(after: Self.headerLength)
        // IFA_LOCAL is the address; IFA_ADDRESS is the peer's where there is one. IPv6 sends only the second.
        guard let index = message.body.number(Int32.self, at: 4), let address = attributes.address(2) ?? attributes.address(1),
            let prefix = IPPrefix(address, header[1])
        else { return nil }
        self.init(index: index, prefix: prefix, scope: header[3])
    }

    func write(into writer: inout NetlinkWriter) {
        writer.put([prefix.address.family.rawValue, prefix.length, 0, scope])
        writer.put(index)
        writer.attribute(2, address: prefix.address)
        writer.attribute(1, address: prefix.address)
        // No duplicate address detection: the address is ours by allocation, and the pod must not wait a second for it.
        if prefix.address.family == .v6 { writer.attribute(8, u32: 0x02) }  // IFA_FLAGS: IFA_F_NODAD
    }
}

/// A unicast route.
public struct Route: Sendable, Hashable {
    /// Nil: the default route.
    public var destination: IPPrefix?
    public var gateway: IPAddress?
    /// The outgoing link.
    public var index: Int32?
    /// The gateway is on this link, although no address says so.
    public var isOnLink: Bool
    /// 254 is the main table.
    public var table: UInt32
    /// Who made it: 2 the kernel, 3 boot, 4 static; ours is ``swiftlet``.
    public var routeProtocol: UInt8
    /// Nil: link without a gateway, else everywhere.
    public var scope: UInt8
    /// The source address for packets that have none yet.
    public var source: IPAddress?
    public var metric: UInt32?
    /// `RTN_*`: 1 unicast, 2 local, 6 blackhole, 7 unreachable.
    public var type: UInt8
    /// Which family a default route is for.
    public var family: IPAddress.Family

    /// The protocol number that marks routes of this project, so that an audit finds them.
    public static let swiftlet: UInt8 = 83

    public init(
        to destination: IPPrefix?, via gateway: IPAddress? = nil, index: Int32?, onLink: Bool = false, source: IPAddress? = nil,
        routeProtocol: UInt8 = Route.swiftlet, table: UInt32 = 254, metric: UInt32? = nil, type: UInt8 = 1, family: IPAddress.Family? = nil
    ) {
        (self.destination, self.gateway, self.index, isOnLink, self.source) = (destination, gateway, index, onLink, source)
        (self.routeProtocol, self.table, self.metric, self.type) = (routeProtocol, table, metric, type)
        scope = gateway == nil && index != nil ? 253 : 0
        self.family = family ?? destination?.address.family ?? gateway?.family ?? .v4
    }

    static let newRoute: UInt16 = 24
    static let deleteRoute: UInt16 = 25
    static let getRoute: UInt16 = 26
    /// `struct rtmsg`
    static let headerLength = 12

    init?(_ message: NetlinkMessage) {
        guard message.type == Self.newRoute || message.type == Self.deleteRoute, message.body.count >= Self.headerLength else { return nil }
        let header = Array(message.body.prefix(8))
        guard let family = IPAddress.Family(rawValue: header[0]), let flags = message.body.number(UInt32.self, at: 8) else { return nil }
        let attributes = message.attributes(after: Self.headerLength)
        destination = attributes.address(1).flatMap { IPPrefix($0, header[1]) }
        gateway = attributes.address(5)
        index = attributes.u32(4).map { Int32(bitPattern: $0) }
        isOnLink = flags & 4 != 0
        table = attributes.u32(15) ?? UInt32(header[4])
        (routeProtocol, scope, type) = (header[5], header[6], header[7])
        source = attributes.address(7)
        metric = attributes.u32(6)
        self.family = family
    }

    func write(into writer: inout NetlinkWriter) {
        writer.put([family.rawValue, destination?.length ?? 0, 0, 0, UInt8(truncatingIfNeeded: min(table, 255)), routeProtocol, scope, type])
        writer.put(UInt32(isOnLink ? 4 : 0))  // RTNH_F_ONLINK
        if table > 255 { writer.attribute(15, u32: table) }
        if let destination { writer.attribute(1, address: destination.network) }
        if let gateway { writer.attribute(5, address: gateway) }
        if let index { writer.attribute(4, u32: UInt32(bitPattern: index)) }
        if let source { writer.attribute(7, address: source) }
        if let metric { writer.attribute(6, u32: metric) }
    }
}

/// A neighbour entry: which hardware address a network address has on a link.
public struct Neighbour: Sendable, Hashable {
    public var index: Int32
    public var address: IPAddress
    public var hardwareAddress: MACAddress?
    /// NUD_PERMANENT: never asked for, never aged.
    public var isPermanent: Bool

    public init(index: Int32, address: IPAddress, hardwareAddress: MACAddress, isPermanent: Bool = true) {
        (self.index, self.address, self.hardwareAddress, self.isPermanent) = (index, address, hardwareAddress, isPermanent)
    }

    static let newNeighbour: UInt16 = 28
    static let deleteNeighbour: UInt16 = 29
    static let getNeighbour: UInt16 = 30
    /// `struct ndmsg`
    static let headerLength = 12

    init?(_ message: NetlinkMessage) {
        guard message.type == Self.newNeighbour || message.type == Self.deleteNeighbour, let index = message.body.number(Int32.self, at: 4),
            let state = message.body.number(UInt16.self, at: 8)
        else { return nil }
        let attributes = message.attributes(after: Self.headerLength)
        guard let address = attributes.address(1) else { return nil }
        (self.index, self.address, isPermanent) = (index, address, state & 0x80 != 0)
        hardwareAddress = attributes[2].flatMap { MACAddress(bytes: $0) }
    }

    func write(into writer: inout NetlinkWriter) {
        writer.put([address.family.rawValue, 0, 0, 0])
        writer.put(index)
        writer.put(UInt16(isPermanent ? 0x80 : 0x02))
        writer.put([0, 0] as [UInt8])
        writer.attribute(1, address: address)
        if let hardwareAddress { writer.attribute(2, hardwareAddress.bytes) }
    }
}
