/// One step of a rule: a small instruction on registers. Steps that do not match end the rule.
public enum NFTablesExpression: Sendable, Hashable {
    /// A 128-bit register, 1 to 4, or a 32-bit part of them, 8 to 23 (``word(_:)``). 0 is the verdict.
    public typealias Register = UInt32

    /// The 32-bit registers, 0 to 15: registers next to each other make a concatenation.
    public static func word(_ index: Int) -> Register { Register(8 + index) }

    public enum Header: UInt32, Sendable, Hashable { case link = 0, network, transport }
    public enum Comparison: UInt32, Sendable, Hashable { case equal = 0, notEqual, less, lessOrEqual, greater, greaterOrEqual }
    /// What is known of a packet beside its bytes (`NFT_META_*`).
    public enum MetaKey: UInt32, Sendable, Hashable {
        case priority = 2
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
    /// Looks a key up in a set or map; no match ends the rule.
    /// - Parameter into: where a map's value goes; 0 runs a verdict map's verdict; nil for sets.
    case lookup(String, from: Register, into: Register? = nil, inverted: Bool = false)
    /// Destination NAT to the address and port in registers; ends the chain.
    case destinationNAT(IPAddress.Family, address: Register, port: Register)
    /// An even random number from 0 on, in the machine's byte order.
    case random(below: UInt32, into: Register)
    case conntrack(ConntrackKey, into: Register)
    /// Adds, refreshes or removes an element of a dynamic set. A full set ends the rule.
    /// - Parameters:
    ///   - data: the value; maps want it for removals too.
    ///   - timeout: milliseconds; 0: the set's.
    case change(SetChange, String, key: Register, data: Register? = nil, timeout: UInt64 = 0)
    case reject(Rejection)
    /// What kind of address the host takes this packet's for (`RTN_*`): 2 is its own.
    case addressType(Direction, into: Register)
    case range(Register, from: [UInt8], through: [UInt8], negated: Bool = false)

    /// What is known of the packet's connection (`NFT_CT_*`).
    public enum ConntrackKey: Sendable, Hashable {
        /// Bits: 2 established, 4 related, 8 new.
        case state
        /// Bits (`IPS_*`): 0x20 destination NAT.
        case status
        case mark
        /// Addresses and ports as the connection began, before NAT.
        case originalSource(IPAddress.Family)
        case originalDestination(IPAddress.Family)
        case originalSourcePort
        case originalDestinationPort
    }

    public enum SetChange: UInt32, Sendable, Hashable {
        case add = 0
        /// Adds, or renews the time of an element that is there; its value stays as it was.
        case update
        case delete
    }

    public enum Rejection: Sendable, Hashable {
        /// ICMP or ICMPv6 port unreachable: connect(2) fails with ECONNREFUSED.
        case portUnreachable
        case tcpReset
    }
}

// MARK: Matches, as one would write them

extension NFTablesExpression {
    /// `meta nfproto ipv4`: what an inet table needs before it looks at a header.
    public static func family(_ family: IPAddress.Family) -> [NFTablesExpression] {
        [.meta(.networkProtocol, into: 1), .compare(1, .equal, [family.rawValue])]
    }

    public enum Direction: Sendable, Hashable { case source, destination }

    /// Where the address is in the network header, for ``payload(_:offset:length:into:)``.
    public static func address(_ direction: Direction, _ family: IPAddress.Family, into register: Register) -> NFTablesExpression {
        let offset: UInt32 = switch (family, direction) {
        case (.v4, .source): 12
        case (.v4, .destination): 16
        case (.v6, .source): 8
        case (.v6, .destination): 24
        }
        return .payload(.network, offset: offset, length: UInt32(family.width / 8), into: register)
    }

    /// `tcp dport` and its kin: at the same place for TCP, UDP and SCTP.
    public static func port(_ direction: Direction, into register: Register) -> NFTablesExpression {
        .payload(.transport, offset: direction == .source ? 0 : 2, length: 2, into: register)
    }

    /// Any of these bits of a register is set.
    public static func anyBit(_ bits: UInt32, of register: Register) -> [NFTablesExpression] {
        let mask = withUnsafeBytes(of: bits) { Array($0) }
        return [.bitwise(register, mask: mask, xor: [0, 0, 0, 0]), .compare(register, .notEqual, [0, 0, 0, 0])]
    }
    /// `ip saddr 10.244.0.0/16` and its kin; the family must have been matched.
    public static func address(_ direction: Direction, in prefix: IPPrefix, negated: Bool = false) -> [NFTablesExpression] {
        let whole = address(direction, prefix.address.family, into: 1)
        guard case .payload(_, let offset, _, _) = whole else { return [] }
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
            whole,
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
