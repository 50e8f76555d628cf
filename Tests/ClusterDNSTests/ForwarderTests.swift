@testable import ClusterDNS
import Synchronization
import Testing

/// Names that are not the cluster's: who is asked, what is kept, what is refused.
@Suite struct ForwarderTests {
    /// Resolvers that answer as told, and note what they were asked.
    final class FakeTransport: UpstreamTransport {
        typealias Behaviour = @Sendable (DNSMessage, Upstream, Bool) async throws -> DNSMessage
        let asked = Mutex<[String]>([])
        private let behaviour: Behaviour

        init(_ behaviour: @escaping Behaviour) { self.behaviour = behaviour }

        func exchange(_ query: DNSMessage, with upstream: Upstream, overTCP: Bool) async throws -> DNSMessage {
            asked.withLock { $0.append("\(upstream.address)\(overTCP ? " tcp" : "")") }
            return try await behaviour(query, upstream, overTCP)
        }
    }

    /// A clock that is moved by hand.
    final class Clock: Sendable {
        private let time = Mutex(Duration.zero)
        var now: Duration { time.withLock { $0 } }
        func advance(_ amount: Duration) { time.withLock { $0 += amount } }
    }

    static let two = [Upstream(address: "192.0.2.1"), Upstream(address: "192.0.2.2")]
    static let question = DNSMessage.Question(DNSName("example.com")!, .a)

    static func address(_ query: DNSMessage, ttl: UInt32 = 60, _ bytes: [UInt8] = [9, 9, 9, 9]) -> DNSMessage {
        var answer = query.response()
        answer.answers = [DNSRecord(query.questions[0].name, ttl: ttl, .a(bytes))]
        return answer
    }

