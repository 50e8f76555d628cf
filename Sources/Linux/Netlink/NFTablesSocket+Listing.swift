internal import Glibc

/// What the kernel holds, for audits. Changes are never made from listings.
extension NFTablesSocket {
    /// A table as the kernel has it; nil if there is none of that name.
    public func table(_ family: NFTablesFamily, _ name: String) throws(NetlinkError) -> Table? {
        do throws(NetlinkError) {
            let messages = try socket.get("find table \(name)", type: NFTablesBatch.type(NFTablesBatch.MessageType.getTable)) { writer in
                NFTablesBatch.header(family.rawValue)(&writer)
                writer.attribute(1, string: name)
            }
            return messages.lazy.compactMap { message in
                let attributes = message.attributes(after: 4)
                guard let name = attributes.string(1), let handle = attributes.be64(4) else { return nil }
                return Table(family: family, name: name, handle: handle)
            }.first
        } catch {
            guard error.errno == ENOENT else { throw error }
            return nil
        }
    }

    /// Counts the transactions of this network namespace, anybody's.
    public func generation() throws(NetlinkError) -> UInt32 {
        let messages = try socket.get("read the generation", type: NFTablesBatch.type(NFTablesBatch.MessageType.getGeneration), NFTablesBatch.header(0))
        guard let number = messages.first?.attributes(after: 4).be32(1) else {
            throw NetlinkError(.malformed, "expected the generation of nf_tables, found none")
        }
        return number
    }

    /// Names of a table's sets and maps.
    public func sets(_ family: NFTablesFamily, table: String) throws(NetlinkError) -> [String] {
        try list(NFTablesBatch.MessageType.getSet, family) { $0.attribute(1, string: table) }.compactMap { message in
            let attributes = message.attributes(after: 4)
            return attributes.string(1) == table ? attributes.string(2) : nil
        }
    }

    /// The elements of a set, in the kernel's order.
    /// - Throws: ``NetlinkError`` with ENOENT if there is no such set.
    public func elements(_ family: NFTablesFamily, table: String, set: String) throws(NetlinkError) -> [NFTablesElement] {
        var elements: [NFTablesElement] = []
        let messages = try list(NFTablesBatch.MessageType.getElement, family) { writer in
            writer.attribute(1, string: table)
            writer.attribute(2, string: set)
        }
        for message in messages {
            guard let list = message.attributes(after: 4).nest(3) else { continue }
            for (type, value) in list where type == 1 {
                if let element = NFTablesElement(NetlinkAttributes(value)) { elements.append(element) }
            }
        }
        return elements
    }

    func list(_ message: UInt16, _ family: NFTablesFamily, _ body: (inout NetlinkWriter) -> Void) throws(NetlinkError) -> [NetlinkMessage] {
        try socket.dump("list nftables", type: NFTablesBatch.type(message)) { writer in
            NFTablesBatch.header(family.rawValue)(&writer)
            body(&writer)
        }
    }
}
