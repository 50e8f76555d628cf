import AsyncHTTPClient
import KubeHTTP
import NIOCore
import NIOHTTP1
import Synchronization
import TestAuthority
import Testing

@Suite struct HTTPServerTests {
    /// Says what the server saw.
    @Sendable static func describe(_ request: ServerRequest) async -> ServerResponse {
        do {
            let body = try await request.body.collect(upTo: 1024)
            let certificate = request.clientCertificate.map { "\($0.commonName) \($0.organizations.joined(separator: "+"))" } ?? "nobody"
            return .text(.ok, "\(request.method) \(request.path) \(request.query["a"] ?? "-") \(certificate) \(String(decoding: body, as: UTF8.self))")
        } catch {
            return .text(.payloadTooLarge, "\(error)")
        }
    }

    @Test(arguments: [false, true])
    func answersOverBothVersions(http2: Bool) async throws {
        let authority = try TestAuthority()
        try await withServer(tls: TLSServer(authority.server()), handler: Self.describe) { _, port in
            let certificate = try authority.client("system:node:a", organizations: ["system:nodes", "other"])
            try await withClient(authority: authority.certificate, certificate: certificate, version: http2 ? .automatic : .http1Only) { client in
                let url = "https://127.0.0.1:\(port)/x%2Fy?a=1%202&b"
                let (response, body) = try await client.request(url, method: .POST, body: Array("hello".utf8))
                #expect(response.status == .ok)
                #expect(response.version == (http2 ? .http2 : .http1_1))
                #expect(String(decoding: body, as: UTF8.self) == "POST /x%2Fy 1 2 system:node:a system:nodes+other hello\n")
                let head = try await client.request(url, method: .HEAD)
                #expect(head.body.isEmpty)
                #expect(head.response.headers["content-length"] == [String(body.count - 5)])
            }
        }
    }

