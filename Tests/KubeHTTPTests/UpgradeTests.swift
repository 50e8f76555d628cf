@testable import KubeHTTP
import NIOCore
import NIOHTTP1
import Testing

/// Connections that leave HTTP for SPDY, directly and through a tunnel.
@Suite struct UpgradeTests {
    static let request = "POST /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: p\r\nContent-Length: 0\r\n\r\n"

    @Sendable static func echo(_ request: ServerRequest) async -> ServerResponse {
        guard request.asksForSPDY, !request.asksForWebSocket else { return .text(.badRequest, "expected SPDY") }
        return .upgrade(headers: ["connection": "Upgrade", "upgrade": "SPDY/3.1", "x-stream-protocol-version": "p"]) { connection in
            while let bytes = try await connection.receive() {
                if bytes == [0] { return try await connection.send([9, 9]) }
                try await connection.send(bytes)
            }
        }
    }

    static func expectEcho(_ port: Int) async throws {
        let client = try await RawClient(port: port)
        // The first bytes come in the same packet as the request.
        try await client.send(Array(request.utf8) + [1, 2, 3])
        let head = await client.read { String(decoding: $0, as: UTF8.self).contains("\r\n\r\n") && $0.suffix(3) == [1, 2, 3] }
        let text = String(decoding: head.dropLast(3), as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
        #expect(text.lowercased().contains("upgrade: spdy/3.1\r\n") && text.lowercased().contains("x-stream-protocol-version: p\r\n"))
        #expect(!text.lowercased().contains("content-length"))
        let large = [UInt8](repeating: 7, count: 500_000)
        try await client.send(large)
        #expect(await client.read(count: 500_000) == large)
        // The server's last words come before the end.
        try await client.send([0])
        #expect(await client.read { _ in false } == [9, 9])
    }

    @Test func bytesGoBothWays() async throws {
        try await withServer(handler: Self.echo) { _, port in try await Self.expectEcho(port) }
    }

    @Test func bytesGoThroughATunnel() async throws {
        try await TunnelTests.withTunnel(backend: Self.echo) { port, _ in try await Self.expectEcho(port) }
    }

    @Test func leavingEndsTheTask() async throws {
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        try await withServer { _ in
            .upgrade(headers: ["connection": "Upgrade", "upgrade": "SPDY/3.1"]) { connection in
                defer { end.finish() }
                while try await connection.receive() != nil {}
            }
        } _: { server, port in
            let client = try await RawClient(port: port)
            try await client.send(Self.request)
            _ = await client.readText(until: "\r\n\r\n")
            await client.close()
            for await _ in ended {}
            try await eventually { server.connectionCount == 0 }
        }
    }

    @Test func whatCannotBeUpgradedIsRefused() async throws {
        try await withServer { _ in .upgrade(headers: ["upgrade": "SPDY/3.1"]) { _ in } } _: { _, port in
            let client = try await RawClient(port: port)
            try await client.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            #expect(await client.readToEnd().hasPrefix("HTTP/1.1 400 "))
        }
    }
}
