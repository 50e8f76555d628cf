/// One received message. Reading never traps: what does not fit is nil or missing.
public struct NetlinkMessage: Sendable {
    public let type: UInt16
    public let flags: NetlinkFlags
    public let sequence: UInt32
    /// The netlink port of the socket that asked for this, or whose request caused this notification; 0: the kernel.
    public let port: UInt32
    /// Without the header.
    public let body: ArraySlice<UInt8>

    static let noop: UInt16 = 1
    static let error: UInt16 = 2
    static let done: UInt16 = 3
    static let overrun: UInt16 = 4

    /// Splits what one read returned.
    /// - Throws: ``NetlinkError`` `malformed` if a length does not fit.
    public static func split(_ bytes: [UInt8]) throws(NetlinkError) -> [NetlinkMessage] {
        var messages: [NetlinkMessage] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let length = rest.number(UInt32.self, at: 0), length >= 16, let type = rest.number(UInt16.self, at: 4),
                let flags = rest.number(UInt16.self, at: 6), let sequence = rest.number(UInt32.self, at: 8), let port = rest.number(UInt32.self, at: 12), Int(length) <= rest.count
            else {
                throw NetlinkError(.malformed, "expected a netlink message, found \(rest.count) bytes that are none")
            }
            let body = rest.prefix(Int(length)).dropFirst(16)
            messages.append(NetlinkMessage(type: type, flags: NetlinkFlags(rawValue: flags), sequence: sequence, port: port, body: body))
            rest = rest.dropFirst((Int(length) + 3) & ~3)
        }
        return messages
    }

    /// The attributes behind a fixed header of `offset` bytes.
    public func attributes(after offset: Int) -> NetlinkAttributes { NetlinkAttributes(body.dropFirst((offset + 3) & ~3)) }
}

/// Attributes of a message or a nest, in order.
public struct NetlinkAttributes: Sendable, Sequence {
    private let bytes: ArraySlice<UInt8>

    public init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    public struct Iterator: IteratorProtocol {
        var rest: ArraySlice<UInt8>
        /// Ends at the first attribute whose length does not fit.
        public mutating func next() -> (type: UInt16, value: ArraySlice<UInt8>)? {
            guard let length = rest.number(UInt16.self, at: 0), length >= 4, Int(length) <= rest.count, let type = rest.number(UInt16.self, at: 2) else {
                return nil
            }
            let value = rest.prefix(Int(length)).dropFirst(4)
            rest = rest.dropFirst((Int(length) + 3) & ~3)
            // NLA_F_NESTED and NLA_F_NET_BYTEORDER are not part of the type.
            return (type & 0x3fff, value)
        }
    }

    public func makeIterator() -> Iterator { Iterator(rest: bytes) }

    /// The value of the first attribute of a type.
    public subscript(_ type: UInt16) -> ArraySlice<UInt8>? { first { $0.type == type }?.value }

    public func u8(_ type: UInt16) -> UInt8? { self[type]?.first }
    public func u16(_ type: UInt16) -> UInt16? { self[type]?.number(UInt16.self, at: 0) }
    public func u32(_ type: UInt16) -> UInt32? { self[type]?.number(UInt32.self, at: 0) }
    public func be32(_ type: UInt16) -> UInt32? { u32(type).map { UInt32(bigEndian: $0) } }
    public func be16(_ type: UInt16) -> UInt16? { u16(type).map { UInt16(bigEndian: $0) } }
    public func be64(_ type: UInt16) -> UInt64? { self[type]?.number(UInt64.self, at: 0).map { UInt64(bigEndian: $0) } }
    public func string(_ type: UInt16) -> String? {
        self[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
    public func address(_ type: UInt16) -> IPAddress? { self[type].flatMap { IPAddress(bytes: $0) } }
    public func nest(_ type: UInt16) -> NetlinkAttributes? { self[type].map { NetlinkAttributes($0) } }
}

extension ArraySlice<UInt8> {
    /// A number in the machine's byte order, `offset` bytes behind the start; nil past the end.
    func number<T: FixedWidthInteger>(_: T.Type, at offset: Int) -> T? {
        guard offset + T.bitWidth / 8 <= count else { return nil }
        return withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
    }
}
