/// Transport protocols that have ports.
public enum TransportProtocol: UInt8, Sendable, Hashable {
    case tcp = 6
    case udp = 17
    case sctp = 132
}

/// One direction of a connection.
public struct ConntrackTuple: Sendable, Hashable {
    public var source: IPAddress
    public var destination: IPAddress
    /// The protocol's number.
    public var transport: UInt8
    public var sourcePort: UInt16
    public var destinationPort: UInt16

    public init(source: IPAddress, destination: IPAddress, transport: UInt8, sourcePort: UInt16, destinationPort: UInt16) {
        (self.source, self.destination, self.transport) = (source, destination, transport)
        (self.sourcePort, self.destinationPort) = (sourcePort, destinationPort)
    }

    /// Reads CTA_TUPLE_ORIG or CTA_TUPLE_REPLY; nil for protocols without ports.
    init?(_ attributes: NetlinkAttributes) {
        guard let addresses = attributes.nest(1), let transport = attributes.nest(2), let number = transport.u8(1),
            let source = addresses.address(1) ?? addresses.address(3), let destination = addresses.address(2) ?? addresses.address(4),
            let sourcePort = transport.be16(2), let destinationPort = transport.be16(3)
        else { return nil }
        self.init(source: source, destination: destination, transport: number, sourcePort: sourcePort, destinationPort: destinationPort)
    }

    func write(into writer: inout NetlinkWriter) {
        writer.nest(1) { writer in  // CTA_TUPLE_IP
            let isV4 = source.family == .v4
            writer.attribute(isV4 ? 1 : 3, address: source)
            writer.attribute(isV4 ? 2 : 4, address: destination)
        }
        writer.nest(2) { writer in  // CTA_TUPLE_PROTO
            writer.attribute(1, u8: transport)
            writer.attribute(2, be16: sourcePort)
            writer.attribute(3, be16: destinationPort)
        }
    }
}

/// A connection as the kernel tracks it.
public struct ConntrackEntry: Sendable, Hashable {
    /// As it began, before NAT.
    public var original: ConntrackTuple
    /// What an answer looks like: its source is whom destination NAT chose.
    public var reply: ConntrackTuple
    /// `IPS_*` bits: 0x20 destination NAT.
    public var status: UInt32
    /// Tells entries with one tuple apart that followed each other.
    public var id: UInt32

    public var isDestinationTranslated: Bool { status & 0x20 != 0 }

    /// Reads an IPCTNL_MSG_CT_NEW message; nil if it is none or its protocol has no ports.
    public init?(_ message: NetlinkMessage) {
        guard message.type == ConntrackSocket.type(0) else { return nil }
        let attributes = message.attributes(after: 4)
        guard let original = attributes.nest(1).flatMap({ ConntrackTuple($0) }), let reply = attributes.nest(2).flatMap({ ConntrackTuple($0) }) else {
            return nil
        }
        (self.original, self.reply) = (original, reply)
        (status, id) = (attributes.be32(3) ?? 0, attributes.be32(12) ?? 0)
    }
}
