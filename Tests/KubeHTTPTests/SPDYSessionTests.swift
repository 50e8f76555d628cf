@testable import KubeHTTP
import Testing

/// The rules of one session, and of the connection that carries it.
@Suite struct SPDYSessionTests {
    /// A client that writes frames by hand.
    final class Client {
        private let compressor: SPDYHeaderCompressor
        private var next: UInt32 = 1

        init() throws { compressor = try SPDYHeaderCompressor() }

        func open(_ headers: [(String, String)] = [("streamtype", "data")], id: UInt32? = nil, isLast: Bool = false) -> [UInt8] {
            let id = id ?? next
            next = max(next, id &+ 2)
            return SPDYFrame.synStream(
                stream: id, associated: 0, priority: 0, headers: compressor.compress(SPDYHeaders(headers.map { (name: $0.0, value: $0.1) }).block), isLast: isLast,
                isUnidirectional: false).bytes
        }
    }

    static func data(_ stream: UInt32, _ count: Int = 1, isLast: Bool = false) -> [UInt8] {
        SPDYFrame.data(stream: stream, bytes: [UInt8](repeating: 1, count: count), isLast: isLast).bytes
    }

    @Test func aStreamOpensCarriesAndEnds() throws {
        let client = try Client()
        var session = try SPDYSession(streamLimit: 10)
        #expect(try session.receive(client.open([("Port", "80")])) == [.opened(1, SPDYHeaders([("port", "80")]))])
        guard case .synReply(1, _, false)? = session.takeFrames().first else { return #expect(Bool(false), "expected SYN_REPLY") }
        #expect(try session.receive(Self.data(1, 3) + Self.data(1, 0, isLast: true)) == [.data(1, [1, 1, 1]), .ended(1)])
        session.finish(1)
        #expect(session.takeFrames() == [.data(stream: 1, bytes: [], isLast: true)])
        #expect(session.streamCount == 0)
    }

    @Test func faultsOfAStreamResetIt() throws {
        let client = try Client()
        var session = try SPDYSession(streamLimit: 2)
        _ = try session.receive(client.open(isLast: true) + client.open())
        _ = session.takeFrames()
        // After its end; to a stream that never was; one stream too many; a number twice.
        #expect(try session.receive(Self.data(1)) == [.reset(1)])
        #expect(session.takeFrames() == [.resetStream(stream: 1, status: .streamAlreadyClosed)])
        _ = try session.receive(Self.data(99))
        #expect(session.takeFrames() == [.resetStream(stream: 99, status: .invalidStream)])
        _ = try session.receive(client.open() + client.open())
        #expect(session.takeFrames().suffix(1) == [.resetStream(stream: 7, status: .refusedStream)])
        #expect(try session.receive(client.open(id: 3)) == [.reset(3)])
        #expect(session.takeFrames() == [.resetStream(stream: 3, status: .protocolError)])
        // Data for a stream that is gone was on its way: no fault.
        #expect(try session.receive(Self.data(3)) == [])
        #expect(session.takeFrames() == [])
    }

    @Test func pingsOfTheClientAreAnswered() throws {
        var session = try SPDYSession(streamLimit: 1)
        #expect(try session.receive(SPDYFrame.ping(7).bytes + SPDYFrame.ping(8).bytes) == [])
        #expect(session.takeFrames() == [.ping(7)])
    }

    @Test func evenStreamsAndBadHeadersEndTheSession() throws {
        let client = try Client()
        var session = try SPDYSession(streamLimit: 1)
        #expect(throws: SPDYError.self) { try session.receive(client.open(id: 2)) }
        var other = try SPDYSession(streamLimit: 1)
        #expect(throws: SPDYError.self) {
            try other.receive(SPDYFrame.synStream(stream: 1, associated: 0, priority: 0, headers: [1, 2, 3, 4], isLast: false, isUnidirectional: false).bytes)
        }
    }

    @Test func windowsAreKeptFromTheirFirstMention() throws {
        let client = try Client()
        var session = try SPDYSession(streamLimit: 2)
        _ = try session.receive(client.open())
        #expect(session.room(on: 1) == .max)
        _ = session.data(1, [UInt8](repeating: 0, count: 1000))
        #expect(try session.receive(SPDYFrame.settings([.init(id: 7, value: 2000)]).bytes) == [.windowsGrew])
        #expect(session.room(on: 1) == 1000)
        _ = session.data(1, [UInt8](repeating: 0, count: 1000))
        #expect(session.room(on: 1) == 0)
        _ = try session.receive(SPDYFrame.windowUpdate(stream: 1, delta: 100_000).bytes)
        // The session's window is the narrower one now.
        #expect(session.room(on: 1) == SPDYSession.defaultWindow - 2000)
        #expect(try session.receive(SPDYFrame.windowUpdate(stream: 1, delta: 0x7fff_ffff).bytes).first == .reset(1))
        #expect(session.room(on: 1) == nil)
    }

    @Test func whatIsConsumedIsToldInHalves() throws {
        let client = try Client()
        var session = try SPDYSession(streamLimit: 2)
        _ = try session.receive(client.open() + Self.data(1, 40_000))
        _ = session.takeFrames()
        session.consumed(1, 30_000)
        #expect(session.takeFrames() == [])
        session.consumed(1, 10_000)
        #expect(session.takeFrames() == [.windowUpdate(stream: 1, delta: 40_000), .windowUpdate(stream: 0, delta: 40_000)])
    }

