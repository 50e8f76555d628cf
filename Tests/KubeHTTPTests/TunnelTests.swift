import AsyncHTTPClient
import KubeHTTP
import NIOCore
import NIOHTTP1
import Synchronization
import TestAuthority
import Testing

@Suite struct TunnelTests {
    /// Runs a backend with TLS and client certificates, and a front that passes everything on to it.
    static func withTunnel(
        backend: @escaping @Sendable (ServerRequest) async -> ServerResponse, frontTLS: TLSServer? = nil,
        _ body: @Sendable (_ front: Int, _ backend: HTTPServer) async throws -> Void
    ) async throws {
        let authority = try TestAuthority("nodes")
        let identity = try TLSClient(authority.client("apiserver", organizations: ["system:masters"]))
        try await withServer(tls: TLSServer(authority.server()), handler: backend) { server, backendPort in
            try await withServer(tls: frontTLS) { request in
                var target = TunnelTarget(host: "127.0.0.1", port: backendPort, tls: identity, uri: "/rewritten?x=1")
                target.connectTimeout = .seconds(5)
                return .tunnel(target)
            } _: { _, port in
                try await body(port, server)
            }
        }
    }

    @Test func webSocketGoesThrough() async throws {
        try await Self.withTunnel { request in
            guard request.clientCertificate?.commonName == "apiserver", request.path == "/rewritten" else { return .text(.forbidden, "who") }
            return await WebSocketTests.echo(request)
        } _: { port, _ in
            let (client, head) = try await WebSocketTests.connect(
                port, extra: "Sec-WebSocket-Protocol: a, b\r\n", then: WebSocketTests.frame(0x82, [1, 2, 3]))
            #expect(head.hasPrefix("HTTP/1.1 101 "))
            #expect(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
            #expect(head.contains("sec-websocket-protocol: b\r\n"))
            #expect(await client.read(count: 5) == [0x82, 3, 1, 2, 3])
            let large = [UInt8](repeating: 8, count: 60_000)
            try await client.send(WebSocketTests.frame(0x82, large))
            #expect(await client.read(count: 60_004) == [0x82, 126, 0xea, 0x60] + large)
            try await client.send(WebSocketTests.frame(0x88, [0x03, 0xe8]))
            #expect(await client.read { _ in false } == [0x88, 2, 0x03, 0xe8])
        }
    }

    @Test func refusalIsPassedBack() async throws {
        try await Self.withTunnel { _ in
            .full(status: .notFound, headers: ["x-why": "because"], body: Array("no such container".utf8))
        } _: { port, _ in
            let client = try await RawClient(port: port)
            try await client.send(WebSocketTests.handshake + "\r\n")
            let answer = await client.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 404 "))
            #expect(answer.contains("x-why: because\r\n"))
            #expect(answer.hasSuffix("\r\n\r\nno such container"))
        }
    }

    @Test func streamGoesThroughHTTP2WithoutCredentials() async throws {
        let authority = try TestAuthority("front")
        try await Self.withTunnel(backend: { request in
            let secrets = ["authorization", "cookie", "impersonate-user", "x-remote-user"].filter { request.headers.contains(name: $0) }
            let body = (try? await request.body.collect(upTo: 1 << 20).count) ?? -1
            return .stream(status: .ok, headers: ["x-body": "\(body)"]) { writer in
                try await writer.write("\(request.method) \(secrets) \(request.headers["x-mine"]) ")
                for _ in 0..<100 { try await writer.write([UInt8](repeating: 0x78, count: 10_000)) }
            }
        }, frontTLS: TLSServer(authority.server())) { port, _ in
            try await withClient(authority: authority.certificate) { client in
                let (response, body) = try await client.request(
                    "https://127.0.0.1:\(port)/original", method: .POST,
                    headers: ["authorization": "Bearer s", "cookie": "c", "impersonate-user": "root", "x-remote-user": "root", "x-mine": "1"],
                    body: [UInt8](repeating: 1, count: 200_000))
                #expect(response.version == .http2)
                #expect(response.headers["x-body"] == ["200000"])
                #expect(String(decoding: body.prefix(15), as: UTF8.self) == "POST [] [\"1\"] x")
                #expect(body.count == 14 + 1_000_000)
            }
        }
    }

    @Test func leavingEndsTheBackendToo() async throws {
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        try await Self.withTunnel { request in
            .stream(status: .ok) { writer in
                defer { end.finish() }
                try await writer.write("log")
                try await Task.sleep(for: .seconds(600))
            }
        } _: { port, _ in
            let client = try await RawClient(port: port)
            try await client.send("GET /logs HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = await client.readText(until: "log")
            await client.close()
            for await _ in ended {}
        }
    }

    @Test func gluedClientThatLeavesEndsTheBackendToo() async throws {
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        try await Self.withTunnel { _ in
            .webSocket(subprotocol: nil) { connection in
                defer { end.finish() }
                while try await connection.receive() != nil {}
            }
        } _: { port, backend in
            let (client, _) = try await WebSocketTests.connect(port)
            await client.close()
            for await _ in ended {}
            try await eventually { backend.connectionCount == 0 }
        }
    }

    @Test func unreachableBackendIsExplained() async throws {
        let authority = try TestAuthority()
        let identity = try TLSClient(authority.client("apiserver"))
        // A port that was free a moment ago.
        let port = try await withServer(handler: HTTPServerTests.describe) { _, port in port }
        try await withServer { _ in
            .tunnel(TunnelTarget(host: "127.0.0.1", port: port, tls: identity, uri: "/", onFailure: { .text(.internalServerError, "dial: \($0.message)") }))
        } _: { _, front in
            let client = try await RawClient(port: front)
            try await client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let answer = await client.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 500 "))
            #expect(answer.contains("dial: cannot connect to 127.0.0.1:\(port)"))
        }
    }

    @Test func backendOfAnotherAuthorityIsNotTrusted() async throws {
        let nodes = try TestAuthority("nodes"), other = try TestAuthority("other")
        let identity = try TLSClient(other.client("apiserver"))
        let reached = Mutex(false)
        try await withServer(tls: TLSServer(nodes.server())) { _ in
            reached.withLock { $0 = true }
            return .text(.ok, "reached")
        } _: { _, backend in
            try await withServer { _ in .tunnel(TunnelTarget(host: "127.0.0.1", port: backend, tls: identity, uri: "/")) } _: { _, front in
                let client = try await RawClient(port: front)
                try await client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                #expect(await client.readToEnd().hasPrefix("HTTP/1.1 502 "))
            }
        }
        #expect(!reached.withLock { $0 })
    }
}
