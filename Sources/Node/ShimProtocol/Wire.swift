/// What a decoder refuses. Decoders never trap: in the shim a trap would kill the pod.
public struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: Sendable { case truncated, wrongSize, tooLarge, unknownKind, wrongDescriptors }
    public var code: Code
    public var message: String
    public init(_ code: Code, _ message: String) { (self.code, self.message) = (code, message) }
    public var description: String { message }
}

/// A message of tagged fields.
///
/// A field is its tag (UInt16), its length (UInt32) and its bytes, little-endian. Unknown tags are skipped, missing ones
/// leave the default, repeated ones append: an older shim reads a newer agent's plan and the other way round. A tag is
/// never used again for another meaning.
public protocol WireMessage: Sendable, Hashable {
    init()
    func encode(into writer: inout WireWriter)
    /// Takes over one field; does nothing for a tag it does not know.
    mutating func decode(_ field: WireField) throws(WireError)
}

extension WireMessage {
    public var bytes: [UInt8] {
        var writer = WireWriter()
        encode(into: &writer)
        return writer.bytes
    }

    public init(decoding bytes: some Sequence<UInt8>) throws(WireError) {
        self.init()
        let bytes = Array(bytes)
        try decodeFields(bytes[...])
    }

    mutating func decodeFields(_ bytes: ArraySlice<UInt8>) throws(WireError) {
        var rest = bytes
        while !rest.isEmpty {
            guard rest.count >= 6 else { throw WireError(.truncated, "expected a field header of 6 bytes, found \(rest.count)") }
            let start = rest.startIndex
            let tag = UInt16(rest[start]) | UInt16(rest[start + 1]) << 8
            let length = (0..<4).reduce(0) { $0 | Int(rest[start + 2 + $1]) << (8 * $1) }
            guard rest.count - 6 >= length else { throw WireError(.truncated, "expected \(length) bytes for field \(tag), found \(rest.count - 6)") }
            try decode(WireField(tag: tag, bytes: rest[(start + 6) ..< (start + 6 + length)]))
            rest = rest[(start + 6 + length)...]
        }
    }
}

/// One field on its way in.
public struct WireField {
    public let tag: UInt16
    public let bytes: ArraySlice<UInt8>

    private func integer(size: Int) throws(WireError) -> UInt64 {
        guard bytes.count == size else { throw WireError(.wrongSize, "expected \(size) bytes in field \(tag), found \(bytes.count)") }
        var value: UInt64 = 0
        for (index, byte) in bytes.enumerated() { value |= UInt64(byte) << UInt64(8 * index) }
        return value
    }

    public func uint64() throws(WireError) -> UInt64 { try integer(size: 8) }
    public func int64() throws(WireError) -> Int64 { Int64(bitPattern: try uint64()) }
    public func uint32() throws(WireError) -> UInt32 { UInt32(truncatingIfNeeded: try integer(size: 4)) }
    public func int32() throws(WireError) -> Int32 { Int32(bitPattern: try uint32()) }
    public func uint16() throws(WireError) -> UInt16 { UInt16(truncatingIfNeeded: try integer(size: 2)) }
    public func bool() throws(WireError) -> Bool { try integer(size: 1) != 0 }
    public func string() -> String { String(decoding: bytes, as: UTF8.self) }
    public func array() -> [UInt8] { Array(bytes) }
    public func message<M: WireMessage>(_ type: M.Type = M.self) throws(WireError) -> M {
        var message = M()
        try message.decodeFields(bytes)
        return message
    }
    /// A raw value that this version does not know is refused: guessing at a namespace or a mount would be worse.
    public func choice<E: RawRepresentable>(_ type: E.Type = E.self) throws(WireError) -> E where E.RawValue == UInt32 {
        let raw = try uint32()
        guard let value = E(rawValue: raw) else { throw WireError(.unknownKind, "unknown value \(raw) in field \(tag)") }
        return value
    }
}

/// Fields on their way out. Defaults (zero, empty, false) are not written.
public struct WireWriter {
    public private(set) var bytes: [UInt8] = []
    public init() {}

    private mutating func header(_ tag: UInt16, _ length: Int) {
        bytes.append(UInt8(truncatingIfNeeded: tag))
        bytes.append(UInt8(truncatingIfNeeded: tag >> 8))
        for shift in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: length >> (8 * shift))) }
    }

    private mutating func integer(_ tag: UInt16, _ value: UInt64, size: Int) {
        guard value != 0 else { return }
        header(tag, size)
        for index in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
    }

    public mutating func put(_ tag: UInt16, _ value: UInt64) { integer(tag, value, size: 8) }
    public mutating func put(_ tag: UInt16, _ value: Int64) { integer(tag, UInt64(bitPattern: value), size: 8) }
    public mutating func put(_ tag: UInt16, _ value: UInt32) { integer(tag, UInt64(value), size: 4) }
    public mutating func put(_ tag: UInt16, _ value: Int32) { integer(tag, UInt64(UInt32(bitPattern: value)), size: 4) }
    public mutating func put(_ tag: UInt16, _ value: UInt16) { integer(tag, UInt64(value), size: 2) }
    public mutating func put(_ tag: UInt16, _ value: Bool) { integer(tag, value ? 1 : 0, size: 1) }
    public mutating func put(_ tag: UInt16, _ value: String) {
        guard !value.isEmpty else { return }
        append(tag, value)
    }
    public mutating func put(_ tag: UInt16, _ value: [UInt8]) {
        guard !value.isEmpty else { return }
        header(tag, value.count)
        bytes.append(contentsOf: value)
    }
    public mutating func put(_ tag: UInt16, _ value: (some WireMessage)?) {
        guard let value else { return }
        put(tag, [value])
    }
    public mutating func put(_ tag: UInt16, _ value: some RawRepresentable<UInt32>) { put(tag, value.rawValue) }
    public mutating func put(_ tag: UInt16, _ values: [String]) { for value in values { append(tag, value) } }
    public mutating func put(_ tag: UInt16, _ values: [UInt32]) {
        for value in values {
            header(tag, 4)
            for index in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(8 * index))) }
        }
    }
    public mutating func put<M: WireMessage>(_ tag: UInt16, _ values: [M]) {
        for value in values {
            let encoded = value.bytes
            header(tag, encoded.count)
            bytes.append(contentsOf: encoded)
        }
    }

    private mutating func append(_ tag: UInt16, _ value: String) {
        header(tag, value.utf8.count)
        bytes.append(contentsOf: value.utf8)
    }
}
