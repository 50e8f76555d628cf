/// A type of keys and values, by nft's number and the length in bytes. The kernel knows the lengths alone; the number makes
/// `nft list` readable.
public struct NFTablesType: Sendable, Hashable {
    public let number: UInt32
    public let length: Int
    public init(number: UInt32, length: Int) { (self.number, self.length) = (number, length) }

    public static let ipv4Address = NFTablesType(number: 7, length: 4)
    public static let ipv6Address = NFTablesType(number: 8, length: 16)
    public static let transportProtocol = NFTablesType(number: 12, length: 1)
    public static let port = NFTablesType(number: 13, length: 2)
    /// A number in the machine's byte order.
    public static let mark = NFTablesType(number: 19, length: 4)
    /// A packet's priority, which nft shows as a traffic class.
    public static let priority = NFTablesType(number: 23, length: 4)
    public static let interfaceName = NFTablesType(number: 41, length: 16)

    public static func address(_ family: IPAddress.Family) -> NFTablesType { family == .v4 ? .ipv4Address : .ipv6Address }

    /// A concatenation's number: six bits for each part.
    static func number(_ types: [NFTablesType]) -> UInt32 { types.reduce(0) { $0 << 6 | $1.number } }

    /// The parts of a concatenation each fill whole registers.
    static func length(_ types: [NFTablesType]) -> Int {
        types.count == 1 ? types[0].length : types.reduce(0) { $0 + ($1.length + 3) & ~3 }
    }
}

/// A set, a map (keys to values) or a verdict map (keys to verdicts).
public struct NFTablesSet: Sendable, Hashable {
    public enum Data: Sendable, Hashable {
        case none
        case values([NFTablesType])
        case verdicts
    }
    public struct Options: OptionSet, Sendable, Hashable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// Keys are ranges.
        public static let interval = Options(rawValue: 0x4)
        /// Elements may have a timeout.
        public static let timeout = Options(rawValue: 0x10)
        /// Rules add elements.
        public static let dynamic = Options(rawValue: 0x20)
    }

    public var name: String
    /// More than one: a concatenation.
    public var key: [NFTablesType]
    public var data: Data
    public var options: Options
    /// The most elements; nil: no limit. Sets that rules add to need one.
    public var size: UInt32?

    public init(_ name: String, key: [NFTablesType], data: Data = .none, options: Options = [], size: UInt32? = nil) {
        (self.name, self.key, self.data, self.options, self.size) = (name, key, data, options, size)
    }

    var flags: UInt32 {
        // NFT_SET_MAP for both kinds of maps; NFT_SET_CONCAT tells the kernel that ranges are meant field by field.
        options.rawValue | (data == .none ? 0 : 0x8) | (options.contains(.interval) && key.count > 1 ? 0x80 : 0)
    }

    func write(into writer: inout NetlinkWriter, table: String, number: UInt32) {
        writer.attribute(1, string: table)
        writer.attribute(2, string: name)
        writer.attribute(3, be32: flags)
        writer.attribute(4, be32: NFTablesType.number(key))
        writer.attribute(5, be32: UInt32(NFTablesType.length(key)))
        switch data {
        case .none: break
        case .values(let types):
            writer.attribute(6, be32: NFTablesType.number(types))
            writer.attribute(7, be32: UInt32(NFTablesType.length(types)))
        case .verdicts:
            writer.attribute(6, be32: 0xffff_ff00)  // NFT_DATA_VERDICT
            writer.attribute(7, be32: 16)
        }
        let ranges = options.contains(.interval) && key.count > 1
        if size != nil || ranges {
            writer.nest(9) { writer in  // NFTA_SET_DESC
                if let size { writer.attribute(1, be32: size) }
                if ranges {
                    writer.nest(2) { writer in  // NFTA_SET_DESC_CONCAT
                        for type in key { writer.nest(1) { $0.attribute(1, be32: UInt32(type.length)) } }
                    }
                }
            }
        }
        writer.attribute(10, be32: number)
    }
}

