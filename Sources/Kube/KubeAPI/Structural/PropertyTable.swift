import JSONTree

/// Finds a property by name. Every member of every object is looked up, most of them several times, so this is a hash
/// table over a few bytes of the name rather than a dictionary.
struct PropertyTable: Sendable {
    private let names: [String]
    /// Position plus one; 0 is empty. The size is a power of two.
    private let slots: [UInt16]

    init(_ names: [String]) {
        self.names = names
        var size = 2
        while size < names.count * 2 { size *= 2 }
        var slots = [UInt16](repeating: 0, count: size)
        for (position, name) in names.enumerated() {
            var slot = Self.hash(name) & (size - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (size - 1) }
            slots[slot] = UInt16(truncatingIfNeeded: position + 1)
        }
        self.slots = slots
    }

    /// The position of the name among those that the table was made of.
    func position(of name: String) -> Int? {
        let mask = slots.count - 1
        var slot = Self.hash(name) & mask
        while slots[slot] != 0 {
            let position = Int(slots[slot]) - 1
            if names[position].utf8.count == name.utf8.count, names[position] == name { return position }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Names differ in their length, or in their first or last letters.
    private static func hash(_ name: String) -> Int {
        let bytes = name.utf8
        guard let first = bytes.first else { return 0 }
        let count = bytes.count
        let last = bytes[bytes.index(before: bytes.endIndex)]
        let middle = bytes[bytes.index(bytes.startIndex, offsetBy: count / 2)]
        return Int(first) &* 7 &+ Int(last) &* 31 &+ Int(middle) &* 131 &+ count
    }
}
