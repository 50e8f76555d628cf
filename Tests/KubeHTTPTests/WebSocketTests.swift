import KubeHTTP
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

/// The bytes of RFC 6455, sent and compared as they are.
@Suite struct WebSocketTests {
    static let handshake = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

    /// Frames with the masking key of the RFC's example.
    static func frame(_ first: UInt8, _ payload: [UInt8], masked: Bool = true) -> [UInt8] {
        let key: [UInt8] = [0x37, 0xfa, 0x21, 0x3d]
        var bytes = [first]
        let bit: UInt8 = masked ? 0x80 : 0
        if payload.count < 126 {
            bytes.append(bit | UInt8(payload.count))
        } else {
            bytes += [bit | 126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
        }
        guard masked else { return bytes + payload }
        return bytes + key + payload.enumerated().map { $1 ^ key[$0 % 4] }
    }

    @Sendable static func echo(_ request: ServerRequest) async -> ServerResponse {
        .webSocket(subprotocol: request.headers.contains(name: "sec-websocket-protocol") ? "b" : nil) { connection in
            while let message = try await connection.receive() { try await connection.send(message) }
        }
    }

    static func connect(_ port: Int, extra: String = "", then bytes: [UInt8] = []) async throws -> (RawClient, String) {
        let client = try await RawClient(port: port)
        try await client.send(Array((handshake + extra + "\r\n").utf8) + bytes)
        var head: [UInt8] = []
        while !head.suffix(4).elementsEqual("\r\n\r\n".utf8) {
            let byte = await client.read(count: 1)
            if byte.isEmpty { break }
            head += byte
        }
        return (client, String(decoding: head, as: UTF8.self))
    }

    @Test func handshakeIsTheOneOfTheStandard() async throws {
        try await withServer(handler: Self.echo) { _, port in
            let (client, head) = try await Self.connect(port, extra: "Sec-WebSocket-Protocol: a, b\r\n")
            #expect(head.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
            #expect(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
            #expect(head.contains("sec-websocket-protocol: b\r\n"))
            #expect(!head.lowercased().contains("transfer-encoding"))
            await client.close()
        }
    }

    @Test func messagesAreEchoed() async throws {
        try await withServer(handler: Self.echo) { _, port in
            // The first frame comes in the same packet as the handshake.
            let (client, _) = try await Self.connect(port, then: [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58])
            #expect(await client.read(count: 7) == [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f])
            // Fragments, with a ping between them: the pong comes first.
            try await client.send(Self.frame(0x02, [1, 2]) + Self.frame(0x89, [9]) + Self.frame(0x00, [3]) + Self.frame(0x80, [4]))
            #expect(await client.read(count: 3) == [0x8a, 0x01, 9])
            #expect(await client.read(count: 6) == [0x82, 0x04, 1, 2, 3, 4])
            // 16-bit length.
            let large = [UInt8](repeating: 5, count: 300)
            try await client.send(Self.frame(0x82, large))
            #expect(await client.read(count: 304) == [0x82, 126, 1, 44] + large)
            // The close code is echoed, then the connection ends.
            try await client.send(Self.frame(0x88, [0x03, 0xe9]))
            #expect(await client.read { _ in false } == [0x88, 0x02, 0x03, 0xe9])
        }
    }

    struct Violation: Sendable, CustomTestStringConvertible {
        var bytes: [UInt8]
        var code: Int

        init(_ code: Int, _ frames: [UInt8]...) {
            self.code = code
            bytes = Array(frames.joined())
        }

        var testDescription: String { "\(bytes.prefix(8)) \(code)" }
    }

    static let violations: [Violation] = [
        Violation(1002, frame(0x81, [0x41], masked: false)),
        Violation(1002, frame(0xc1, [0x41])),
        Violation(1002, frame(0x83, [0x41])),
        Violation(1002, frame(0x80, [0x41])),
        Violation(1002, frame(0x01, [0x41]), frame(0x81, [0x41])),
        Violation(1002, frame(0x09, [0x41])),
        Violation(1002, frame(0x89, [UInt8](repeating: 0, count: 126))),
        Violation(1002, frame(0x88, [0x03])),
        Violation(1002, frame(0x88, [0x03, 0xed])),
        Violation(1007, frame(0x81, [0xc3, 0x28])),
        Violation(1009, frame(0x82, [UInt8](repeating: 0, count: 2001))),
        Violation(1009, frame(0x02, [UInt8](repeating: 0, count: 2000)), frame(0x80, [UInt8](repeating: 0, count: 1500))),
        Violation(1009, [0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    ]

    @Test(arguments: violations)
    func violationsCloseWithTheirCode(violation: Violation) async throws {
        let (bytes, code) = (violation.bytes, violation.code)
        try await withServer(configure: { $0.limits.webSocketFrame = 2000; $0.limits.webSocketMessage = 3000 }, handler: Self.echo) { _, port in
            let (client, _) = try await Self.connect(port, then: bytes)
            let answer = await client.read { _ in false }
            #expect(answer.first == 0x88)
            #expect(answer.count >= 4 && Int(answer[2]) << 8 | Int(answer[3]) == code, "\(answer)")
        }
    }

    @Test func serverCloseWaitsForTheClient() async throws {
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        try await withServer { _ in
            .webSocket(subprotocol: nil) { connection in
                try await connection.send([1])
                await connection.close(.policyViolation, reason: "no")
                end.finish()
            }
        } _: { _, port in
            let (client, _) = try await Self.connect(port)
            #expect(await client.read(count: 9) == [0x82, 1, 1, 0x88, 4, 0x03, 0xf0, 0x6e, 0x6f])
            try await client.send(Self.frame(0x88, [0x03, 0xf0]))
            for await _ in ended {}
            #expect(await client.read { _ in false } == [])
        }
    }

    @Test func leavingWithoutACloseFrameIsAnError() async throws {
        let (errors, report) = AsyncStream.makeStream(of: HTTPServerError.Code?.self)
        try await withServer { _ in
            .webSocket(subprotocol: nil) { connection in
                do {
                    while try await connection.receive() != nil {}
                    report.yield(nil)
                } catch {
                    report.yield((error as? HTTPServerError)?.code)
                }
            }
        } _: { _, port in
            let (client, _) = try await Self.connect(port)
            await client.close()
            var iterator = errors.makeAsyncIterator()
            #expect(await iterator.next() == .clientGone)
        }
    }

    @Test func unreadMessagesHoldTheClientBack() async throws {
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let (counts, report) = AsyncStream.makeStream(of: Int.self)
        try await withServer(configure: { $0.limits.readAhead = 1000 }) { _ in
            .webSocket(subprotocol: nil) { connection in
                for await _ in gate {}
                var count = 0
                while let message = try await connection.receive() { count += message.bytes.count }
                report.yield(count)
            }
        } _: { _, port in
            let (client, _) = try await Self.connect(port)
            let frame = Self.frame(0x82, [UInt8](repeating: 1, count: 60_000))
            // More than the buffers of both kernels hold: sending ends only when the server reads on.
            let sending = Task {
                for _ in 0..<300 { try await client.send(frame) }
                try await client.send(Self.frame(0x88, [0x03, 0xe8]))
            }
            open.finish()
            try await sending.value
            var iterator = counts.makeAsyncIterator()
            #expect(await iterator.next() == 300 * 60_000)
        }
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ])
    func wrongHandshakeIsRefused(request: String) async throws {
        try await withServer(handler: Self.echo) { _, port in
            let client = try await RawClient(port: port)
            try await client.send(request)
            #expect(await client.readToEnd().hasPrefix("HTTP/1.1 400 "))
        }
    }

    @Test func shutdownSaysGoingAway() async throws {
        let server = HTTPServer(
            configuration: HTTPServerConfiguration(host: "127.0.0.1", port: 0, tls: nil), handler: ClosureHandler(Self.echo), logger: quiet)
        try await server.start()
        let running = Task { try await server.run() }
        let (client, _) = try await Self.connect(try #require(server.port))
        running.cancel()
        #expect(await client.read(count: 4) == [0x88, 0x02, 0x03, 0xe9])
        try await client.send(Self.frame(0x88, [0x03, 0xe9]))
        try await running.value
    }
}
