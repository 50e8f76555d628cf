/// Cuts a stream of bytes into frames. Whatever comes in, it never traps, and it holds at most one frame of the allowed size
/// beside what was just given to it.
struct SPDYFrameReader {
    /// The longest payload of a control frame, in bytes.
    static let controlLimit = 64 * 1024
    /// The longest payload of a data frame, in bytes: what fits into one WebSocket message of the usual clients, and more.
    static let dataLimit = 4 * 1024 * 1024

    private var buffer: [UInt8] = []
    private var offset = 0

    mutating func append(_ bytes: [UInt8]) {
        if offset == buffer.count {
            buffer = bytes
            offset = 0
            return
        }
        if offset > 0 {
            buffer.removeFirst(offset)
            offset = 0
        }
        buffer += bytes
    }

    /// The next whole frame; `nil` if more bytes are needed.
    /// - Throws: `SPDYError`; the session cannot go on after that.
    mutating func next() throws(SPDYError) -> SPDYFrame? {
        guard buffer.count - offset >= 8 else { return nil }
        let first = word(offset)
        let second = word(offset + 4)
        let flags = UInt8(second >> 24)
        let length = Int(second & 0xff_ffff)
        let isControl = first & 0x8000_0000 != 0
        let limit = isControl ? Self.controlLimit : Self.dataLimit
        guard length <= limit else { throw SPDYError(.tooLarge, "expected a frame of at most \(limit) bytes, found \(length)") }
        guard buffer.count - offset - 8 >= length else { return nil }
        let start = offset + 8
        offset = start + length
        if isControl {
            let version = UInt16(first >> 16 & 0x7fff)
            guard version == 3 else { throw SPDYError(.malformedFrame, "expected SPDY version 3, found \(version)") }
            return try control(UInt16(first & 0xffff), flags, start, length)
        }
        return .data(stream: first, bytes: Array(buffer[start..<offset]), isLast: flags & SPDYFrame.Flag.fin != 0)
    }

    private func control(_ type: UInt16, _ flags: UInt8, _ start: Int, _ length: Int) throws(SPDYError) -> SPDYFrame {
        func need(_ count: Int, exactly: Bool) throws(SPDYError) {
            guard exactly ? length == count : length >= count else {
                throw SPDYError(.malformedFrame, "expected \(exactly ? "" : "at least ")\(count) bytes in a control frame of type \(type), found \(length)")
            }
        }
        let isLast = flags & SPDYFrame.Flag.fin != 0
        func rest(from count: Int) -> [UInt8] { Array(buffer[(start + count)..<(start + length)]) }
        switch type {
        case SPDYFrame.Kind.synStream:
            try need(10, exactly: false)
            return .synStream(
                stream: word(start) & 0x7fff_ffff, associated: word(start + 4) & 0x7fff_ffff, priority: buffer[start + 8] >> 5, headers: rest(from: 10),
                isLast: isLast, isUnidirectional: flags & SPDYFrame.Flag.unidirectional != 0)
        case SPDYFrame.Kind.synReply:
            try need(4, exactly: false)
            return .synReply(stream: word(start) & 0x7fff_ffff, headers: rest(from: 4), isLast: isLast)
        case SPDYFrame.Kind.resetStream:
            try need(8, exactly: true)
            return .resetStream(stream: word(start) & 0x7fff_ffff, status: .init(rawValue: word(start + 4)))
        case SPDYFrame.Kind.settings:
            try need(4, exactly: false)
            return .settings(try settings(start, length))
        case SPDYFrame.Kind.ping:
            try need(4, exactly: true)
            return .ping(word(start))
        case SPDYFrame.Kind.goAway:
            try need(8, exactly: true)
            return .goAway(lastStream: word(start) & 0x7fff_ffff, status: word(start + 4))
        case SPDYFrame.Kind.headers:
            try need(4, exactly: false)
            return .headers(stream: word(start) & 0x7fff_ffff, headers: rest(from: 4), isLast: isLast)
        case SPDYFrame.Kind.windowUpdate:
            try need(8, exactly: true)
            return .windowUpdate(stream: word(start) & 0x7fff_ffff, delta: word(start + 4) & 0x7fff_ffff)
        default:
            return .unknown(type: type)
        }
    }

    private func settings(_ start: Int, _ length: Int) throws(SPDYError) -> [SPDYFrame.Setting] {
        let count = Int(word(start))
        guard length - 4 == count * 8 else {
            throw SPDYError(.malformedFrame, "expected \(count) settings of 8 bytes, found \(length - 4) bytes")
        }
        return (0..<count).map { index in
            let place = start + 4 + index * 8
            return SPDYFrame.Setting(id: word(place) & 0xff_ffff, value: word(place + 4))
        }
    }

    private func word(_ place: Int) -> UInt32 {
        UInt32(buffer[place]) << 24 | UInt32(buffer[place + 1]) << 16 | UInt32(buffer[place + 2]) << 8 | UInt32(buffer[place + 3])
    }
}
