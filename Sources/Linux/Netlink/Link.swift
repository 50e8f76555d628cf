/// A network interface, as the kernel lists it.
public struct Link: Sendable, Hashable {
    public var index: Int32
    public var name: String
    /// `veth`, `bridge`, `vxlan`; nil for hardware and loopback.
    public var kind: String?
    /// IFF_UP: set up by its owner.
    public var isUp: Bool
    public var isLoopback: Bool
    public var mtu: UInt32
    public var hardwareAddress: MACAddress?
    /// The peer's index, of a veth or a stacked link; in `peerNamespace` if that is set.
    public var peerIndex: Int32?
    /// The id of the peer's network namespace, if it is another one.
    public var peerNamespace: Int32?
    /// The bridge or bond it belongs to.
    public var master: Int32?
    public var alias: String?

    static let newLink: UInt16 = 16
    static let deleteLink: UInt16 = 17
    static let getLink: UInt16 = 18
    static let setLink: UInt16 = 19
    /// `struct ifinfomsg`
    static let headerLength = 16

    /// Reads an RTM_NEWLINK message; nil if it is none.
    init?(_ message: NetlinkMessage) {
        guard message.type == Self.newLink || message.type == Self.deleteLink, let index = message.body.number(Int32.self, at: 4),
            let flags = message.body.number(UInt32.self, at: 8)
        else { return nil }
        let attributes = message.attributes(after: Self.headerLength)
        guard let name = attributes.string(3) else { return nil }
        self.index = index
        self.name = name
        isUp = flags & 1 != 0
        isLoopback = flags & 8 != 0
        kind = attributes.nest(18)?.string(1)
        mtu = attributes.u32(4) ?? 0
        hardwareAddress = attributes[1].flatMap { MACAddress(bytes: $0) }
        peerIndex = attributes.u32(5).map { Int32(bitPattern: $0) }
        peerNamespace = attributes.u32(37).map { Int32(bitPattern: $0) }
        master = attributes.u32(10).map { Int32(bitPattern: $0) }
        alias = attributes.string(20)
    }
}

/// A link to make or change; nil leaves what is.
public struct LinkSettings: Sendable, Hashable {
    public var name: String?
    public var mtu: UInt32?
    public var hardwareAddress: MACAddress?
    public var isUp: Bool?
    /// Moves it into a network namespace, by descriptor.
    public var namespace: Int32?
    public var master: Int32?
    /// Free text, up to 255 bytes, shown by `ip link`. Only for a link that exists: the kernel ignores it for a new one, as
    /// it does `withoutLinkLocal` and `ipv4`.
    public var alias: String?
    /// True: no IPv6 link-local address is made up, hence no duplicate address detection.
    public var withoutLinkLocal: Bool
    /// IPv4 parameters of this link (`net.ipv4.conf.<link>`), without a write to /proc.
    public var ipv4: [IPv4LinkParameter: UInt32]

    public init(
        name: String? = nil, mtu: UInt32? = nil, hardwareAddress: MACAddress? = nil, isUp: Bool? = nil, namespace: Int32? = nil,
        master: Int32? = nil, alias: String? = nil, withoutLinkLocal: Bool = false, ipv4: [IPv4LinkParameter: UInt32] = [:]
    ) {
        (self.name, self.mtu, self.hardwareAddress, self.isUp, self.namespace) = (name, mtu, hardwareAddress, isUp, namespace)
        (self.master, self.alias, self.withoutLinkLocal, self.ipv4) = (master, alias, withoutLinkLocal, ipv4)
    }

    /// `struct ifinfomsg` and the attributes.
    func write(into writer: inout NetlinkWriter, index: Int32 = 0, more: (inout NetlinkWriter) -> Void = { _ in }) {
        writer.put([0, 0] as [UInt8])  // AF_UNSPEC, padding
        writer.put(UInt16(0))  // hardware type: chosen by the kernel
        writer.put(index)
        writer.put(UInt32(isUp == true ? 1 : 0))
        writer.put(UInt32(isUp == nil ? 0 : 1))  // which flags to change: IFF_UP
        if let name { writer.attribute(3, string: name) }
        if let mtu { writer.attribute(4, u32: mtu) }
        if let hardwareAddress { writer.attribute(1, hardwareAddress.bytes) }
        if let master { writer.attribute(10, u32: UInt32(bitPattern: master)) }
        if let alias { writer.attribute(20, Array(alias.utf8)) }
        if let namespace { writer.attribute(28, u32: UInt32(bitPattern: namespace)) }
        if withoutLinkLocal || !ipv4.isEmpty {
            writer.nest(26, flagged: false) { writer in  // IFLA_AF_SPEC
                if !ipv4.isEmpty {
                    writer.nest(2, flagged: false) { writer in  // AF_INET
                        writer.nest(1, flagged: false) { writer in  // IFLA_INET_CONF
                            for (parameter, value) in ipv4.sorted(by: { $0.key.rawValue < $1.key.rawValue }) { writer.attribute(parameter.rawValue, u32: value) }
                        }
                    }
                }
                if withoutLinkLocal {
                    writer.nest(10, flagged: false) { $0.attribute(8, u8: 1) }  // AF_INET6: IFLA_INET6_ADDR_GEN_MODE none
                }
            }
        }
        more(&writer)
    }
}

/// Numbers of `net.ipv4.conf` entries (`IPV4_DEVCONF_*`).
public enum IPv4LinkParameter: UInt16, Sendable, Hashable {
    case forwarding = 1
    case proxyARP = 3
    case acceptRedirects = 4
    case sendRedirects = 6
    case reversePathFilter = 8
    case acceptLocal = 23
    case routeLocalnet = 26
}

/// What kind of link to make.
public enum LinkKind: Sendable, Hashable {
    /// A pair: the other end has its own settings, its network namespace among them.
    case veth(peer: LinkSettings)
    case bridge
    case dummy

    func write(into writer: inout NetlinkWriter) {
        writer.nest(18, flagged: false) { writer in  // IFLA_LINKINFO
            switch self {
            case .bridge: writer.attribute(1, string: "bridge")
            case .dummy: writer.attribute(1, string: "dummy")
            case .veth(let peer):
                writer.attribute(1, string: "veth")
                writer.nest(2, flagged: false) { writer in  // IFLA_INFO_DATA
                    writer.nest(1, flagged: false) { peer.write(into: &$0) }  // VETH_INFO_PEER
                }
            }
        }
    }
}