/// One element. Bytes are as the registers hold them: the parts of a concatenation padded to four bytes, addresses and ports
/// in network order, marks in the machine's.
public struct NFTablesElement: Sendable, Hashable {
    public enum Data: Sendable, Hashable {
        case none
        case value([UInt8])
        case verdict(NFTablesExpression.Verdict)
    }
    public var key: [UInt8]
    /// The last key of a range, in a set of concatenated ranges.
    public var keyEnd: [UInt8]?
    public var data: Data
    /// The key is the first that is no longer in the range before it (sets of plain ranges).
    public var isIntervalEnd: Bool
    /// Milliseconds of its whole life, and how many are left of them.
    public var timeout: UInt64?
    public var expiration: UInt64?

    public init(
        _ key: [UInt8], through keyEnd: [UInt8]? = nil, data: Data = .none, isIntervalEnd: Bool = false, timeout: UInt64? = nil, expiration: UInt64? = nil
    ) {
        (self.key, self.keyEnd, self.data, self.isIntervalEnd) = (key, keyEnd, data, isIntervalEnd)
        (self.timeout, self.expiration) = (timeout, expiration)
    }

    /// The two elements of a range of addresses, in a set of plain ranges.
    public static func range(_ prefix: IPPrefix) -> [NFTablesElement] {
        let first = NFTablesElement(prefix.network.bytes)
        // Without an end the range reaches to the last address.
        var end = prefix.last.bytes
        for index in end.indices.reversed() {
            end[index] &+= 1
            if end[index] != 0 { return [first, NFTablesElement(end, isIntervalEnd: true)] }
        }
        return [first]
    }

    func write(into writer: inout NetlinkWriter) {
        writer.nest(1) { writer in  // NFTA_LIST_ELEM
            writer.nest(1) { $0.attribute(1, key) }
            if let keyEnd { writer.nest(10) { $0.attribute(1, keyEnd) } }
            switch data {
            case .none: break
            case .value(let bytes): writer.nest(2) { $0.attribute(1, bytes) }
            case .verdict(let verdict): writer.nest(2) { $0.nest(2) { verdict.write(into: &$0) } }
            }
            if isIntervalEnd { writer.attribute(3, be32: 1) }
            if let timeout { writer.attribute(4, be64: timeout) }
            if let expiration { writer.attribute(5, be64: expiration) }
        }
    }

    /// Reads what the kernel lists; nil if there is no key.
    init?(_ attributes: NetlinkAttributes) {
        guard let key = attributes.nest(1)?[1] else { return nil }
        self.key = Array(key)
        keyEnd = attributes.nest(10)?[1].map { Array($0) }
        let data = attributes.nest(2)
        if let value = data?[1] {
            self.data = .value(Array(value))
        } else if let verdict = data?.nest(2).flatMap({ NFTablesExpression.Verdict($0) }) {
            self.data = .verdict(verdict)
        } else {
            self.data = .none
        }
        isIntervalEnd = (attributes.be32(3) ?? 0) & 1 != 0
        (timeout, expiration) = (attributes.be64(4), attributes.be64(5))
    }
}

extension IPPrefix {
    /// The last address: every bit behind the length set.
    public var last: IPAddress {
        var bytes = network.bytes
        for index in bytes.indices {
            let bits = min(max(Int(length) - index * 8, 0), 8)
            bytes[index] |= UInt8(truncatingIfNeeded: 0xff >> bits)
        }
        return IPAddress(bytes: bytes) ?? network
    }
}

extension NFTablesExpression.Verdict {
    /// Reads NFTA_VERDICT_CODE and NFTA_VERDICT_CHAIN.
    init?(_ attributes: NetlinkAttributes) {
        guard let code = attributes.be32(1) else { return nil }
        switch (Int32(bitPattern: code), attributes.string(2)) {
        case (0, _): self = .drop
        case (1, _): self = .accept
        case (-5, _): self = .return
        case (-3, let chain?): self = .jump(chain)
        case (-4, let chain?): self = .goto(chain)
        default: return nil
        }
    }
}
