internal import Glibc

/// Connection tracking of one network namespace (ctnetlink).
public struct ConntrackSocket: Sendable {
    public let socket: NetlinkSocket

    /// For the calling thread's network namespace.
    public init() throws(NetlinkError) { socket = try NetlinkSocket(.netfilter) }

    /// For another network namespace, by the path of its nsfs file.
    public init(inside namespacePath: String) throws { socket = try NetlinkSocket.open(.netfilter, inside: namespacePath) }

    /// NFNL_SUBSYS_CTNETLINK in the high byte. Messages: 0 new, 1 get, 2 delete.
    static func type(_ message: UInt16) -> UInt16 { 1 << 8 | message }

    /// Where connections were to go as they began.
    public struct Destination: Sendable, Hashable {
        public var address: IPAddress
        public var transport: TransportProtocol
        public var port: UInt16
        public init(_ address: IPAddress, _ transport: TransportProtocol, _ port: UInt16) {
            (self.address, self.transport, self.port) = (address, transport, port)
        }
    }

    /// The connections of protocols with ports. The kernel walks through all connections of the machine: ten milliseconds
    /// and more, however few are found.
    /// - Parameters:
    ///   - family: nil: both.
    ///   - destination: only connections that began towards it. The kernel selects them (Linux 5.8); older kernels send all,
    ///     and the selection happens here.
    public func entries(_ family: IPAddress.Family? = nil, to destination: Destination? = nil) throws(NetlinkError) -> [ConntrackEntry] {
        let messages = try socket.dump("list connections", type: Self.type(1)) { writer in
            NFTablesBatch.header(destination?.address.family.rawValue ?? family?.rawValue ?? 0)(&writer)
            if let destination { Self.write(destination, into: &writer) }
        }
        return messages.compactMap { ConntrackEntry($0) }.filter { entry in
            guard let destination else { return true }
            return entry.original.destination == destination.address && entry.original.destinationPort == destination.port
                && entry.original.transport == destination.transport.rawValue
        }
    }

    static func write(_ destination: Destination, into writer: inout NetlinkWriter) {
        writer.nest(1) { writer in  // CTA_TUPLE_ORIG
            writer.nest(1) { $0.attribute(destination.address.family == .v4 ? 2 : 4, address: destination.address) }
            writer.nest(2) { writer in
                writer.attribute(1, u8: destination.transport.rawValue)
                writer.attribute(3, be16: destination.port)
            }
        }
        writer.nest(25) { writer in  // CTA_FILTER
            // Which parts of the tuple count: destination address, protocol, destination port.
            writer.attribute(1, u32: 1 << 1 | 1 << 3 | 1 << 5)  // CTA_FILTER_ORIG_FLAGS
            writer.attribute(2, u32: 0)  // CTA_FILTER_REPLY_FLAGS
        }
    }

    /// Ends the tracking of a connection: its next packet is a first one again and meets the rules.
    /// - Returns: false if it was gone.
    @discardableResult
    public func delete(_ entry: ConntrackEntry) throws(NetlinkError) -> Bool {
        do throws(NetlinkError) {
            try socket.request("delete connection", type: Self.type(2)) { writer in
                NFTablesBatch.header(entry.original.source.family.rawValue)(&writer)
                writer.nest(1) { entry.original.write(into: &$0) }
                // A connection that began since with the same tuple is not ours to delete.
                writer.attribute(12, be32: entry.id)
            }
            return true
        } catch {
            guard error.errno == ENOENT else { throw error }
            return false
        }
    }
}
