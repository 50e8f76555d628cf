/// The server's side of one SPDY/3.1 session. Pure: bytes come in, events and frames to send come out.
///
///     (none) ──SYN_STREAM──▶ open ──last frame of the peer──▶ peer closed ──last frame of ours──▶ (none)
///                             │ └───last frame of ours──▶ half closed ──last frame of the peer──▶ (none)
///                             └─RST_STREAM, either way──▶ (none)
///
/// Flow control: Kubernetes' clients (moby/spdystream) neither update nor keep windows. So a peer's windows are kept from
/// its first SETTINGS or WINDOW_UPDATE on, and no peer is reset for overrunning ours: who reads holds the whole connection
/// back instead.
struct SPDYSession {
    typealias StreamID = SPDYFrame.StreamID

    enum Event: Hashable {
        case opened(StreamID, SPDYHeaders)
        case data(StreamID, [UInt8])
        /// The peer sends nothing more on this stream.
        case ended(StreamID)
        case reset(StreamID)
        /// There may be room to send where there was none.
        case windowsGrew
        /// The peer begins no more streams.
        case goAway
    }

    private struct Stream {
        var isPeerClosed = false
        var isClosed = false
        var sendWindow: Int
        /// Received and consumed, but not told to the peer yet.
        var consumed = 0
    }

    static let defaultWindow = 64 * 1024
    private static let largestWindow = 0x7fff_ffff

    private let streamLimit: Int
    private let compressor: SPDYHeaderCompressor
    private let decompressor: SPDYHeaderDecompressor
    private var reader = SPDYFrameReader()
    private var streams: [StreamID: Stream] = [:]
    private var lastStream: StreamID = 0
    private var isGoingAway = false
    private var peerKeepsWindows = false
    private var initialSendWindow = Self.defaultWindow
    private var sendWindow = Self.defaultWindow
    private var consumed = 0
    private var frames: [SPDYFrame] = []

    /// - Parameter streamLimit: streams open at one time; more are refused.
    init(streamLimit: Int) throws(SPDYError) {
        self.streamLimit = streamLimit
        compressor = try SPDYHeaderCompressor()
        decompressor = try SPDYHeaderDecompressor()
    }

    /// The frames to send by now, in this order.
    mutating func takeFrames() -> [SPDYFrame] {
        defer { frames = [] }
        return frames
    }

    var streamCount: Int { streams.count }

    // MARK: Receiving

    /// - Throws: `SPDYError` when the session cannot go on.
    mutating func receive(_ bytes: [UInt8]) throws(SPDYError) -> [Event] {
        reader.append(bytes)
        var events: [Event] = []
        while let frame = try reader.next() { try receive(frame, &events) }
        return events
    }

    private mutating func receive(_ frame: SPDYFrame, _ events: inout [Event]) throws(SPDYError) {
        switch frame {
        case .synStream(let id, _, _, let block, let isLast, let isUnidirectional):
            try open(id, SPDYHeaders(block: decompressor.decompress(block)), isLast: isLast, isUnidirectional: isUnidirectional, &events)
        case .data(let id, let bytes, let isLast):
            receive(id, bytes, isLast: isLast, &events)
        case .headers(let id, let block, let isLast), .synReply(let id, let block, let isLast):
            // They say nothing that matters here, but what comes later is compressed with them in mind.
            _ = try decompressor.decompress(block)
            if isLast { receive(id, [], isLast: true, &events) }
        case .resetStream(let id, _):
            if streams.removeValue(forKey: id) != nil { events.append(.reset(id)) }
        case .settings(let settings):
            peerKeepsWindows = true
            for setting in settings where setting.id == SPDYFrame.Setting.initialWindowSize { resize(to: setting.value) }
            events.append(.windowsGrew)
        case .windowUpdate(let id, let delta):
            grow(id, by: Int(delta), &events)
        case .ping(let id):
            // Even numbers are answers to pings of ours, of which there are none.
            if id & 1 == 1 { frames.append(.ping(id)) }
        case .goAway:
            events.append(.goAway)
        case .unknown:
            break
        }
    }

