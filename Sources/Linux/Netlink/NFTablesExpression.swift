/// One step of a rule: a small instruction on registers. Steps that do not match end the rule.
public enum NFTablesExpression: Sendable, Hashable {
    /// A 128-bit register, 1 to 4.
    public typealias Register = UInt32

    public enum Header: UInt32, Sendable, Hashable { case link = 0, network, transport }
    public enum Comparison: UInt32, Sendable, Hashable { case equal = 0, notEqual, less, lessOrEqual, greater, greaterOrEqual }
    /// What is known of a packet beside its bytes (`NFT_META_*`).
    public enum MetaKey: UInt32, Sendable, Hashable {
        case mark = 3
        case inputInterface = 4
        case outputInterface = 5
        case inputInterfaceName = 6
        case outputInterfaceName = 7
        case networkProtocol = 15
        case transportProtocol = 16
    }
    public enum Verdict: Sendable, Hashable {
        case drop, accept, `return`
        case jump(String), goto(String)
    }

    /// Loads bytes of a header.
    case payload(Header, offset: UInt32, length: UInt32, into: Register)
    case meta(MetaKey, into: Register)
    case setMeta(MetaKey, from: Register)
    /// `register = register & mask ^ xor`
    case bitwise(Register, mask: [UInt8], xor: [UInt8])
    case compare(Register, Comparison, [UInt8])
    case immediate(Register, [UInt8])
    case verdict(Verdict)
    case counter
    /// The source becomes the outgoing link's address, the port a random one: sequential choice collides when many pods
    /// open connections to one destination at once.
    case masqueradeFullyRandom

    var name: String {
        switch self {
        case .payload: "payload"
        case .meta, .setMeta: "meta"
        case .bitwise: "bitwise"
        case .compare: "cmp"
        case .immediate, .verdict: "immediate"
        case .counter: "counter"
        case .masqueradeFullyRandom: "masq"
        }
    }

    func write(into writer: inout NetlinkWriter) {
        writer.nest(1) { writer in  // NFTA_LIST_ELEM
            writer.attribute(1, string: name)
            writer.nest(2) { writeData(into: &$0) }
        }
    }

    private func writeData(into writer: inout NetlinkWriter) {
        switch self {
        case .payload(let header, let offset, let length, let register):
            writer.attribute(1, be32: register)
            writer.attribute(2, be32: header.rawValue)
            writer.attribute(3, be32: offset)
            writer.attribute(4, be32: length)
        case .meta(let key, let register):
            writer.attribute(2, be32: key.rawValue)
            writer.attribute(1, be32: register)
        case .setMeta(let key, let register):
            writer.attribute(2, be32: key.rawValue)
            writer.attribute(3, be32: register)
        case .bitwise(let register, let mask, let xor):
            writer.attribute(1, be32: register)
            writer.attribute(2, be32: register)
            writer.attribute(3, be32: UInt32(mask.count))
            writer.nest(4) { $0.attribute(1, mask) }
            writer.nest(5) { $0.attribute(1, xor) }
        case .compare(let register, let comparison, let value):
            writer.attribute(1, be32: register)
            writer.attribute(2, be32: comparison.rawValue)
            writer.nest(3) { $0.attribute(1, value) }
        case .immediate(let register, let value):
            writer.attribute(1, be32: register)
            writer.nest(2) { $0.attribute(1, value) }
        case .verdict(let verdict):
            writer.attribute(1, be32: 0)  // NFT_REG_VERDICT
            writer.nest(2) { $0.nest(2) { verdict.write(into: &$0) } }
        case .counter:
            writer.attribute(1, be64: 0)
            writer.attribute(2, be64: 0)
        case .masqueradeFullyRandom:
            writer.attribute(1, be32: 0x10)  // NF_NAT_RANGE_PROTO_RANDOM_FULLY
        }
    }
}

extension NFTablesExpression.Verdict {
    func write(into writer: inout NetlinkWriter) {
        switch self {
        case .drop: writer.attribute(1, be32: 0)
        case .accept: writer.attribute(1, be32: 1)
        case .return: writer.attribute(1, be32: UInt32(bitPattern: -5))
        case .jump(let chain):
            writer.attribute(1, be32: UInt32(bitPattern: -3))
            writer.attribute(2, string: chain)
        case .goto(let chain):
            writer.attribute(1, be32: UInt32(bitPattern: -4))
            writer.attribute(2, string: chain)
        }
    }
}

// MARK: Matches, as one would write them

extension NFTablesExpression {
    /// `meta nfproto ipv4`: what an inet table needs before it looks at a header.
    public static func family(_ family: IPAddress.Family) -> [NFTablesExpression] {
        [.meta(.networkProtocol, into: 1), .compare(1, .equal, [family.rawValue])]
    }

    public enum Direction: Sendable, Hashable { case source, destination }

    /// `ip saddr 10.244.0.0/16` and its kin; the family must have been matched.
    public static func address(_ direction: Direction, in prefix: IPPrefix, negated: Bool = false) -> [NFTablesExpression] {
        let offset: UInt32 = switch (prefix.address.family, direction) {
        case (.v4, .source): 12
        case (.v4, .destination): 16
        case (.v6, .source): 8
        case (.v6, .destination): 24
        }
        let bytes = prefix.network.bytes
        let comparison: Comparison = negated ? .notEqual : .equal
        // Whole bytes need no mask; nft writes and reads it the same way.
        if prefix.length > 0, prefix.length % 8 == 0 {
            let length = Int(prefix.length / 8)
            return [.payload(.network, offset: offset, length: UInt32(length), into: 1), .compare(1, comparison, Array(bytes.prefix(length)))]
        }
        let mask = bytes.indices.map { index in
            let bits = min(max(Int(prefix.length) - index * 8, 0), 8)
            return UInt8(truncatingIfNeeded: 0xff00 >> bits)
        }
        return [
            .payload(.network, offset: offset, length: UInt32(bytes.count), into: 1),
            .bitwise(1, mask: mask, xor: [UInt8](repeating: 0, count: bytes.count)),
            .compare(1, comparison, bytes),
        ]
    }

    /// `iifname "eth0"`, or `iifname "swl*"` for a prefix.
    public static func interface(_ key: MetaKey, _ name: String, isPrefix: Bool = false, negated: Bool = false) -> [NFTablesExpression] {
        // A whole name is compared with its padding of zeros, a prefix without.
        let text = Array(name.utf8.prefix(15))
        let value = isPrefix ? text : text + [UInt8](repeating: 0, count: 16 - text.count)
        return [.meta(key, into: 1), .compare(1, negated ? .notEqual : .equal, value)]
    }
}
