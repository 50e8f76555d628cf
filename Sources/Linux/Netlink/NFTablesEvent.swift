/// A change of nf_tables that somebody made, as the multicast group ``NetlinkGroup/nftables`` tells it. The messages of one
/// transaction come together and end with its generation.
public enum NFTablesEvent: Sendable, Hashable {
    public enum Subject: String, Sendable, Hashable { case table, chain, rule, set, element }

    case added(Subject, NFTablesFamily, table: String)
    case removed(Subject, NFTablesFamily, table: String)
    /// A transaction is complete.
    /// - process: who asked for it, as far as the kernel knows (`nft`).
    case generation(UInt32, pid: UInt32, process: String)

    /// Nil for messages of other subsystems, families and kinds.
    public init?(_ message: NetlinkMessage) {
        guard message.type >> 8 == 10, let first = message.body.first else { return nil }
        let attributes = message.attributes(after: 4)
        typealias Kind = NFTablesBatch.MessageType
        if message.type & 0xff == Kind.newGeneration {
            guard let number = attributes.be32(1) else { return nil }
            self = .generation(number, pid: attributes.be32(2) ?? 0, process: attributes.string(3) ?? "")
            return
        }
        guard let family = NFTablesFamily(rawValue: first), let table = attributes.string(1) else { return nil }
        switch message.type & 0xff {
        case Kind.newTable: self = .added(.table, family, table: table)
        case Kind.deleteTable: self = .removed(.table, family, table: table)
        case Kind.newChain: self = .added(.chain, family, table: table)
        case Kind.deleteChain: self = .removed(.chain, family, table: table)
        case Kind.newRule: self = .added(.rule, family, table: table)
        case Kind.deleteRule: self = .removed(.rule, family, table: table)
        case Kind.newSet: self = .added(.set, family, table: table)
        case Kind.deleteSet: self = .removed(.set, family, table: table)
        case Kind.newElement: self = .added(.element, family, table: table)
        case Kind.deleteElement: self = .removed(.element, family, table: table)
        default: return nil
        }
    }
}