    @Test func clientCertificateIsOptionalButVerified() async throws {
        let authority = try TestAuthority()
        let stranger = try TestAuthority("stranger")
        try await withServer(tls: TLSServer(authority.server()), handler: Self.describe) { _, port in
            try await withClient(authority: authority.certificate) { client in
                let (_, body) = try await client.request("https://127.0.0.1:\(port)/")
                #expect(String(decoding: body, as: UTF8.self).contains("nobody"))
            }
            let forged = try stranger.client("kubernetes-admin", organizations: ["system:masters"])
            await #expect(throws: (any Error).self) {
                try await withClient(authority: authority.certificate, certificate: forged) { client in
                    try await client.request("https://127.0.0.1:\(port)/")
                }
            }
        }
    }

    @Test func materialIsReplacedWhileRunning() async throws {
        let old = try TestAuthority("old"), new = try TestAuthority("new")
        let tls = try TLSServer(old.server())
        try await withServer(tls: tls, handler: Self.describe) { _, port in
            let url = "https://127.0.0.1:\(port)/"
            try await withClient(authority: old.certificate) { _ = try await $0.request(url) }
            try tls.replace(with: new.server())
            try await withClient(authority: new.certificate) { _ = try await $0.request(url) }
            await #expect(throws: (any Error).self) {
                try await withClient(authority: old.certificate) { try await $0.request(url) }
            }
        }
        var broken = try new.server()
        broken.privateKey = try old.server().privateKey
        #expect(throws: HTTPServerError.self) { try tls.replace(with: broken) }
    }

    @Test func portInUseIsNamed() async throws {
        try await withServer(handler: Self.describe) { _, port in
            let second = HTTPServer(
                configuration: HTTPServerConfiguration(host: "127.0.0.1", port: port, tls: nil),
                handler: ClosureHandler(Self.describe), logger: quiet)
            let error = await #expect(throws: HTTPServerError.self) { try await second.start() }
            #expect(error?.code == .addressInUse)
            #expect(error?.message.contains("127.0.0.1:\(port)") == true)
        }
    }

    @Test func bodyAboveTheLimitIsRefusedBeforeItArrives() async throws {
        try await withServer(handler: Self.describe) { _, port in
            let client = try await RawClient(port: port)
            try await client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n")
            let answer = await client.readText(until: "\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 413"))
            #expect(answer.lowercased().contains("connection: close"))
            // The rest of the body is taken, then the connection ends.
            try await client.send([UInt8](repeating: 0x61, count: 5000))
            _ = await client.readToEnd()
        }
    }

    @Test func chunkedBodyAboveTheLimitIsRefused() async throws {
        try await withServer(handler: Self.describe) { _, port in
            let client = try await RawClient(port: port)
            let chunk = "400\r\n" + String(repeating: "a", count: 1024) + "\r\n"
            try await client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk)
            let answer = await client.readText(until: "\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 413"))
            await client.close()
        }
    }

    @Test func largeLastResponseIsNotCutOff() async throws {
        try await withServer { _ in .full(status: .ok, body: [UInt8](repeating: 0x61, count: 8_000_000)) } _: { _, port in
            let client = try await RawClient(port: port)
            try await client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(await client.readToEnd().utf8.count > 8_000_000)
        }
    }

    @Test func continueIsSentWhenTheBodyIsWanted() async throws {
        try await withServer(handler: Self.describe) { _, port in
            let client = try await RawClient(port: port)
            try await client.send("PUT /c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            let interim = await client.readText(until: "\r\n\r\n")
            #expect(interim == "HTTP/1.1 100 Continue\r\n\r\n")
            try await client.send("ok")
            let answer = await client.readText(until: "ok\n")
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
            await client.close()
        }
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        try await withServer(handler: Self.describe) { _, port in
            let client = try await RawClient(port: port)
            let request = "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none"
            try await client.send(request + "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n" + request + "GET /4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let answers = await client.readToEnd()
            let paths = answers.split(separator: "\n").compactMap { line in ["/1", "/2", "/4"].first { line.contains(" \($0) ") } }
            #expect(paths == ["/1", "/2", "/1", "/4"])
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 9000) + "\r\n\r\n", "431"),
        ("GET / HTTP/1.1\r\n" + String(repeating: "X: y\r\n", count: 200) + "\r\n", "431"),
        ("GET /" + String(repeating: "a", count: 9000) + " HTTP/1.1\r\n\r\n", "431"),
        ("NONSENSE\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400"),
        ("GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}", "400"),
    ])
    func hostileHeadIsRefused(request: String, status: String) async throws {
        try await withServer(configure: { $0.limits.headSize = 8192 }, handler: Self.describe) { _, port in
            let client = try await RawClient(port: port)
            try await client.send(request)
            let answer = await client.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
        }
    }

    @Test func slowHeadEndsTheConnection() async throws {
        try await withServer(configure: { $0.timeouts.head = .milliseconds(400) }, handler: Self.describe) { server, port in
            let client = try await RawClient(port: port)
            try await client.send("GET / HTTP/1.1\r\nX-Slow: ")
            #expect(await client.readToEnd() == "")
            try await eventually { server.connectionCount == 0 }
        }
    }

    @Test func missingTLSHandshakeEndsTheConnection() async throws {
        let authority = try TestAuthority()
        try await withServer(
            tls: TLSServer(authority.server()), configure: { $0.timeouts.head = .milliseconds(400) }, handler: Self.describe
        ) { _, port in
            let client = try await RawClient(port: port)
            #expect(await client.readToEnd() == "")
        }
    }

    @Test func slowBodyIsAnsweredWithTheHandlersError() async throws {
        try await withServer(configure: { $0.timeouts.stall = .milliseconds(50) }) { request in
            do {
                return .full(status: .ok, body: try await request.body.collect(upTo: 100))
            } catch {
                return .text(.requestTimeout, "\((error as? HTTPServerError)?.code.rawValue ?? "")")
            }
        } _: { _, port in
            let client = try await RawClient(port: port)
            try await client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
            let answer = await client.readText(until: "timeout\n")
            #expect(answer.hasPrefix("HTTP/1.1 408"))
            await client.close()
        }
    }

    @Test func headerValuesCannotBreakOut() async throws {
        try await withServer { request in
            .full(status: .ok, headers: ["warning": "299 - \"\(request.query["w"] ?? "")\""], body: [])
        } _: { _, port in
            let client = try await RawClient(port: port)
            try await client.send("GET /?w=a%0D%0AX-Evil:%201 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let answer = await client.readToEnd()
            #expect(answer.contains("warning: 299 - \"a  X-Evil: 1\"\r\n"))
        }
    }
}
