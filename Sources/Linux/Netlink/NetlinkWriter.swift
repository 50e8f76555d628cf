/// Builds netlink messages: headers in the machine's byte order, attributes padded to four bytes, lengths filled in when a
/// message or a nest is closed.
public struct NetlinkWriter: Sendable {
    public private(set) var bytes: [UInt8] = []

    public init() { bytes.reserveCapacity(512) }

    /// Room for so many bytes more, for long lists.
    public mutating func reserve(_ count: Int) { bytes.reserveCapacity(bytes.count + count) }

    /// Appends one whole message (`struct nlmsghdr` and the body).
    public mutating func message(type: UInt16, flags: NetlinkFlags, sequence: UInt32, _ body: (inout NetlinkWriter) -> Void) {
        let start = bytes.count
        put(UInt32(0))
        put(type)
        put(flags.rawValue)
        put(sequence)
        put(UInt32(0))  // the port: the kernel fills it in
        body(&self)
        patch(UInt32(bytes.count - start), at: start)
        pad()
    }

    /// A number in the machine's byte order, without padding.
    public mutating func put<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    public mutating func put(_ values: some Sequence<UInt8>) { bytes.append(contentsOf: values) }

    /// An attribute with raw bytes.
    public mutating func attribute(_ type: UInt16, _ value: some Collection<UInt8>) {
        put(UInt16(4 + value.count))
        put(type)
        put(value)
        pad()
    }

    public mutating func attribute(_ type: UInt16, u8 value: UInt8) { attribute(type, [value]) }
    public mutating func attribute(_ type: UInt16, u16 value: UInt16) { attribute(type, number: value) }
    public mutating func attribute(_ type: UInt16, u32 value: UInt32) { attribute(type, number: value) }
    /// Network byte order, as nf_tables has all its numbers.
    public mutating func attribute(_ type: UInt16, be16 value: UInt16) { attribute(type, number: value.bigEndian) }
    public mutating func attribute(_ type: UInt16, be32 value: UInt32) { attribute(type, number: value.bigEndian) }
    public mutating func attribute(_ type: UInt16, be64 value: UInt64) { attribute(type, number: value.bigEndian) }
    /// Text with its final zero.
    public mutating func attribute(_ type: UInt16, string value: String) { attribute(type, Array(value.utf8) + [0]) }
    public mutating func attribute(_ type: UInt16, address: IPAddress) { attribute(type, address.bytes) }

    private mutating func attribute<T: FixedWidthInteger>(_ type: UInt16, number: T) {
        put(UInt16(4 + T.bitWidth / 8))
        put(type)
        put(number)
        pad()
    }

    /// An attribute that holds attributes.
    /// - Parameter flagged: sets NLA_F_NESTED, which nf_tables wants and parts of rtnetlink refuse in strict mode.
    public mutating func nest(_ type: UInt16, flagged: Bool = true, _ body: (inout NetlinkWriter) -> Void) {
        let start = bytes.count
        put(UInt16(0))
        put(flagged ? type | 0x8000 : type)
        body(&self)
        // A nest longer than 65,535 bytes cannot be told; callers send lists in chunks.
        patch(UInt16(truncatingIfNeeded: bytes.count - start), at: start)
        pad()
    }

    private mutating func pad() {
        while bytes.count % 4 != 0 { bytes.append(0) }
    }

    private mutating func patch<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        withUnsafeBytes(of: value) { bytes.replaceSubrange(offset..<offset + $0.count, with: $0) }
    }
}

/// `nlmsghdr.nlmsg_flags`
public struct NetlinkFlags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    public static let request = NetlinkFlags(rawValue: 0x1)
    public static let multipart = NetlinkFlags(rawValue: 0x2)
    public static let acknowledge = NetlinkFlags(rawValue: 0x4)
    public static let echo = NetlinkFlags(rawValue: 0x8)
    public static let dumpInterrupted = NetlinkFlags(rawValue: 0x10)
    // For requests that make something.
    public static let replace = NetlinkFlags(rawValue: 0x100)
    public static let exclusive = NetlinkFlags(rawValue: 0x200)
    public static let create = NetlinkFlags(rawValue: 0x400)
    public static let append = NetlinkFlags(rawValue: 0x800)
    // For requests that ask.
    public static let dump = NetlinkFlags(rawValue: 0x300)
}
