import AsyncHTTPClient
import KubeHTTP
import NIOCore
import NIOHTTP1
import Synchronization
import TestAuthority
import Testing

@Suite struct StreamingTests {
    @Test(arguments: [false, true])
    func piecesArriveAsTheyAreWritten(http2: Bool) async throws {
        let authority = try TestAuthority()
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        try await withServer(tls: TLSServer(authority.server())) { _ in
            .stream(status: .ok) { writer in
                try await writer.write("first")
                for await _ in gate { break }
                try await writer.write("second")
            }
        } _: { _, port in
            try await withClient(authority: authority.certificate, version: http2 ? .automatic : .http1Only) { client in
                let response = try await client.execute(HTTPClientRequest(url: "https://127.0.0.1:\(port)/"), timeout: .seconds(10))
                var iterator = response.body.makeAsyncIterator()
                // The second piece is written only after the first has arrived.
                #expect(try await iterator.next() == ByteBuffer(string: "first"))
                open.finish()
                #expect(try await iterator.next() == ByteBuffer(string: "second"))
                #expect(try await iterator.next() == nil)
            }
        }
    }

    @Test(arguments: [false, true])
    func leavingCancelsTheProducer(http2: Bool) async throws {
        let authority = try TestAuthority()
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        try await withServer(tls: TLSServer(authority.server())) { _ in
            .stream(status: .ok) { writer in
                defer { end.finish() }
                try await writer.write("hello")
                try await Task.sleep(for: .seconds(600))
            }
        } _: { _, port in
            try await withClient(authority: authority.certificate, version: http2 ? .automatic : .http1Only) { client in
                let response = try await client.execute(HTTPClientRequest(url: "https://127.0.0.1:\(port)/"), timeout: .seconds(10))
                // The iterator is dropped after the first piece, which ends the request.
                for try await _ in response.body { break }
            }
            for await _ in ended {}
        }
    }

    @Test func slowClientHoldsTheWriterBack() async throws {
        let written = Mutex(0)
        let total = 64 << 20
        try await withServer { _ in
            .stream(status: .ok) { writer in
                let piece = [UInt8](repeating: 7, count: 32 << 10)
                for _ in 0..<(total / piece.count) {
                    try await writer.write(piece)
                    written.withLock { $0 += piece.count }
                }
            }
        } _: { _, port in
            let client = try await RawClient(port: port, reads: false)
            try await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            // No event says that a writer waits: it does when nothing more is written for a while.
            var last = -1
            while last <= 0 || last != written.withLock({ $0 }) {
                last = written.withLock { $0 }
                try await Task.sleep(for: .milliseconds(200))
            }
            #expect(written.withLock { $0 } < total / 2)
            await client.close()
        }
    }

    @Test func wholeLargeStreamArrives() async throws {
        let authority = try TestAuthority()
        try await withServer(tls: TLSServer(authority.server())) { _ in
            .stream(status: .ok) { writer in
                for index in 0..<2000 { try await writer.write([UInt8](repeating: UInt8(index & 255), count: 4000)) }
            }
        } _: { _, port in
            try await withClient(authority: authority.certificate) { client in
                let (_, body) = try await client.request("https://127.0.0.1:\(port)/")
                #expect(body.count == 8_000_000)
                let wrong = (0..<2000).filter { index in
                    let expected = UInt8(index & 255)
                    return body[index * 4000] != expected || body[index * 4000 + 3999] != expected
                }
                #expect(wrong.isEmpty)
            }
        }
    }

    @Test(arguments: [false, true])
    func failedProducerIsNotTakenForTheEnd(http2: Bool) async throws {
        struct Failure: Error {}
        let authority = try TestAuthority()
        try await withServer(tls: TLSServer(authority.server())) { _ in
            .stream(status: .ok) { writer in
                try await writer.write("part")
                throw Failure()
            }
        } _: { _, port in
            try await withClient(authority: authority.certificate, version: http2 ? .automatic : .http1Only) { client in
                await #expect(throws: (any Error).self) { try await client.request("https://127.0.0.1:\(port)/") }
            }
        }
    }

    @Test func streamToAnOldClientEndsWithTheConnection() async throws {
        try await withServer { _ in
            .stream(status: .ok) { try await $0.write("body") }
        } _: { _, port in
            let client = try await RawClient(port: port)
            try await client.send("GET / HTTP/1.0\r\n\r\n")
            let answer = await client.readToEnd()
            #expect(answer.hasSuffix("\r\n\r\nbody"))
            #expect(!answer.lowercased().contains("chunked"))
        }
    }

    @Test func manyStreamsShareOneConnection() async throws {
        let authority = try TestAuthority()
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let waiting = Mutex(0)
        let gateTask = Task { for await _ in gate {} }
        try await withServer(tls: TLSServer(authority.server())) { _ in
            .stream(status: .ok) { writer in
                try await writer.write("a")
                waiting.withLock { $0 += 1 }
                await gateTask.value
                try await writer.write("b")
            }
        } _: { server, port in
            try await withClient(authority: authority.certificate) { client in
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<300 { group.addTask { try await client.request("https://127.0.0.1:\(port)/").body.count } }
                    try await eventually(within: .seconds(30)) { waiting.withLock { $0 } == 300 }
                    #expect(server.connectionCount == 1)
                    open.finish()
                    for try await count in group { #expect(count == 2) }
                }
            }
        }
    }

    @Test(arguments: [false, true])
    func shutdownEndsStreamsAndLetsRequestsEnd(http2: Bool) async throws {
        let authority = try TestAuthority()
        let (began, begin) = AsyncStream.makeStream(of: Void.self)
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let server = HTTPServer(
            configuration: HTTPServerConfiguration(host: "127.0.0.1", port: 0, tls: try TLSServer(authority.server())),
            handler: ClosureHandler { request in
                if request.path == "/watch" {
                    return .stream(status: .ok) { writer in
                        try await writer.write("event")
                        begin.yield()
                        // A watch returns when it is cancelled.
                        try? await Task.sleep(for: .seconds(600))
                        open.finish()
                    }
                }
                begin.yield()
                for await _ in gate {}
                return .text(.ok, "done")
            }, logger: quiet)
        try await server.start()
        let port = try #require(server.port)
        let running = Task { try await server.run() }
        try await withClient(authority: authority.certificate, version: http2 ? .automatic : .http1Only) { client in
            async let watch = client.request("https://127.0.0.1:\(port)/watch")
            async let full = client.request("https://127.0.0.1:\(port)/full")
            var iterator = began.makeAsyncIterator()
            await iterator.next()
            await iterator.next()
            running.cancel()
            #expect(try await watch.body == Array("event".utf8))
            #expect(try await full.body == Array("done\n".utf8))
            try await running.value
        }
    }
}
