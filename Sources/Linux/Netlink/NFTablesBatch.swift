/// A packet filter family.
public enum NFTablesFamily: UInt8, Sendable, Hashable {
    /// IPv4 and IPv6 together.
    case inet = 1
    case ip = 2
    case ip6 = 10
}

/// Where a base chain hooks into the packet path.
public struct NFTablesHook: Sendable, Hashable {
    public enum Point: UInt32, Sendable, Hashable { case prerouting = 0, input, forward, output, postrouting }
    public enum Kind: String, Sendable, Hashable { case filter, nat, route }
    public enum Policy: UInt32, Sendable, Hashable { case drop = 0, accept = 1 }
    public var kind: Kind
    public var point: Point
    /// Lower runs earlier; source NAT is at 100, destination NAT at -100, filter at 0.
    public var priority: Int32
    public var policy: Policy
    public init(_ kind: Kind, _ point: Point, priority: Int32, policy: Policy = .accept) {
        (self.kind, self.point, self.priority, self.policy) = (kind, point, priority, policy)
    }
}

/// One nf_tables transaction: all of it takes effect at one instant, or nothing.
public struct NFTablesBatch: Sendable {
    /// A message body; headers are written when the batch is sent.
    struct Message: Sendable {
        var type: UInt16
        var flags: NetlinkFlags
        var body: [UInt8]
        /// What it does, for the error that names it.
        var label: String
    }
    private(set) var messages: [Message] = []
    /// Sets made by this batch: each needs a number of its own.
    var setCount: UInt32 = 0

    public init() {}

    public var isEmpty: Bool { messages.isEmpty }
    public var count: Int { messages.count }

    enum MessageType {
        static let newTable: UInt16 = 0
        static let getTable: UInt16 = 1
        static let deleteTable: UInt16 = 2
        static let newChain: UInt16 = 3
        static let getChain: UInt16 = 4
        static let deleteChain: UInt16 = 5
        static let newRule: UInt16 = 6
        static let getRule: UInt16 = 7
        static let deleteRule: UInt16 = 8
        static let newSet: UInt16 = 9
        static let getSet: UInt16 = 10
        static let deleteSet: UInt16 = 11
        static let newElement: UInt16 = 12
        static let getElement: UInt16 = 13
        static let deleteElement: UInt16 = 14
        static let newGeneration: UInt16 = 15
        static let getGeneration: UInt16 = 16
    }

    /// NFNL_SUBSYS_NFTABLES in the high byte.
    static func type(_ message: UInt16) -> UInt16 { 10 << 8 | message }

    /// `struct nfgenmsg`
    static func header(_ family: UInt8, resource: UInt16 = 0) -> (inout NetlinkWriter) -> Void {
        { writer in
            writer.put([family, 0] as [UInt8])
            writer.put(resource.bigEndian)
        }
    }

    mutating func append(
        _ type: UInt16, _ flags: NetlinkFlags, _ family: NFTablesFamily, _ label: @autoclosure () -> String, _ body: (inout NetlinkWriter) -> Void
    ) {
        var writer = NetlinkWriter()
        Self.header(family.rawValue)(&writer)
        body(&writer)
        append(Message(type: Self.type(type), flags: flags, body: writer.bytes, label: label()))
    }

    mutating func append(_ message: Message) { messages.append(message) }

    /// Adds another batch's steps behind these.
    public mutating func append(_ other: NFTablesBatch) {
        messages += other.messages
        setCount += other.setCount
    }

    // MARK: Tables, chains, rules

    /// Makes the table, or finds it there.
    /// - Parameter owned: nobody but this batch's socket may change the table, and the table ends with the socket
    ///   (NFT_TABLE_F_OWNER, Linux 5.12). Not for what must outlive the process.
    public mutating func addTable(_ family: NFTablesFamily, _ name: String, owned: Bool = false) {
        append(MessageType.newTable, .create, family, "add table \(name)") { writer in
            writer.attribute(1, string: name)
            writer.attribute(2, be32: owned ? 2 : 0)
        }
    }

