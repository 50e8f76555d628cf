/// An IPv4 or IPv6 address.
public enum IPAddress: Sendable, Hashable, Comparable, CustomStringConvertible {
    case v4(UInt32)
    case v6(UInt64, UInt64)

    /// The address family's number in netlink messages.
    public enum Family: UInt8, Sendable, Hashable {
        case v4 = 2
        case v6 = 10
        /// Bits of an address.
        public var width: UInt8 { self == .v4 ? 32 : 128 }
    }

    public var family: Family {
        switch self {
        case .v4: .v4
        case .v6: .v6
        }
    }

    /// Network byte order, 4 or 16 bytes.
    public var bytes: [UInt8] {
        switch self {
        case .v4(let value): (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
        case .v6(let high, let low):
            (0..<8).map { UInt8(truncatingIfNeeded: high >> (56 - 8 * $0)) } + (0..<8).map { UInt8(truncatingIfNeeded: low >> (56 - 8 * $0)) }
        }
    }

    /// - Parameter bytes: 4 or 16, network byte order; nil for any other count.
    public init?(bytes: some Collection<UInt8>) {
        switch bytes.count {
        case 4: self = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case 16: self = .v6(bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }, bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) })
        default: return nil
        }
    }

    /// Dotted decimal without leading zeros, or RFC 4291 text without a zone.
    public init?(_ text: some StringProtocol) {
        if text.contains(":") {
            guard let bytes = Self.parse6(text) else { return nil }
            self.init(bytes: bytes)
        } else {
            guard let bytes = Self.parse4(text) else { return nil }
            self.init(bytes: bytes)
        }
    }

    private static func parse4(_ text: some StringProtocol) -> [UInt8]? {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            // A leading zero means octal to some parsers: refused, as Kubernetes and Go do.
            guard !part.isEmpty, part.count <= 3, part.allSatisfy({ $0 >= 48 && $0 <= 57 }), part.count == 1 || part.first != 48 else { return nil }
            let value = part.reduce(0) { $0 * 10 + Int($1 - 48) }
            guard value <= 255 else { return nil }
            bytes.append(UInt8(value))
        }
        return bytes
    }

    private static func parse6(_ text: some StringProtocol) -> [UInt8]? {
        func groups(_ text: Substring) -> [UInt8]? {
            if text.isEmpty { return [] }
            var bytes: [UInt8] = []
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            for (index, part) in parts.enumerated() {
                if index == parts.count - 1, part.contains(".") {
                    guard let tail = parse4(part) else { return nil }
                    bytes += tail
                    continue
                }
                guard (1...4).contains(part.utf8.count), part.allSatisfy({ $0.isASCII && $0.isHexDigit }), let value = UInt16(part, radix: 16) else { return nil }
                bytes += [UInt8(value >> 8), UInt8(value & 255)]
            }
            return bytes
        }
        let text = Substring(text)
        guard let gap = text.indices.first(where: { text[$0...].hasPrefix("::") }) else {
            guard let bytes = groups(text), bytes.count == 16 else { return nil }
            return bytes
        }
        let rest = text[text.index(gap, offsetBy: 2)...]
        guard let head = groups(text[..<gap]), let tail = groups(rest), head.count + tail.count <= 14, !text[..<gap].contains(".") else { return nil }
        return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
    }

    /// Canonical text (RFC 5952).
    public var description: String {
        switch self {
        case .v4: return bytes.map { String($0) }.joined(separator: ".")
        case .v6(let high, let low):
            if high == 0, low >> 32 == 0xffff { return "::ffff:" + IPAddress.v4(UInt32(truncatingIfNeeded: low)).description }
            let groups = (0..<4).map { UInt16(truncatingIfNeeded: high >> (48 - 16 * $0)) } + (0..<4).map { UInt16(truncatingIfNeeded: low >> (48 - 16 * $0)) }
            // The longest run of two or more zero groups, the first of equals.
            var best = 0..<0
            var start = 0
            while start < 8 {
                var end = start
                while end < 8, groups[end] == 0 { end += 1 }
                if end - start >= 2, end - start > best.count { best = start..<end }
                start = max(end, start + 1)
            }
            let text = { (range: Range<Int>) in groups[range].map { String($0, radix: 16) }.joined(separator: ":") }
            return best.isEmpty ? text(0..<8) : text(0..<best.lowerBound) + "::" + text(best.upperBound..<8)
        }
    }

    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        switch (left, right) {
        case (.v4(let a), .v4(let b)): a < b
        case (.v6(let a, let b), .v6(let c, let d)): (a, b) < (c, d)
        case (.v4, .v6): true
        case (.v6, .v4): false
        }
    }

    /// The address `count` further on; nil past the last one.
    public func advanced(by count: UInt64) -> IPAddress? {
        switch self {
        case .v4(let value):
            guard let step = UInt32(exactly: count) else { return nil }
            let (sum, overflow) = value.addingReportingOverflow(step)
            return overflow ? nil : .v4(sum)
        case .v6(let high, let low):
            let (sum, carry) = low.addingReportingOverflow(count)
            if carry, high == .max { return nil }
            return .v6(carry ? high + 1 : high, sum)
        }
    }
}

/// An address with the length of its network part, in CIDR notation.
public struct IPPrefix: Sendable, Hashable, CustomStringConvertible {
    public let address: IPAddress
    /// Bits, at most the family's width.
    public let length: UInt8

    public init?(_ address: IPAddress, _ length: UInt8) {
        guard length <= address.family.width else { return nil }
        (self.address, self.length) = (address, length)
    }

    /// `10.244.0.0/24`; a bare address is itself with the whole width.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        switch parts.count {
        case 1: self.init(host: address)
        case 2:
            guard parts[1].utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let length = UInt8(parts[1]) else { return nil }
            self.init(address, length)
        default: return nil
        }
    }

    /// A /32 or /128.
    public init(host address: IPAddress) { (self.address, length) = (address, address.family.width) }

    public var description: String { "\(address)/\(length)" }

    /// The first address: every bit behind the length cleared.
    public var network: IPAddress {
        switch address {
        case .v4(let value): return .v4(length == 0 ? 0 : value & (UInt32.max << (32 - UInt32(length))))
        case .v6(let high, let low):
            let length = UInt64(length)
            return .v6(length == 0 ? 0 : high & (length >= 64 ? .max : .max << (64 - length)), length <= 64 ? 0 : low & (.max << (128 - length)))
        }
    }

    /// How many addresses it has, at most 2^63.
    public var count: UInt64 {
        let bits = UInt64(address.family.width - length)
        return bits >= 63 ? 1 << 63 : 1 << bits
    }

    public func contains(_ other: IPAddress) -> Bool {
        guard other.family == address.family, let whole = IPPrefix(other, length) else { return false }
        return whole.network == network
    }
}

/// A 48-bit hardware address.
public struct MACAddress: Sendable, Hashable, CustomStringConvertible {
    public let bytes: [UInt8]
    /// - Parameter bytes: six, or nil.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 6 else { return nil }
        self.bytes = Array(bytes)
    }

    /// `02:00:0a:f4:00:05`
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { $0.utf8.count == 2 ? UInt8($0, radix: 16) : nil }
        guard parts.count == 6 else { return nil }
        self.init(bytes: bytes)
    }

    public var description: String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":") }
}
