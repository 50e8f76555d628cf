import Synchronization

/// A SPDY/3.1 connection over any carrier of bytes (a WebSocket, an upgraded connection), at the server's side.
///
/// Bounds: what a stream's reader has not taken holds the whole connection back at `readAhead` bytes, since Kubernetes'
/// clients keep no windows; what the peer does not take holds the writers back at `writeAhead` bytes.
public final class SPDYConnection: Sendable {
    private struct State {
        var session: SPDYSession
        var inbound: [UInt32: InboundQueue<[UInt8]>] = [:]
        /// Writers that wait for a window.
        var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var nextWaiter: UInt64 = 0
        var isOver = false
    }

    private let state: Mutex<State>
    private let outbound: OutboundQueue<[UInt8]>
    private let carrier: Carrier
    private let readAhead: Int
    private let wake: AsyncStream<Void>
    /// Called when a paused reader of the connection may go on.
    private let goOn: AsyncStream<Void>
    private let resume: AsyncStream<Void>.Continuation

    /// How bytes come and go.
    public struct Carrier: Sendable {
        var receive: @Sendable () async throws -> [UInt8]?
        var send: @Sendable ([UInt8]) async throws -> Void

        public init(receive: @escaping @Sendable () async throws -> [UInt8]?, send: @escaping @Sendable ([UInt8]) async throws -> Void) {
            self.receive = receive
            self.send = send
        }

        /// Messages of a WebSocket, whose borders mean nothing (KEP-4006).
        public init(_ webSocket: WebSocketConnection) {
            self.init(receive: { try await webSocket.receive()?.bytes }, send: { try await webSocket.send($0) })
        }

        /// A connection that was upgraded to SPDY itself.
        public init(_ connection: UpgradedConnection) {
            self.init(receive: { try await connection.receive() }, send: { try await connection.send($0) })
        }
    }

