internal import Glibc
internal import LinuxSystem

/// nf_tables of one network namespace.
public struct NFTablesSocket: Sendable {
    public let socket: NetlinkSocket

    /// For the calling thread's network namespace.
    public init() throws(NetlinkError) { socket = try NetlinkSocket(.netfilter) }

    /// For another network namespace, by the path of its nsfs file.
    public init(inside namespacePath: String) throws { socket = try NetlinkSocket.open(.netfilter, inside: namespacePath) }

    /// Applies the transaction, all or nothing.
    /// - Throws: ``NetlinkError`` of the first message that the kernel refused.
    public func commit(_ operation: String, _ batch: NFTablesBatch) throws(NetlinkError) {
        guard !batch.isEmpty else { return }
        let first = socket.sequences(UInt32(batch.count) + 2)
        let last = first &+ UInt32(batch.count)
        try socket.send(batch.bytes(sequence: first))
        var failure: NetlinkError?
        while true {
            for message in try socket.receive() where message.type == NetlinkMessage.error {
                let number = message.sequence &- first
                guard number <= UInt32(batch.count) else { continue }
                if failure == nil { failure = error(in: message, step: number, operation, batch) }
                // An error of the begin message speaks for the commit itself, and nothing follows it.
                if message.sequence == last || message.sequence == first {
                    if let failure { throw failure }
                    return
                }
            }
        }
    }

    /// Names the step, and the element where the kernel points at one.
    private func error(in message: NetlinkMessage, step: UInt32, _ operation: String, _ batch: NFTablesBatch) -> NetlinkError? {
        guard step > 0 else { return NetlinkSocket.error(in: message, operation) }
        // Acknowledgements carry no offset. It counts from the request's header, NLMSGERR_ATTR_OFFS.
        let offset = message.flags.rawValue & 0x200 != 0 ? message.attributes(after: 20).u32(2) : nil
        let request = batch.messages[Int(step) - 1]
        let element = offset.flatMap { request.element(at: Int($0) - 16) }
        return NetlinkSocket.error(in: message, "\(operation): step \(step), \(request.label)\(element.map { ", \($0)" } ?? "")")
    }

    /// A table as the kernel lists it.
    public struct Table: Sendable, Hashable {
        public var family: NFTablesFamily
        public var name: String
        /// Never used again in this network namespace: a table that was removed and made anew has another.
        public var handle: UInt64
    }

    /// The tables of the families that this module speaks.
    public func tables() throws(NetlinkError) -> [Table] {
        try list(NFTablesBatch.MessageType.getTable).compactMap { message in
            guard let family = message.body.first.flatMap({ NFTablesFamily(rawValue: $0) }) else { return nil }
            let attributes = message.attributes(after: 4)
            guard let name = attributes.string(1), let handle = attributes.be64(4) else { return nil }
            return Table(family: family, name: name, handle: handle)
        }
    }

    /// Names of a table's chains.
    public func chains(_ family: NFTablesFamily, table: String) throws(NetlinkError) -> [String] {
        try list(NFTablesBatch.MessageType.getChain).compactMap { message in
            let attributes = message.attributes(after: 4)
            guard message.body.first == family.rawValue, attributes.string(1) == table else { return nil }
            return attributes.string(3)
        }
    }

    /// How many rules each chain of a table has.
    public func ruleCounts(_ family: NFTablesFamily, table: String) throws(NetlinkError) -> [String: Int] {
        var counts: [String: Int] = [:]
        for message in try list(NFTablesBatch.MessageType.getRule) where message.body.first == family.rawValue {
            let attributes = message.attributes(after: 4)
            if attributes.string(1) == table, let chain = attributes.string(2) { counts[chain, default: 0] += 1 }
        }
        return counts
    }

    /// Removes a table, or finds it gone.
    @discardableResult
    public func deleteTable(_ family: NFTablesFamily, _ name: String) throws(NetlinkError) -> Bool {
        var batch = NFTablesBatch()
        batch.deleteTable(family, name)
        do throws(NetlinkError) {
            try commit("delete table \(name)", batch)
            return true
        } catch {
            guard error.errno == ENOENT else { throw error }
            return false
        }
    }

    private func list(_ message: UInt16) throws(NetlinkError) -> [NetlinkMessage] {
        try socket.dump("list nftables", type: NFTablesBatch.type(message), NFTablesBatch.header(0))
    }
}
