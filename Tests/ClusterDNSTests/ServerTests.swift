@testable import ClusterDNS
import Logging
import NIOCore
import NIOPosix
import Testing

/// The server over real sockets, asked by the transport that it asks others with.
@Suite(.timeLimit(.minutes(2))) struct ServerTests {
    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    struct NoTransport: UpstreamTransport {
        func exchange(_ query: DNSMessage, with upstream: Upstream, overTCP: Bool) async throws -> DNSMessage { throw DNSError(.upstream, "nobody is asked") }
    }

    static func withServer<R: Sendable>(_ resolver: ClusterResolver, limits: DNSServer.Limits = .init(), _ body: @Sendable (Upstream) async throws -> R) async throws -> R {
        let server = DNSServer(address: "127.0.0.1", port: 0, resolver: resolver, limits: limits, logger: quiet)
        try await server.start()
        let place = Upstream(address: "127.0.0.1", port: try #require(server.port))
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            defer { group.cancelAll() }
            return try await body(place)
        }
    }

    static func cluster(transport: any UpstreamTransport = NoTransport(), upstreams: [Upstream] = []) -> ClusterResolver {
        ClusterResolver(zone: ZoneTests.zone(), forwarder: Forwarder(upstreams: { upstreams }, transport: transport, now: { .zero }))
    }

    static func query(_ name: String, _ type: DNSType = .a, edns: DNSMessage.EDNS? = nil) -> DNSMessage {
        var query = DNSMessage(id: .random(in: 0...UInt16.max))
        query.recursionDesired = true
        query.questions = [.init(DNSName(name)!, type)]
        query.edns = edns
        return query
    }

    static func ask(_ place: Upstream, _ query: DNSMessage, overTCP: Bool = false) async throws -> DNSMessage {
        try await NetworkUpstreamTransport(timeout: .seconds(5)).exchange(query, with: place, overTCP: overTCP)
    }

    @Test(arguments: [false, true])
    func clusterNamesAreAnswered(overTCP: Bool) async throws {
        try await Self.withServer(Self.cluster()) { place in
            let found = try await Self.ask(place, Self.query("Web.shop.svc.cluster.local"), overTCP: overTCP)
            #expect(found.code == .noError && found.isAuthoritative && found.recursionAvailable && found.recursionDesired)
            #expect(found.answers.map { ZoneTests.describe($0.data) } == ["10.96.1.1"])
            // The question comes back as it was asked, letter by letter.
            #expect(found.questions[0].name.description == "Web.shop.svc.cluster.local.")
            let missing = try await Self.ask(place, Self.query("nope.shop.svc.cluster.local"), overTCP: overTCP)
            #expect(missing.code == .nameError && missing.authorities.first?.data.type == .soa)
            let empty = try await Self.ask(place, Self.query("web.shop.svc.cluster.local", .mx), overTCP: overTCP)
            #expect(empty.code == .noError && empty.answers.isEmpty && empty.authorities.first?.data.type == .soa)
        }
    }

    @Test func aLongAnswerIsCutOverUDPAndWholeOverTCP() async throws {
        let resolver = Self.cluster()
        resolver.update { zone in
            zone.set(SliceRecord(key: .init(namespace: "shop", name: "db-y"), service: "db", ports: [], endpoints: (0..<200).map { .init(addresses: [[10, 244, 1, UInt8($0)]]) }))
        }
        try await Self.withServer(resolver) { place in
            let cut = try await Self.ask(place, Self.query("db.shop.svc.cluster.local", edns: .init(payloadSize: 4096)))
            #expect(cut.isTruncated && (60..<80).contains(cut.answers.count))
            let whole = try await Self.ask(place, Self.query("db.shop.svc.cluster.local"), overTCP: true)
            #expect(!whole.isTruncated && whole.answers.count == 202)
            // What asks through a forwarder gets all of it.
            let forwarder = Forwarder(upstreams: { [place] }, transport: NetworkUpstreamTransport(), now: { .zero })
            #expect(try await forwarder.resolve(.init(DNSName("db.shop.svc.cluster.local")!, .a)).answers.count == 202)
        }
    }

    @Test func otherNamesAreForwarded() async throws {
        var outside = ClusterZone(domain: DNSName("example.com")!, serverAddresses: [])
        outside.isComplete = true
        outside.set(ServiceRecord(key: .init(namespace: "api", name: "www"), kind: .clusterIP([[192, 0, 2, 80]])))
        let upstream = ClusterResolver(zone: outside, forwarder: Forwarder(upstreams: { [] }, transport: NoTransport(), now: { .zero }))
        try await Self.withServer(upstream) { outsidePlace in
            let resolver = Self.cluster(transport: NetworkUpstreamTransport(), upstreams: [outsidePlace])
            resolver.update { $0.set(ServiceRecord(key: .init(namespace: "shop", name: "far"), kind: .external(DNSName("www.api.svc.example.com")!))) }
            try await Self.withServer(resolver) { place in
                for overTCP in [false, true] {
                    let found = try await Self.ask(place, Self.query("www.api.svc.example.com"), overTCP: overTCP)
                    #expect(found.answers.map { ZoneTests.describe($0.data) } == ["192.0.2.80"])
                    #expect(!found.isAuthoritative)
                }
                let missing = try await Self.ask(place, Self.query("nope.api.svc.example.com"))
                #expect(missing.code == .nameError && missing.authorities.first?.name == DNSName("example.com"))
                // An alias that leaves the cluster, and one that stays.
                let far = try await Self.ask(place, Self.query("far.shop.svc.cluster.local"))
                #expect(far.answers.map { ZoneTests.describe($0.data) } == ["www.api.svc.example.com.", "192.0.2.80"])
                let near = try await Self.ask(place, Self.query("near.shop.svc.cluster.local"))
                #expect(near.answers.map { ZoneTests.describe($0.data) } == ["web.shop.svc.cluster.local.", "10.96.1.1"])
                // The outer server has nobody to ask.
                #expect(try await Self.ask(place, Self.query("elsewhere.org")).code == .serverFailure)
            }
        }
    }

    @Test func aliasesInACircleEnd() async throws {
        let resolver = Self.cluster()
        resolver.update { zone in
            zone.set(ServiceRecord(key: .init(namespace: "shop", name: "a"), kind: .external(DNSName("b.shop.svc.cluster.local")!)))
            zone.set(ServiceRecord(key: .init(namespace: "shop", name: "b"), kind: .external(DNSName("a.shop.svc.cluster.local")!)))
        }
        try await Self.withServer(resolver) { place async throws in
            #expect(try await Self.ask(place, Self.query("a.shop.svc.cluster.local")).code == .serverFailure)
        }
    }

    @Test func oddQuestionsGetTheirCodes() async throws {
        try await Self.withServer(Self.cluster()) { place async throws in
            func code(_ change: (inout DNSMessage) -> Void) async throws -> DNSMessage.ResponseCode {
                var query = Self.query("web.shop.svc.cluster.local")
                change(&query)
                return try await Self.ask(place, query).code
            }
            #expect(try await code { $0.opcode = 5 } == .notImplemented)
            #expect(try await code { $0.questions = [] } == .formatError)
            #expect(try await code { $0.questions[0].type = .axfr } == .refused)
            #expect(try await code { $0.questions[0].questionClass = 3 } == .refused)
            #expect(try await code { $0.edns = .init(payloadSize: 1232, version: 1) } == .badVersion)
        }
    }

    /// The server goes on after noise; a response is never answered.
    @Test func noiseIsSurvived() async throws {
        try await Self.withServer(Self.cluster()) { place in
            let socket = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
            let address = try SocketAddress(ipAddress: place.address, port: place.port)
            var random = SplitMix(seed: 3)
            for _ in 0..<200 {
                let bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
                try await socket.writeAndFlush(AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: bytes)))
            }
            try await socket.close()
            #expect(try await Self.ask(place, Self.query("web.shop.svc.cluster.local")).answers.count == 1)
            var response = Self.query("web.shop.svc.cluster.local")
            response.isResponse = true
            guard case .ignored = Self.cluster().answer(response) else {
                Issue.record("expected a response to be ignored")
                return
            }
        }
    }

    @Test func tooManyConnectionsAreClosed() async throws {
        var limits = DNSServer.Limits()
        limits.connections = 1
        try await Self.withServer(Self.cluster(), limits: limits) { place in
            // Whom the server accepts first is the kernel's choice, so one of two is closed: the one that is held, or the one that asks.
            let held = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: place.address, port: place.port).get()
            let answer = try? await Self.ask(place, Self.query("web.shop.svc.cluster.local"), overTCP: true)
            if answer != nil { try await held.closeFuture.get() } else { try await held.close() }
        }
    }

    @Test func anAddressInUseIsSaid() async throws {
        try await Self.withServer(Self.cluster()) { place in
            let second = DNSServer(address: place.address, port: place.port, resolver: Self.cluster(), logger: Self.quiet)
            await #expect { try await second.start() } throws: { ($0 as? DNSError)?.code == .addressUnavailable }
        }
    }

    @Test func silenceEndsWithTheTimeout() async throws {
        let socket = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
        let place = Upstream(address: "127.0.0.1", port: try #require(socket.localAddress?.port))
        await #expect { try await NetworkUpstreamTransport(timeout: .milliseconds(50)).exchange(Self.query("a.com"), with: place, overTCP: false) } throws: {
            ($0 as? DNSError)?.code == .upstream
        }
        try await socket.close()
        // Nobody listens there any more: told at once by the kernel.
        await #expect(throws: (any Error).self) {
            try await NetworkUpstreamTransport(timeout: .seconds(600)).exchange(Self.query("a.com"), with: place, overTCP: false)
        }
    }
}
