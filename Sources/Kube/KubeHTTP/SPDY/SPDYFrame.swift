/// A frame of SPDY/3.1 (section 2.2). Header blocks are still compressed: only the session knows their context.
enum SPDYFrame: Sendable, Hashable {
    /// The number of a stream: 31 bits, odd if the client began it.
    typealias StreamID = UInt32

    case data(stream: StreamID, bytes: [UInt8], isLast: Bool)
    case synStream(stream: StreamID, associated: StreamID, priority: UInt8, headers: [UInt8], isLast: Bool, isUnidirectional: Bool)
    case synReply(stream: StreamID, headers: [UInt8], isLast: Bool)
    case resetStream(stream: StreamID, status: ResetStatus)
    case settings([Setting])
    case ping(UInt32)
    case goAway(lastStream: StreamID, status: UInt32)
    case headers(stream: StreamID, headers: [UInt8], isLast: Bool)
    /// Stream 0 stands for the session.
    case windowUpdate(stream: StreamID, delta: UInt32)
    /// A control frame of a type that is not known: to be ignored.
    case unknown(type: UInt16)

    struct Setting: Sendable, Hashable {
        static let initialWindowSize: UInt32 = 7

        var id: UInt32
        var value: UInt32
    }

    /// Why a stream is reset (section 2.6.3).
    struct ResetStatus: RawRepresentable, Sendable, Hashable {
        var rawValue: UInt32

        static let protocolError = Self(rawValue: 1)
        static let invalidStream = Self(rawValue: 2)
        static let refusedStream = Self(rawValue: 3)
        static let cancel = Self(rawValue: 5)
        static let flowControlError = Self(rawValue: 7)
        static let streamInUse = Self(rawValue: 8)
        static let streamAlreadyClosed = Self(rawValue: 9)
    }

    enum Flag {
        static let fin: UInt8 = 1
        static let unidirectional: UInt8 = 2
    }

    enum Kind {
        static let synStream: UInt16 = 1
        static let synReply: UInt16 = 2
        static let resetStream: UInt16 = 3
        static let settings: UInt16 = 4
        static let ping: UInt16 = 6
        static let goAway: UInt16 = 7
        static let headers: UInt16 = 8
        static let windowUpdate: UInt16 = 9
    }

    /// The frame as it goes over the wire. A payload is at most 2^24 - 1 bytes long; longer ones are the caller's mistake
    /// and are cut.
    var bytes: [UInt8] {
        switch self {
        case .data(let stream, let bytes, let isLast):
            return Self.word(stream & 0x7fff_ffff) + Self.flagsAndLength(isLast ? Flag.fin : 0, bytes.count) + bytes.prefix(0xff_ffff)
        case .synStream(let stream, let associated, let priority, let headers, let isLast, let isUnidirectional):
            let flags = (isLast ? Flag.fin : 0) | (isUnidirectional ? Flag.unidirectional : 0)
            return Self.control(Kind.synStream, flags, Self.word(stream) + Self.word(associated) + [(priority & 7) << 5, 0] + headers)
        case .synReply(let stream, let headers, let isLast):
            return Self.control(Kind.synReply, isLast ? Flag.fin : 0, Self.word(stream) + headers)
        case .resetStream(let stream, let status):
            return Self.control(Kind.resetStream, 0, Self.word(stream) + Self.word(status.rawValue))
        case .settings(let settings):
            return Self.control(Kind.settings, 0, Self.word(UInt32(settings.count)) + settings.flatMap { Self.word($0.id & 0xff_ffff) + Self.word($0.value) })
        case .ping(let id):
            return Self.control(Kind.ping, 0, Self.word(id))
        case .goAway(let lastStream, let status):
            return Self.control(Kind.goAway, 0, Self.word(lastStream) + Self.word(status))
        case .headers(let stream, let headers, let isLast):
            return Self.control(Kind.headers, isLast ? Flag.fin : 0, Self.word(stream) + headers)
        case .windowUpdate(let stream, let delta):
            return Self.control(Kind.windowUpdate, 0, Self.word(stream) + Self.word(delta & 0x7fff_ffff))
        case .unknown(let type):
            return Self.control(type, 0, [])
        }
    }

    private static func control(_ type: UInt16, _ flags: UInt8, _ payload: [UInt8]) -> [UInt8] {
        [0x80, 3, UInt8(type >> 8), UInt8(type & 0xff)] + flagsAndLength(flags, payload.count) + payload.prefix(0xff_ffff)
    }

    private static func flagsAndLength(_ flags: UInt8, _ count: Int) -> [UInt8] {
        word(UInt32(flags) << 24 | UInt32(min(count, 0xff_ffff)))
    }

    static func word(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 0xff), UInt8(value >> 8 & 0xff), UInt8(value & 0xff)]
    }
}
