/// The order of versions by maturity: `v2`, `v1`, `v1beta2`, `v1alpha1`, and last names of other forms.
struct APIVersionOrder: Comparable {
    private let rank: (stability: Int, major: Int, minor: Int)
    private let name: String

    init(_ name: String) {
        self.name = name
        rank = Self.parse(name) ?? (0, 0, 0)
    }

    private static func parse(_ name: String) -> (Int, Int, Int)? {
        guard name.hasPrefix("v") else { return nil }
        let rest = name.dropFirst()
        let major = rest.prefix { $0.isNumber }
        guard let number = Int(major), number > 0 else { return nil }
        let tail = rest.dropFirst(major.count)
        if tail.isEmpty { return (3, number, 0) }
        for (word, stability) in [("beta", 2), ("alpha", 1)] where tail.hasPrefix(word) {
            if let minor = Int(tail.dropFirst(word.count)), minor > 0 { return (stability, number, minor) }
        }
        return nil
    }

    static func == (left: APIVersionOrder, right: APIVersionOrder) -> Bool { left.name == right.name }

    /// The more mature one comes first.
    static func < (left: APIVersionOrder, right: APIVersionOrder) -> Bool {
        left.rank == right.rank ? left.name < right.name : left.rank > right.rank
    }
}
