/// The members of a JSON object, in the order in which they were written.
///
/// Look-up is a linear search over a few members and an index over many, so that an object with a hundred thousand
/// members is no way to stop a server.
public struct JSONObject: Sendable {
    public struct Member: Sendable, Hashable {
        public let key: String
        public var value: JSON

        public init(key: String, value: JSON) {
            self.key = key
            self.value = value
        }
    }

    /// The members in order. No two have the same key.
    public fileprivate(set) var members: [Member] = []
    /// Position by key; empty while a linear search is as fast.
    private var index: [IndexKey: Int] = [:]

    /// Keys are equal if their bytes are: Swift's equality of texts is wider than JSON's.
    private struct IndexKey: Hashable {
        let text: String

        static func == (left: IndexKey, right: IndexKey) -> Bool { JSONObject.areEqual(left.text, right.text) }

        func hash(into hasher: inout Hasher) {
            var text = text
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }

    @inline(__always)
    private static func areEqual(_ left: String, _ right: String) -> Bool {
        left.utf8.count == right.utf8.count && left == right
    }

    private static let indexThreshold = 24

    public init() {}

    /// Members in order; of two with one key, the first place and the last value count.
    public init(_ pairs: some Sequence<(String, JSON)>) {
        for (key, value) in pairs { self[key] = value }
    }

    public var count: Int { members.count }
    public var isEmpty: Bool { members.isEmpty }
    public var keys: [String] { members.map(\.key) }

    public func contains(_ key: String) -> Bool { position(of: key) != nil }

    public mutating func reserveCapacity(_ count: Int) { members.reserveCapacity(count) }

    /// The value of a member; setting a new one appends it, setting nil removes it.
    public subscript(_ key: String) -> JSON? {
        get { position(of: key).map { members[$0].value } }
        _modify {
            if let position = position(of: key) {
                var value: JSON? = .null
                // The value is moved out and back, so that the caller holds its only reference.
                swapValue(at: position, &value)
                defer {
                    if value != nil { swapValue(at: position, &value) } else { remove(at: position) }
                }
                yield &value
            } else {
                var value: JSON?
                yield &value
                if let value { append(key: key, value: value) }
            }
        }
    }

    /// Adds a member that the caller knows to be new.
    public mutating func append(key: String, value: JSON) {
        if !index.isEmpty { index[IndexKey(text: key)] = members.count }
        if members.isEmpty { members.reserveCapacity(4) }
        members.append(Member(key: key, value: value))
        if members.count == Self.indexThreshold { rebuildIndex() }
    }

    /// Removes a member and returns its value.
    @discardableResult
    public mutating func removeValue(forKey key: String) -> JSON? {
        guard let position = position(of: key) else { return nil }
        let value = members[position].value
        remove(at: position)
        return value
    }

    /// Keeps the members for which the predicate holds.
    public mutating func removeAll(where shouldRemove: (Member) throws -> Bool) rethrows {
        try members.removeAll(where: shouldRemove)
        rebuildIndex()
    }

    /// Changes every value in place, in order.
    public mutating func mutateValues<Failure: Error>(_ body: (String, inout JSON) throws(Failure) -> Void) throws(Failure) {
        for position in members.indices { try body(members[position].key, &members[position].value) }
    }

    /// The same members, sorted by key.
    public func sortedByKey() -> JSONObject {
        var sorted = self
        sorted.members.sort { $0.key < $1.key }
        sorted.rebuildIndex()
        return sorted
    }

    private func position(of key: String) -> Int? {
        if !index.isEmpty { return index[IndexKey(text: key)] }
        return members.firstIndex { Self.areEqual($0.key, key) }
    }

    private mutating func swapValue(at position: Int, _ value: inout JSON?) {
        guard var other = value else { return }
        swap(&members[position].value, &other)
        value = other
    }

    private mutating func remove(at position: Int) {
        members.remove(at: position)
        rebuildIndex()
    }

    private mutating func rebuildIndex() {
        if members.count < Self.indexThreshold {
            index = [:]
        } else {
            index = [:]
            index.reserveCapacity(members.count)
            for (position, member) in members.enumerated() { index[IndexKey(text: member.key)] = position }
        }
    }
}

extension JSONObject: Sequence {
    /// Goes through the members as (key, value).
    public func makeIterator() -> Iterator { Iterator(members: members.makeIterator()) }

    public struct Iterator: IteratorProtocol {
        var members: IndexingIterator<[Member]>
        public mutating func next() -> (key: String, value: JSON)? { members.next().map { ($0.key, $0.value) } }
    }

    public var underestimatedCount: Int { members.count }
}

extension JSONObject: Hashable {
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        guard left.count == right.count else { return false }
        if left.members == right.members { return true }
        return left.members.allSatisfy { right[$0.key] == $0.value }
    }

    public func hash(into hasher: inout Hasher) {
        // Order must not matter, so the members' own hashes are combined by a commutative operation.
        hasher.combine(members.reduce(into: 0) { $0 ^= $1.hashValue })
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, JSON)...) { self.init(elements) }
}

extension JSONObject {
    /// Changes every value in place, in order, and removes the members for which the closure returns false.
    public mutating func retain<Failure: Error>(
        where keep: (String, inout JSON) throws(Failure) -> Bool
    ) throws(Failure) {
        var removed: Set<Int> = []
        for position in members.indices {
            if try !keep(members[position].key, &members[position].value) { removed.insert(position) }
        }
        if removed.isEmpty { return }
        var position = -1
        removeAll { _ in
            position += 1
            return removed.contains(position)
        }
    }
}