    // MARK: The connection

    /// A carrier in memory.
    struct Wire {
        let toServer = InboundQueue<[UInt8]>(highWatermark: .max, lowWatermark: 0) {}
        let fromServer = InboundQueue<[UInt8]>(highWatermark: .max, lowWatermark: 0) {}

        var carrier: SPDYConnection.Carrier {
            .init(receive: { [toServer] in try await toServer.next() }, send: { [fromServer] in _ = fromServer.push($0, size: $0.count) })
        }

        func send(_ bytes: [UInt8]) { _ = toServer.push(bytes, size: bytes.count) }

        /// Reads frames until one of them is the wanted one.
        func frames(_ reader: inout SPDYFrameReader, until isEnough: (SPDYFrame) -> Bool) async throws -> [SPDYFrame] {
            var found: [SPDYFrame] = []
            while true {
                while let frame = try reader.next() {
                    found.append(frame)
                    if isEnough(frame) { return found }
                }
                guard let bytes = try await fromServer.next() else { return found }
                reader.append(bytes)
            }
        }
    }

    /// Serves streams with `serve` while `body` plays the client.
    static func withConnection(
        _ serve: @escaping @Sendable (SPDYStream) async throws -> Void, _ body: (Wire, Client) async throws -> Void
    ) async throws {
        let wire = Wire()
        let connection = try SPDYConnection(wire.carrier, readAhead: 1000)
        let server = Task {
            let (streams, add) = AsyncStream<SPDYStream>.makeStream()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    defer { add.finish() }
                    try await connection.run { add.yield($0) }
                }
                for await stream in streams { group.addTask { try await serve(stream) } }
                try await group.waitForAll()
            }
        }
        do { try await body(wire, Client()) } catch {
            server.cancel()
            throw error
        }
        wire.toServer.finish(throwing: nil)
        // What the streams throw when their connection ends is not the question here.
        _ = await server.result
    }

    @Test(.timeLimit(.minutes(1))) func streamsEchoSideBySide() async throws {
        try await Self.withConnection { stream in
            while let bytes = try await stream.read() { try await stream.write(bytes) }
            try await stream.finish()
        } _: { wire, client in
            wire.send(client.open() + client.open())
            var reader = SPDYFrameReader()
            var sizes: [UInt32: Int] = [:]
            for _ in 0..<50 { wire.send(Self.data(1, 2000) + Self.data(3, 3000)) }
            wire.send(Self.data(1, 0, isLast: true) + Self.data(3, 0, isLast: true))
            var ends = 0
            let frames = try await wire.frames(&reader) { frame in
                if case .data(_, _, true) = frame { ends += 1 }
                return ends == 2
            }
            for case .data(let id, let bytes, _) in frames { sizes[id, default: 0] += bytes.count }
            #expect(sizes == [1: 100_000, 3: 150_000])
        }
    }

    @Test(.timeLimit(.minutes(1))) func writersWaitForTheClientsWindow() async throws {
        try await Self.withConnection { stream in
            _ = try await stream.read()
            try await stream.write([UInt8](repeating: 5, count: 5000))
            try await stream.finish()
        } _: { wire, client in
            wire.send(SPDYFrame.settings([.init(id: 7, value: 2000)]).bytes + client.open() + Self.data(1))
            var reader = SPDYFrameReader()
            var received = 0
            func count(_ frame: SPDYFrame) { if case .data(_, let bytes, _) = frame { received += bytes.count } }
            _ = try await wire.frames(&reader) { count($0); return received == 2000 }
            // The answer to a ping comes after all that could be sent: nothing did.
            wire.send(SPDYFrame.ping(1).bytes)
            #expect(try await wire.frames(&reader) { $0 == .ping(1) } == [.ping(1)])
            wire.send(SPDYFrame.windowUpdate(stream: 1, delta: 3000).bytes)
            _ = try await wire.frames(&reader) { count($0); return $0 == .data(stream: 1, bytes: [], isLast: true) }
            #expect(received == 5000)
        }
    }

    @Test(.timeLimit(.minutes(1))) func unreadStreamsHoldTheConnectionBackUntilTheyAreGivenUp() async throws {
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        try await Self.withConnection { stream in
            for await _ in gate {}
            try await stream.reset()
        } _: { wire, client in
            wire.send(client.open())
            wire.send(Self.data(1, 5000))
            // Not read: the connection waits for the stream's reader.
            wire.send(SPDYFrame.ping(9).bytes)
            var reader = SPDYFrameReader()
            let before = try await wire.frames(&reader) { if case .synReply = $0 { true } else { false } }
            #expect(!before.contains(.ping(9)))
            open.finish()
            let after = try await wire.frames(&reader) { $0 == .ping(9) }
            #expect(after.first == .resetStream(stream: 1, status: .cancel))
        }
    }

    @Test(.timeLimit(.minutes(1))) func streamsFailWhenTheClientLeaves() async throws {
        let (errors, report) = AsyncStream.makeStream(of: HTTPServerError.Code?.self)
        try await Self.withConnection { stream in
            do { while try await stream.read() != nil {} } catch { report.yield((error as? HTTPServerError)?.code) }
            report.finish()
        } _: { wire, client in
            wire.send(client.open())
            var reader = SPDYFrameReader()
            _ = try await wire.frames(&reader) { if case .synReply = $0 { true } else { false } }
        }
        var iterator = errors.makeAsyncIterator()
        #expect(await iterator.next() == .clientGone)
    }
}
