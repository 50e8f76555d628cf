#if canImport(Glibc)
import Glibc
#else
import Musl
#endif

/// A range of addresses in the notation of CIDR: `10.96.0.0/16`, `fd00::/64`.
public struct AddressRange: Sendable, Hashable, CustomStringConvertible {
    /// 4 or 16 bytes, those beyond the prefix zero.
    public let network: [UInt8]
    /// How many leading bits all addresses of the range share.
    public let prefixLength: Int

    public static let words = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"

    /// Nil if the text is no range.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let bytes = Self.bytes(of: String(parts[0])), let length = Int(parts[1]), (0...bytes.count * 8).contains(length),
            parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        self.init(network: bytes, prefixLength: length)
    }

    /// Every IPv4 address.
    public static let everything = AddressRange(network: [0, 0, 0, 0], prefixLength: 0)

    private init(network: [UInt8], prefixLength: Int) {
        self.network = network.enumerated().map { index, byte in
            let bits = min(max(prefixLength - index * 8, 0), 8)
            return byte & (bits == 0 ? 0 : 0xFF << UInt8(8 - bits))
        }
        self.prefixLength = prefixLength
    }

    /// An address as 4 or 16 bytes; nil if the text is none.
    public static func bytes(of text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes[..<4]) }
        return inet_pton(AF_INET6, text, &bytes) == 1 ? bytes : nil
    }

    /// The text of an address of 4 or 16 bytes.
    public static func text(of bytes: [UInt8]) -> String {
        var buffer = [CChar](repeating: 0, count: 64)
        guard inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &buffer, socklen_t(buffer.count)) != nil else { return "" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    public var isIPv4: Bool { network.count == 4 }

    /// How many addresses there are, at most 2^16 and a half: ranges are used up to this size.
    public var count: Int {
        let bits = network.count * 8 - prefixLength
        return bits >= 20 ? 1 << 20 : 1 << bits
    }

    public func contains(_ address: [UInt8]) -> Bool {
        address.count == network.count && AddressRange(network: address, prefixLength: prefixLength).network == network
    }

    public func isStrictSubset(of other: AddressRange) -> Bool { prefixLength > other.prefixLength && other.contains(network) }

    /// The address at a distance from the range's first.
    public func address(at offset: Int) -> [UInt8] {
        var bytes = network
        var carry = offset
        for index in bytes.indices.reversed() where carry > 0 {
            carry += Int(bytes[index])
            bytes[index] = UInt8(carry & 0xFF)
            carry >>= 8
        }
        return bytes
    }

    /// The distance of an address from the range's first.
    public func offset(of address: [UInt8]) -> Int? {
        guard contains(address) else { return nil }
        return zip(address, network).suffix(7).reduce(0) { $0 << 8 | Int($1.0 ^ $1.1) }
    }

    public var description: String { "\(Self.text(of: network))/\(prefixLength)" }
}
