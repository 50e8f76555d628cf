import JSONTree
import KubeClient
import KubeHTTP
import KubeTypes
import Logging
import NIOHTTP1
import Synchronization
import TestAuthority
import Testing

@Suite struct NetworkTransportTests {
    struct ClosureHandler: RequestHandler {
        var body: @Sendable (ServerRequest) async -> ServerResponse
        func respond(to request: ServerRequest) async -> ServerResponse { await body(request) }
    }

    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// A server with TLS, a transport to it, and its port.
    static func withPair(
        _ handler: @escaping @Sendable (ServerRequest) async -> ServerResponse,
        limits: NetworkTransport.Limits = .init(),
        _ body: @Sendable (NetworkTransport, TestAuthority) async throws -> Void
    ) async throws {
        let authority = try TestAuthority()
        let server = HTTPServer(
            configuration: HTTPServerConfiguration(host: "127.0.0.1", port: 0, tls: try TLSServer(authority.server())),
            handler: ClosureHandler(body: handler), logger: quiet)
        try await server.start()
        let running = Task { try await server.run() }
        let transport = try NetworkTransport(kubeconfig: try authority.kubeconfig("alice", port: try #require(server.port)), limits: limits)
        do {
            try await body(transport, authority)
        } catch {
            try await transport.shutdown()
            running.cancel()
            throw error
        }
        try await transport.shutdown()
        running.cancel()
        try await running.value
    }

    @Test func sendsWhatTheServerNeeds() async throws {
        try await Self.withPair { request in
            let body = (try? await request.body.collect(upTo: 1000)) ?? []
            let seen: JSON = [
                "user": .string(request.clientCertificate?.commonName ?? ""), "method": .string(request.method.rawValue), "path": .string(request.path),
                "q": .string(request.query["labelSelector"] ?? ""), "type": .string(request.headers["content-type"].first ?? ""),
                "accept": .string(request.headers["accept"].first ?? ""), "body": .string(String(decoding: body, as: UTF8.self)),
            ]
            return .full(status: .ok, headers: ["content-type": "application/json"], body: seen.bytes())
        } _: { transport, _ in
            let response = try await transport.send(APIRequest(
                .patch, "/api/v1/namespaces/d/pods/a%2Fb", query: [.init("labelSelector", "a in (b, c)&d")],
                contentType: "application/merge-patch+json", body: Array("{}".utf8)))
            #expect(response.status == 200)
            #expect(response.header("Content-Type") == "application/json")
            let seen = try JSON(parsing: response.body)
            #expect(seen == [
                "user": "alice", "method": "PATCH", "path": "/api/v1/namespaces/d/pods/a%2Fb", "q": "a in (b, c)&d",
                "type": "application/merge-patch+json", "accept": "application/json", "body": "{}",
            ])
        }
    }

    @Test func informerFollowsAcrossTheNetwork() async throws {
        try await Self.withPair { request in
            if request.query["watch"] == "true" {
                return .stream(status: .ok) { writer in
                    try await writer.write(line("ADDED", configMap("b", 11)))
                    try await Task.sleep(for: .seconds(600))
                }
            }
            return .full(status: .ok, body: listOf(10, configMap("a", 5)).bytes())
        } _: { transport, _ in
            let informer = Informer<ConfigMap>(KubeClient(transport: transport), logger: Self.quiet)
            let changes = informer.changes()
            let running = Task { await informer.run() }
            var names: [String] = []
            for await change in changes {
                if let name = change.object?.metadata.name { names.append(name) }
                if names.count == 2 { break }
            }
            #expect(names == ["a", "b"])
            running.cancel()
            await running.value
        }
    }

    @Test func silentServerIsGivenUp() async throws {
        var limits = NetworkTransport.Limits()
        limits.silence = .seconds(3)
        try await Self.withPair({ _ in
            .stream(status: .ok) { writer in
                try await writer.write("first\n")
                try await Task.sleep(for: .seconds(600))
            }
        }, limits: limits) { transport, _ in
            let stream = try await transport.stream(APIRequest(.get, "/watch"))
            var pieces = 0
            let error = await #expect(throws: KubeError.self) { for try await _ in stream.body { pieces += 1 } }
            #expect(error?.reason == .timeout)
            #expect(pieces == 1)
        }
    }

    @Test func busyServerIsAskedAgain() async throws {
        let calls = Mutex(0)
        try await Self.withPair { _ in
            calls.withLock { $0 += 1 }
            if calls.withLock({ $0 }) < 3 { return .full(status: .tooManyRequests, headers: ["retry-after": "0"], body: []) }
            return .full(status: .created, body: Array("{}".utf8))
        } _: { transport, _ in
            let response = try await transport.send(APIRequest(.post, "/x", body: Array("{}".utf8)))
            #expect(response.status == 201)
            #expect(calls.withLock { $0 } == 3)
        }
    }

    @Test func refusedConnectionIsTriedAgainAndThenExplained() async throws {
        let authority = try TestAuthority()
        // A port that was free a moment ago.
        let server = HTTPServer(configuration: HTTPServerConfiguration(host: "127.0.0.1", port: 0, tls: nil), handler: ClosureHandler { _ in .text(.ok, "") }, logger: Self.quiet)
        try await server.start()
        let port = try #require(server.port)
        let running = Task { try await server.run() }
        running.cancel()
        try await running.value
        let pauses = Mutex(0)
        let backoff = Backoff(sleep: { _ in pauses.withLock { $0 += 1 } })
        let transport = try NetworkTransport(kubeconfig: try authority.kubeconfig("a", port: port), backoff: backoff)
        let error = await #expect(throws: KubeError.self) { try await transport.send(APIRequest(.post, "/x", body: [])) }
        #expect(error?.reason == .connection)
        #expect(error?.message == "cannot connect to https://127.0.0.1:\(port)")
        #expect(pauses.withLock { $0 } == 3)
        try await transport.shutdown()
    }

    @Test func credentialsAreReplacedWhileRunning() async throws {
        try await Self.withPair { request in
            .full(status: .ok, body: Array((request.clientCertificate?.commonName ?? "").utf8))
        } _: { transport, authority in
            let before = try await transport.send(APIRequest(.get, "/"))
            #expect(before.body == Array("alice".utf8))
            var next = try authority.kubeconfig("bob", port: 0)
            next.server = ""
            try transport.replaceCredentials(next)
            let after = try await transport.send(APIRequest(.get, "/"))
            #expect(after.body == Array("bob".utf8))
        }
    }

    @Test func strangerIsNotTrusted() async throws {
        try await Self.withPair { _ in .text(.ok, "") } _: { transport, _ in
            try transport.replaceCredentials(try TestAuthority("other").kubeconfig("alice", port: 0))
            let error = await #expect(throws: KubeError.self) { try await transport.send(APIRequest(.post, "/", body: [])) }
            #expect(error?.reason == .connection)
        }
    }
}

extension TestAuthority {
    func kubeconfig(_ user: String, port: Int) throws -> Kubeconfig {
        let material = try client(user)
        return Kubeconfig(
            server: "https://127.0.0.1:\(port)", authority: certificate, clientCertificate: material.certificateChain, clientKey: material.privateKey)
    }
}
