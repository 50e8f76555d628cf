extension NFTablesBatch {
    // MARK: Sets and maps

    /// Makes a set, or finds one of the same shape there.
    public mutating func addSet(_ family: NFTablesFamily, table: String, _ set: NFTablesSet) {
        setCount += 1
        let number = setCount
        append(MessageType.newSet, .create, family, "add \(set.data == .none ? "set" : "map") \(set.name)") { writer in
            set.write(into: &writer, table: table, number: number)
        }
    }

    /// Removes a set that no rule uses.
    public mutating func deleteSet(_ family: NFTablesFamily, table: String, _ name: String) {
        append(MessageType.deleteSet, [], family, "delete set \(name)") { writer in
            writer.attribute(1, string: table)
            writer.attribute(2, string: name)
        }
    }

    /// Removes every element.
    public mutating func flushSet(_ family: NFTablesFamily, table: String, _ name: String) {
        append(MessageType.deleteElement, [], family, "flush set \(name)") { writer in
            writer.attribute(1, string: table)
            writer.attribute(2, string: name)
        }
    }

    /// Adds elements, in as many messages as their bytes need.
    /// - Parameter exclusive: a key that is there already is an error (EEXIST), even with the same value.
    public mutating func addElements(
        _ family: NFTablesFamily, table: String, set: String, _ elements: some Sequence<NFTablesElement>, exclusive: Bool = false
    ) {
        appendElements(MessageType.newElement, exclusive ? [.create, .exclusive] : .create, family, table, set, "add elements to \(set)") { nest in
            for element in elements { nest { element.write(into: &$0) } }
        }
    }

    /// Removes elements by their keys; one that is not there is an error (ENOENT).
    public mutating func deleteElements(_ family: NFTablesFamily, table: String, set: String, _ elements: some Sequence<NFTablesElement>) {
        appendElements(MessageType.deleteElement, [], family, table, set, "delete elements from \(set)") { nest in
            for element in elements {
                nest { NFTablesElement(element.key, through: element.keyEnd, isIntervalEnd: element.isIntervalEnd).write(into: &$0) }
            }
        }
    }

    /// Bytes of elements in one message. NFTA_SET_ELEM_LIST_ELEMENTS is one attribute, so its length must fit 16 bits; an
    /// element is at most a few hundred bytes.
    private static let chunk = 60_000

    /// - Parameter write: calls its argument once for each element.
    private mutating func appendElements(
        _ type: UInt16, _ flags: NetlinkFlags, _ family: NFTablesFamily, _ table: String, _ set: String, _ label: String,
        _ write: (_ element: ((inout NetlinkWriter) -> Void) -> Void) -> Void
    ) {
        var chunks: [[UInt8]] = []
        var writer = NetlinkWriter()
        write { element in
            element(&writer)
            if writer.bytes.count >= Self.chunk {
                chunks.append(writer.bytes)
                writer = NetlinkWriter()
                writer.reserve(Self.chunk + 512)
            }
        }
        if !writer.bytes.isEmpty { chunks.append(writer.bytes) }
        for chunk in chunks {
            var message = NetlinkWriter()
            message.reserve(chunk.count + 64)
            Self.header(family.rawValue)(&message)
            message.attribute(1, string: table)
            message.attribute(2, string: set)
            message.nest(3) { $0.put(chunk) }
            append(Message(type: Self.type(type), flags: flags, body: message.bytes, label: label))
        }
    }
}

extension NFTablesBatch.Message {
    /// The element that holds the byte at an offset of the body, by its key.
    func element(at offset: Int) -> String? {
        guard type == NFTablesBatch.type(NFTablesBatch.MessageType.newElement) || type == NFTablesBatch.type(NFTablesBatch.MessageType.deleteElement),
            let list = NetlinkAttributes(body.dropFirst(4))[3], list.indices.contains(offset)
        else { return nil }
        for (_, value) in NetlinkAttributes(list) where value.startIndex - 4 <= offset && offset < value.endIndex {
            guard let key = NetlinkAttributes(value).nest(1)?[1] else { return nil }
            return "key " + key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        return nil
    }
}