    private mutating func open(_ id: StreamID, _ headers: SPDYHeaders, isLast: Bool, isUnidirectional: Bool, _ events: inout [Event]) throws(SPDYError) {
        guard id & 1 == 1 else { throw SPDYError(.malformedFrame, "expected the client to begin a stream with an odd number, found \(id)") }
        guard id > lastStream else { return reset(id, .protocolError, &events) }
        lastStream = id
        guard !isGoingAway else { return }
        guard streams.count < streamLimit else { return frames.append(.resetStream(stream: id, status: .refusedStream)) }
        streams[id] = Stream(sendWindow: initialSendWindow)
        if !isUnidirectional { frames.append(.synReply(stream: id, headers: compressor.compress(SPDYHeaders().block), isLast: false)) }
        events.append(.opened(id, headers))
        if isUnidirectional { finish(id) }
        if isLast { receive(id, [], isLast: true, &events) }
    }

    private mutating func receive(_ id: StreamID, _ bytes: [UInt8], isLast: Bool, _ events: inout [Event]) {
        guard let stream = streams[id] else {
            // What was on its way when a stream was reset is no fault; it does count for the session's window.
            if id == 0 || id > lastStream { frames.append(.resetStream(stream: id, status: .invalidStream)) }
            return consumedInSession(bytes.count)
        }
        guard !stream.isPeerClosed else {
            consumedInSession(bytes.count)
            return reset(id, .streamAlreadyClosed, &events)
        }
        if !bytes.isEmpty { events.append(.data(id, bytes)) }
        guard isLast else { return }
        streams[id]?.isPeerClosed = true
        if stream.isClosed { streams[id] = nil }
        events.append(.ended(id))
    }

    private mutating func reset(_ id: StreamID, _ status: SPDYFrame.ResetStatus, _ events: inout [Event]) {
        frames.append(.resetStream(stream: id, status: status))
        if streams.removeValue(forKey: id) != nil { events.append(.reset(id)) }
    }

    // MARK: Windows

    private mutating func resize(to value: UInt32) {
        let size = Int(value & 0x7fff_ffff)
        for id in streams.keys { streams[id]?.sendWindow += size - initialSendWindow }
        initialSendWindow = size
    }

    private mutating func grow(_ id: StreamID, by delta: Int, _ events: inout [Event]) {
        peerKeepsWindows = true
        if id == 0 {
            sendWindow = min(sendWindow + delta, Self.largestWindow)
        } else if let window = streams[id]?.sendWindow {
            guard delta > 0, window + delta <= Self.largestWindow else { return reset(id, .flowControlError, &events) }
            streams[id]?.sendWindow = window + delta
        }
        events.append(.windowsGrew)
    }

    /// Tells that received bytes have been used, so that the peer may send more.
    mutating func consumed(_ id: StreamID, _ count: Int) {
        if let before = streams[id]?.consumed, streams[id]?.isPeerClosed == false {
            let total = before + count
            let isEnough = total >= Self.defaultWindow / 2
            if isEnough { frames.append(.windowUpdate(stream: id, delta: UInt32(clamping: total))) }
            streams[id]?.consumed = isEnough ? 0 : total
        }
        consumedInSession(count)
    }

    private mutating func consumedInSession(_ count: Int) {
        consumed += count
        guard consumed >= Self.defaultWindow / 2 else { return }
        frames.append(.windowUpdate(stream: 0, delta: UInt32(clamping: consumed)))
        consumed = 0
    }

    // MARK: Sending

    /// How many bytes may be sent on a stream now; `nil` if it is closed.
    func room(on id: StreamID) -> Int? {
        guard let stream = streams[id], !stream.isClosed else { return nil }
        return peerKeepsWindows ? max(0, min(stream.sendWindow, sendWindow)) : Int.max
    }

    /// The frame for data on an open stream, counted against its window.
    mutating func data(_ id: StreamID, _ bytes: [UInt8]) -> SPDYFrame {
        streams[id]?.sendWindow -= bytes.count
        sendWindow -= bytes.count
        return .data(stream: id, bytes: bytes, isLast: false)
    }

    /// Ends our side of a stream. What has ended already stays so.
    mutating func finish(_ id: StreamID) {
        guard let stream = streams[id], !stream.isClosed else { return }
        frames.append(.data(stream: id, bytes: [], isLast: true))
        if stream.isPeerClosed { streams[id] = nil } else { streams[id]?.isClosed = true }
    }

    /// Ends both sides of a stream at once.
    mutating func reset(_ id: StreamID) {
        guard streams.removeValue(forKey: id) != nil else { return }
        frames.append(.resetStream(stream: id, status: .cancel))
    }

    /// Begins the end of the session: no more streams are taken.
    mutating func goAway(isProtocolError: Bool) {
        guard !isGoingAway else { return }
        isGoingAway = true
        frames.append(.goAway(lastStream: lastStream, status: isProtocolError ? 1 : 0))
    }
}