    @Test func theFirstThatAnswersIsAskedFirstFromThenOn() async throws {
        let transport = FakeTransport { query, upstream, _ in
            guard upstream.address == "192.0.2.2" else { throw DNSError(.upstream, "silence") }
            return Self.address(query, ttl: 0)
        }
        let forwarder = Forwarder(upstreams: { Self.two }, transport: transport, now: { .zero })
        for _ in 0..<2 { #expect(try await forwarder.resolve(Self.question).answers.count == 1) }
        #expect(transport.asked.withLock { $0 } == ["192.0.2.1", "192.0.2.2", "192.0.2.2"])
    }

    @Test func refusalsAreLastResorts() async throws {
        let transport = FakeTransport { query, upstream, _ in
            if upstream.address == "192.0.2.1" { return query.response(.refused) }
            throw DNSError(.upstream, "silence")
        }
        let forwarder = Forwarder(upstreams: { Self.two }, transport: transport, now: { .zero })
        #expect(try await forwarder.resolve(Self.question).code == .refused)
        #expect(transport.asked.withLock { $0 }.count == 2)
    }

    @Test func truncatedAnswersAreAskedForOverTCP() async throws {
        let transport = FakeTransport { query, _, overTCP in
            var answer = Self.address(query)
            answer.isTruncated = !overTCP
            return answer
        }
        let forwarder = Forwarder(upstreams: { Self.two }, transport: transport, now: { .zero })
        #expect(try await !forwarder.resolve(Self.question).isTruncated)
        #expect(transport.asked.withLock { $0 } == ["192.0.2.1", "192.0.2.1 tcp"])
    }

    @Test func resolversFromBeforeEDNSAreAskedPlainly() async throws {
        let transport = FakeTransport { query, _, _ in query.edns == nil ? Self.address(query) : query.response(.formatError) }
        let forwarder = Forwarder(upstreams: { Self.two }, transport: transport, now: { .zero })
        #expect(try await forwarder.resolve(Self.question).answers.count == 1)
        #expect(transport.asked.withLock { $0 } == ["192.0.2.1", "192.0.2.1"])
    }

    @Test func answersAreKeptAndAge() async throws {
        let clock = Clock()
        let transport = FakeTransport { query, _, _ in Self.address(query, ttl: 20) }
        let forwarder = Forwarder(upstreams: { Self.two }, transport: transport, now: { clock.now })
        _ = try await forwarder.resolve(Self.question)
        clock.advance(.seconds(15))
        #expect(try await forwarder.resolve(.init(DNSName("EXAMPLE.com")!, .a)).answers.first?.ttl == 5)
        #expect(transport.asked.withLock { $0 }.count == 1)
        // Another type, and the same after its time.
        _ = try await forwarder.resolve(.init(DNSName("example.com")!, .aaaa))
        clock.advance(.seconds(5))
        _ = try await forwarder.resolve(Self.question)
        #expect(transport.asked.withLock { $0 }.count == 3)
    }

    @Test func howLongAnswersAreKept() throws {
        let name = try #require(DNSName("example.com"))
        var message = DNSMessage(id: 1)
        #expect(AnswerCache.lifetime(of: message) == nil)
        message.code = .nameError
        message.authorities = [.init(name, ttl: 100, .soa(.init(primary: name, mailbox: name, serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 12)))]
        #expect(AnswerCache.lifetime(of: message) == 12)
        message.code = .noError
        message.answers = [.init(name, ttl: 3600, .a([1, 2, 3, 4])), .init(name, ttl: 700, .a([1, 2, 3, 5]))]
        #expect(AnswerCache.lifetime(of: message) == 30)
        message.code = .serverFailure
        #expect(AnswerCache.lifetime(of: message) == nil)
    }

    @Test func theCacheIsBounded() {
        var cache = AnswerCache(capacity: 10)
        for number in 0..<100 {
            var query = DNSMessage(id: 1)
            query.questions = [.init(DNSName("n\(number).com")!, .a)]
            cache.store(Self.address(query), for: .init(question: query.questions[0], dnssecOK: false, checkingDisabled: false), now: .zero)
        }
        #expect(cache.count == 10)
    }

    @Test(.timeLimit(.minutes(1))) func questionsAtOneTimeAreBounded() async throws {
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let (arrivals, arrive) = AsyncStream.makeStream(of: Void.self)
        let transport = FakeTransport { query, _, _ in
            arrive.yield()
            for await _ in gate {}
            return Self.address(query)
        }
        var limits = Forwarder.Limits()
        limits.concurrentQueries = 1
        let forwarder = Forwarder(upstreams: { Self.two }, transport: transport, limits: limits, now: { .zero })
        async let first = forwarder.resolve(Self.question)
        for await _ in arrivals { break }
        await #expect { try await forwarder.resolve(.init(DNSName("other.com")!, .a)) } throws: { ($0 as? DNSError)?.code == .upstream }
        open.finish()
        #expect(try await first.answers.count == 1)
        #expect(try await forwarder.resolve(.init(DNSName("other.com")!, .a)).answers.count == 1)
    }

    @Test func resolversThatLeadBackAreLeftOut() {
        let text = "# comment\nnameserver 10.96.0.10\nnameserver 192.0.2.7\nnameserver\tfd00:0:0::1\nnameserver 192.0.2.7\nnameserver nonsense\nsearch x\noptions edns0\n"
        #expect(Upstream.list(resolvConf: text, excluding: [Upstream(address: "10.96.0.10"), Upstream(address: "127.0.0.1", port: 1053)])
            == [Upstream(address: "192.0.2.7"), Upstream(address: "fd00::1")])
    }

    @Test func answersOfOthersAreNotTaken() {
        var query = DNSMessage(id: 5)
        query.questions = [Self.question]
        var answer = Self.address(query)
        #expect(answer.answers(query))
        answer.id = 6
        #expect(!answer.answers(query))
        answer.id = 5
        answer.questions = [.init(DNSName("evil.com")!, .a)]
        #expect(!answer.answers(query))
        #expect(!query.answers(query))
    }
}
