internal import PercentEncoding

/// The query of a request, decoded: ordered pairs, in which a name may occur more than once.
public struct QueryItems: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    public struct Item: Sendable, Hashable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public var items: [Item]

    public init(_ items: [Item] = []) {
        self.items = items
    }

    public init(dictionaryLiteral elements: (String, String)...) {
        items = elements.map { Item(name: $0.0, value: $0.1) }
    }

    /// Reads `application/x-www-form-urlencoded` text: `+` is a space, `%XX` a byte. A percent sign that starts no
    /// valid escape stands for itself, and bytes that are not UTF-8 are replaced: a query never fails to parse.
    public init(parsing query: some StringProtocol) {
        items = []
        for pair in query.utf8.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: true) {
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            let value = pair.dropFirst(name.count + 1)
            items.append(Item(name: percentDecoded(name, plusIsSpace: true), value: percentDecoded(value, plusIsSpace: true)))
        }
    }

    /// The first value of the name.
    public subscript(_ name: String) -> String? {
        items.first { $0.name == name }?.value
    }

    /// All values of the name, in their order: `command=ls&command=-l`.
    public func all(_ name: String) -> [String] {
        items.compactMap { $0.name == name ? $0.value : nil }
    }

    public var isEmpty: Bool { items.isEmpty }

    /// The query as it goes into a URL, without the question mark.
    public var encoded: String {
        items.map { percentEncoded($0.name) + "=" + percentEncoded($0.value) }.joined(separator: "&")
    }
}