    /// Removes the table and everything in it; the transaction fails with ENOENT if it does not exist.
    public mutating func deleteTable(_ family: NFTablesFamily, _ name: String) {
        append(MessageType.deleteTable, [], family, "delete table \(name)") { $0.attribute(1, string: name) }
    }

    /// An empty table, whatever was there: made, removed and made again in one transaction, so that it never fails and no
    /// packet sees the step between.
    public mutating func replaceTable(_ family: NFTablesFamily, _ name: String) {
        addTable(family, name)
        deleteTable(family, name)
        addTable(family, name)
    }

    /// - Parameter hook: nil for a chain that is only jumped to.
    public mutating func addChain(_ family: NFTablesFamily, table: String, _ name: String, hook: NFTablesHook? = nil) {
        append(MessageType.newChain, .create, family, "add chain \(name)") { writer in
            writer.attribute(1, string: table)
            writer.attribute(3, string: name)
            guard let hook else { return }
            writer.attribute(7, string: hook.kind.rawValue)
            writer.nest(4) { writer in
                writer.attribute(1, be32: hook.point.rawValue)
                writer.attribute(2, be32: UInt32(bitPattern: hook.priority))
            }
            writer.attribute(5, be32: hook.policy.rawValue)
        }
    }

    public mutating func deleteChain(_ family: NFTablesFamily, table: String, _ name: String) {
        append(MessageType.deleteChain, [], family, "delete chain \(name)") { writer in
            writer.attribute(1, string: table)
            writer.attribute(3, string: name)
        }
    }

    /// Removes the rules of a chain, or of every chain of the table.
    public mutating func flush(_ family: NFTablesFamily, table: String, chain: String? = nil) {
        append(MessageType.deleteRule, [], family, "flush chain \(chain ?? "*")") { writer in
            writer.attribute(1, string: table)
            if let chain { writer.attribute(2, string: chain) }
        }
    }

    /// Adds a rule at the end of the chain.
    /// - Parameter comment: shown by `nft list`, up to 128 bytes.
    public mutating func addRule(_ family: NFTablesFamily, table: String, chain: String, _ expressions: [NFTablesExpression], comment: String? = nil) {
        append(MessageType.newRule, [.create, .append], family, "add a rule to chain \(chain)") { writer in
            writer.attribute(1, string: table)
            writer.attribute(2, string: chain)
            writer.nest(4) { writer in
                for expression in expressions { expression.write(into: &writer) }
            }
            if let comment {
                // nft's user data: a list of type, length, value; type 0 is the comment.
                let text = Array(comment.utf8.prefix(127)) + [0]
                writer.attribute(7, [0, UInt8(text.count)] + text)
            }
        }
    }

    /// How many rules the batch adds to each chain.
    public var ruleCounts: [String: Int] {
        messages.reduce(into: [:]) { counts, message in
            guard message.type == Self.type(MessageType.newRule), let chain = NetlinkAttributes(message.body.dropFirst(4)).string(2) else { return }
            counts[chain, default: 0] += 1
        }
    }

    // MARK: The whole

    /// The datagram: begin, the messages, end. Only the last message asks for an acknowledgement: errors are told in any
    /// case, and thousands of acknowledgements would overrun the socket.
    func bytes(sequence first: UInt32) -> [UInt8] {
        var writer = NetlinkWriter()
        writer.message(type: 0x10, flags: .request, sequence: first, Self.header(0, resource: 10))
        for (index, message) in messages.enumerated() {
            let flags: NetlinkFlags = index == messages.count - 1 ? [.request, .acknowledge, message.flags] : [.request, message.flags]
            writer.message(type: message.type, flags: flags, sequence: first &+ 1 &+ UInt32(index)) { $0.put(message.body) }
        }
        writer.message(type: 0x11, flags: .request, sequence: first &+ 1 &+ UInt32(messages.count), Self.header(0, resource: 10))
        return writer.bytes
    }
}
