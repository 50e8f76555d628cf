/// A domain name: labels of bytes, compared without regard to the case of ASCII letters (RFC 1035, RFC 4343).
public struct DNSName: Sendable, Hashable, CustomStringConvertible {
    /// The labels as they came, the leftmost first; none for the root.
    public private(set) var labels: [[UInt8]]

    public static let root = DNSName(unchecked: [])

    private init(unchecked labels: [[UInt8]]) { self.labels = labels }

    /// A name of these labels; `nil` if one is empty or longer than 63 bytes, or all take more than 255 bytes on the wire.
    public init?(labels: [[UInt8]]) {
        guard labels.allSatisfy({ (1...63).contains($0.count) }), labels.reduce(1, { $0 + $1.count + 1 }) <= 255 else { return nil }
        self.labels = labels
    }

    /// Reads `kubernetes.default.svc.cluster.local`, with or without a final dot. There are no escapes: Kubernetes' names need none.
    public init?(_ text: String) {
        let trimmed = text.hasSuffix(".") ? text.dropLast() : text[...]
        guard !trimmed.isEmpty else {
            self = .root
            return
        }
        self.init(labels: trimmed.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map(Array.init))
    }

    /// The labels in lower case, as text; bytes that are no UTF-8 are replaced, so do not compare by it.
    public var words: [String] { labels.map { String(decoding: $0.map(Self.lower), as: UTF8.self) } }

    /// With a final dot; what could be mistaken is written as `\ddd`.
    public var description: String {
        guard !labels.isEmpty else { return "." }
        return labels.map { label in
            var text = ""
            for byte in label {
                switch byte {
                case UInt8(ascii: "."), UInt8(ascii: "\\"): text += "\\" + String(UnicodeScalar(byte))
                case 0x21...0x7e: text.unicodeScalars.append(UnicodeScalar(byte))
                default: text += "\\" + String(repeating: "0", count: 3 - String(byte).count) + String(byte)
                }
            }
            return text + "."
        }.joined()
    }

    /// The labels before `suffix`; `nil` if the name does not end with it. The suffix itself has none.
    public func labels(before suffix: DNSName) -> [[UInt8]]? {
        guard labels.count >= suffix.labels.count, Self.areEqual(labels.suffix(suffix.labels.count), suffix.labels[...]) else { return nil }
        return Array(labels.dropLast(suffix.labels.count))
    }

    public static func == (left: DNSName, right: DNSName) -> Bool {
        left.labels.count == right.labels.count && areEqual(left.labels[...], right.labels[...])
    }

    public func hash(into hasher: inout Hasher) {
        for label in labels {
            hasher.combine(label.count)
            for byte in label { hasher.combine(Self.lower(byte)) }
        }
    }

    private static func areEqual(_ left: ArraySlice<[UInt8]>, _ right: ArraySlice<[UInt8]>) -> Bool {
        zip(left, right).allSatisfy { left, right in left.count == right.count && zip(left, right).allSatisfy { lower($0) == lower($1) } }
    }

    static func lower(_ byte: UInt8) -> UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte }
}