    /// - Parameters:
    ///   - streamLimit: streams open at one time; more are refused.
    ///   - readAhead: bytes of a stream that wait for its reader.
    ///   - writeAhead: bytes that wait for the peer.
    public init(_ carrier: Carrier, streamLimit: Int = 512, readAhead: Int = 64 * 1024, writeAhead: Int = 128 * 1024) throws {
        let session = try SPDYSession(streamLimit: streamLimit)
        state = Mutex(State(session: session))
        let (wake, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.wake = wake
        outbound = OutboundQueue(limit: writeAhead) { continuation.yield() }
        (goOn, resume) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.carrier = carrier
        self.readAhead = readAhead
    }

    /// Serves streams until the peer closes the connection, or the task is cancelled. Streams end with it.
    /// - Parameter onStream: told of each stream that the peer begins; must return soon.
    /// - Throws: what the carrier throws, or an error about what the peer has sent.
    public func run(_ onStream: @escaping @Sendable (SPDYStream) -> Void) async throws {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.writeLoop() }
                group.addTask { try await self.readLoop(onStream) }
                defer { group.cancelAll() }
                try await group.next()
            }
            end(HTTPServerError(.clientGone, "the client has closed the connection"))
        } catch {
            end(error)
            throw error
        }
    }

    private func end(_ error: any Error) {
        let (queues, waiters) = state.withLock { state in
            defer { (state.inbound, state.waiters, state.isOver) = ([:], [:], true) }
            return (Array(state.inbound.values), Array(state.waiters.values))
        }
        for queue in queues { queue.finish(throwing: error) }
        for waiter in waiters { waiter.resume(throwing: error) }
        outbound.fail(error)
    }

    // MARK: Loops

    private func writeLoop() async throws {
        for await _ in wake {
            // While this is on its way, no more is taken, so that the limit holds.
            outbound.setChannelFull(true)
            let pieces = outbound.take()
            if !pieces.isEmpty { try await carrier.send(pieces.count == 1 ? pieces[0] : Array(pieces.joined())) }
            outbound.setChannelFull(false)
        }
    }

    private func readLoop(_ onStream: @Sendable (SPDYStream) -> Void) async throws {
        while let bytes = try await carrier.receive() {
            let events: [SPDYSession.Event]
            do throws(SPDYError) {
                events = try state.withLock { state throws(SPDYError) in try state.session.receive(bytes) }
            } catch {
                state.withLock { $0.session.goAway(isProtocolError: true) }
                try await sendFrames()
                throw HTTPServerError(.protocolViolation, "the client broke SPDY: \(error)")
            }
            try await sendFrames()
            for event in events { try await handle(event, onStream) }
        }
    }

    private func handle(_ event: SPDYSession.Event, _ onStream: @Sendable (SPDYStream) -> Void) async throws {
        switch event {
        case .opened(let id, let headers):
            let queue = InboundQueue<[UInt8]>(highWatermark: readAhead, lowWatermark: readAhead / 2) { [resume] in resume.yield() }
            state.withLock { $0.inbound[id] = queue }
            onStream(SPDYStream(id: id, headers: headers, connection: self, inbound: queue))
        case .data(let id, let bytes):
            guard let queue = state.withLock({ $0.inbound[id] }) else { return consumed(id, bytes.count) }
            if !queue.push(bytes, size: bytes.count) {
                // A queue that is given up while this waits calls for more as well.
                for await _ in goOn where queue.hasRoom { break }
                try Task.checkCancellation()
            }
        case .ended(let id):
            state.withLock { $0.inbound.removeValue(forKey: id) }?.finish(throwing: nil)
        case .reset(let id):
            let error = HTTPServerError(.clientGone, "the client has reset the stream")
            state.withLock { $0.inbound.removeValue(forKey: id) }?.finish(throwing: error)
            wakeWriters()
        case .windowsGrew:
            wakeWriters()
        case .goAway:
            break
        }
    }

    private func wakeWriters() {
        let waiters = state.withLock { state in
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Sends what the session has to say beside data: replies, resets, window updates.
    private func sendFrames() async throws {
        // Taken and queued in one step: the compression of headers depends on their order.
        let isNew = try state.withLock { state in
            let bytes = state.session.takeFrames().flatMap(\.bytes)
            if !bytes.isEmpty { try outbound.enqueue(bytes, size: bytes.count) }
            return !bytes.isEmpty
        }
        if isNew { try await outbound.waitWhileFull() }
    }

    // MARK: What streams do

    fileprivate func consumed(_ id: UInt32, _ count: Int) {
        state.withLock { $0.session.consumed(id, count) }
    }

    fileprivate func didRead(_ id: UInt32, _ count: Int) async throws {
        consumed(id, count)
        try await sendFrames()
    }

    fileprivate func write(_ id: UInt32, _ bytes: [UInt8]) async throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let isSent = try state.withLock { state in
                guard !state.isOver, let room = state.session.room(on: id) else {
                    throw HTTPServerError(.clientGone, "the stream is closed")
                }
                guard room > 0 else { return false }
                // Small frames let streams take turns.
                let piece = Array(rest.prefix(min(room, 32 * 1024)))
                rest = rest.dropFirst(piece.count)
                let frame = state.session.data(id, piece).bytes
                try outbound.enqueue(frame, size: frame.count)
                return true
            }
            if isSent { try await outbound.waitWhileFull() } else { try await waitForWindow(id) }
        }
    }

    private func waitForWindow(_ stream: UInt32) async throws {
        let id = state.withLock { state -> UInt64 in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let waits = state.withLock { state in
                    guard !state.isOver, state.session.room(on: stream) == 0 else { return false }
                    state.waiters[id] = continuation
                    return true
                }
                // The cancellation handler may have run before the continuation was stored.
                if !waits { continuation.resume() } else if Task.isCancelled { cancelWaiter(id) }
            }
        } onCancel: {
            cancelWaiter(id)
        }
    }

    private func cancelWaiter(_ id: UInt64) {
        state.withLock { $0.waiters.removeValue(forKey: id) }?.resume(throwing: CancellationError())
    }

    fileprivate func finish(_ id: UInt32) async throws {
        state.withLock { $0.session.finish(id) }
        try await sendFrames()
    }

    fileprivate func reset(_ id: UInt32) async throws {
        let queue = state.withLock { state in
            state.session.reset(id)
            return state.inbound.removeValue(forKey: id)
        }
        queue?.finish(throwing: HTTPServerError(.clientGone, "the stream is closed"))
        // The connection may be waiting for room in this stream.
        queue?.discard()
        try await sendFrames()
    }
}

/// One stream of a ``SPDYConnection``.
public struct SPDYStream: Sendable {
    public let id: UInt32
    fileprivate let headers: SPDYHeaders
    fileprivate let connection: SPDYConnection
    fileprivate let inbound: InboundQueue<[UInt8]>

    /// A header that the client has sent with the stream; names are compared without regard to case.
    public func header(_ name: String) -> String? { headers[name] }

    /// The next bytes; `nil` when the client sends no more. For one task at a time.
    /// - Throws: `HTTPServerError` with `clientGone` when the stream or the connection is gone.
    public func read() async throws -> [UInt8]? {
        guard let bytes = try await inbound.next() else { return nil }
        try await connection.didRead(id, bytes.count)
        return bytes
    }

    /// Sends bytes; suspends while the client is slower. For one task at a time.
    public func write(_ bytes: [UInt8]) async throws { try await connection.write(id, bytes) }

    /// Tells the client that nothing more is sent.
    public func finish() async throws { try await connection.finish(id) }

    /// Ends the stream in both directions.
    public func reset() async throws { try await connection.reset(id) }
}
