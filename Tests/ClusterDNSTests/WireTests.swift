@testable import ClusterDNS
import Testing

/// Messages on the wire: exact bytes, compression, limits, and no trap whatever comes in.
@Suite struct WireTests {
    /// `dig +noedns A kubernetes.default.svc.cluster.local`, and an answer with one address.
    static let question: [UInt8] = [
        0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0,
        10, 0x6b, 0x75, 0x62, 0x65, 0x72, 0x6e, 0x65, 0x74, 0x65, 0x73, 7, 0x64, 0x65, 0x66, 0x61, 0x75, 0x6c, 0x74,
        3, 0x73, 0x76, 0x63, 7, 0x63, 0x6c, 0x75, 0x73, 0x74, 0x65, 0x72, 5, 0x6c, 0x6f, 0x63, 0x61, 0x6c, 0, 0, 1, 0, 1,
    ]

    static func name(_ text: String) throws -> DNSName { try #require(DNSName(text)) }

    @Test func questionIsRead() throws {
        let message = try DNSMessage(parsing: Self.question)
        #expect(message.id == 0x1234)
        #expect(message.recursionDesired && !message.isResponse)
        #expect(message.questions == [.init(try Self.name("kubernetes.default.svc.cluster.local"), .a)])
        #expect(message.bytes() == Self.question)
    }

    @Test func answerPointsToTheQuestionsName() throws {
        let query = try DNSMessage(parsing: Self.question)
        var answer = query.response()
        answer.isAuthoritative = true
        answer.answers = [DNSRecord(query.questions[0].name, ttl: 5, .a([10, 96, 0, 1]))]
        var expected = Self.question
        // QR, AA, RD, RA; one answer.
        (expected[2], expected[3], expected[7]) = (0x85, 0x80, 1)
        expected += [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 96, 0, 1]
        #expect(answer.bytes() == expected)
        #expect(try DNSMessage(parsing: expected) == answer)
    }

    @Test func everyKindOfRecordGoesThroughBothWays() throws {
        let (name, other) = (try Self.name("a.example.com"), try Self.name("b.example.com"))
        var message = DNSMessage(id: 7)
        message.isResponse = true
        message.code = .nameError
        message.edns = .init(payloadSize: 1232, dnssecOK: true)
        message.answers = [
            .init(name, ttl: 1, .a([1, 2, 3, 4])), .init(name, ttl: 2, .aaaa(Array(0..<16))), .init(name, ttl: 3, .ns(other)), .init(name, ttl: 4, .cname(other)),
            .init(name, ttl: 5, .ptr(other)), .init(name, ttl: 6, .dname(other)), .init(name, ttl: 7, .mx(preference: 10, other)),
            .init(name, ttl: 8, .srv(priority: 1, weight: 2, port: 443, target: other)), .init(name, ttl: 9, .txt([[65], [], [UInt8](repeating: 66, count: 255)])),
            .init(name, ttl: 10, .other(DNSType(rawValue: 257), [0, 5, 1])),
        ]
        message.authorities = [.init(other, ttl: 11, .soa(.init(primary: name, mailbox: other, serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5)))]
        message.additionals = [.init(.root, ttl: 12, .other(DNSType(rawValue: 99), [1]), recordClass: 3)]
        #expect(try DNSMessage(parsing: message.bytes()) == message)
    }

    @Test func namesInRecordsOfOthersMayBeCompressed() throws {
        // An answer to our question: a CNAME whose data points into the question.
        var bytes = Self.question
        (bytes[2], bytes[7]) = (0x81, 1)
        bytes += [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 5, 0, 4, 1, 0x78, 0xc0, 31]
        let message = try DNSMessage(parsing: bytes)
        #expect(message.answers == [.init(message.questions[0].name, ttl: 5, .cname(try Self.name("x.svc.cluster.local")))])
    }

    @Test func whatDoesNotFitIsTruncated() throws {
        let query = try DNSMessage(parsing: Self.question)
        var answer = query.response()
        answer.answers = (0..<100).map { DNSRecord(query.questions[0].name, ttl: 5, .a([10, 0, 0, UInt8($0)])) }
        answer.additionals = [DNSRecord(query.questions[0].name, ttl: 5, .a([1, 1, 1, 1]))]
        let bytes = answer.bytes(limit: query.udpLimit)
        #expect(bytes.count <= 512)
        let read = try DNSMessage(parsing: bytes)
        #expect(read.isTruncated)
        #expect(read.answers.count == (512 - Self.question.count) / 16)
        #expect(read.additionals.isEmpty)
        #expect(try !DNSMessage(parsing: answer.bytes()).isTruncated)
        // Additional records are a courtesy: leaving them out is no truncation.
        answer.answers.removeLast(answer.answers.count - read.answers.count)
        #expect(try !DNSMessage(parsing: answer.bytes(limit: 512)).isTruncated)
    }

    @Test func ednsIsAnsweredWithEDNS() throws {
        var query = try DNSMessage(parsing: Self.question)
        #expect(query.udpLimit == 512 && query.response().edns == nil)
        query.edns = .init(payloadSize: 4096)
        #expect(query.udpLimit == 1232 && query.response().edns?.payloadSize == 1232)
        query.edns = .init(payloadSize: 10)
        #expect(query.udpLimit == 512)
        var bad = query.response(.badVersion)
        bad.questions = []
        // The code's upper bits travel in OPT.
        #expect(try DNSMessage(parsing: bad.bytes()).code == .badVersion)
    }

    @Test func namesCompareWithoutCase() throws {
        let (lower, upper) = (try Self.name("web.default.svc"), try Self.name("WEB.Default.SVC."))
        #expect(lower == upper && lower.hashValue == upper.hashValue)
        #expect(try upper.labels(before: Self.name("default.svc")) == [Array("WEB".utf8)])
        #expect(try Self.name("x.y").labels(before: lower) == nil)
        // A dot in a label is another name.
        #expect(DNSName(labels: [Array("a.b".utf8)]) != DNSName("a.b"))
        #expect(DNSName(labels: [Array("a.b".utf8)])?.description == "a\\.b.")
        #expect(DNSName("a..b") == nil)
        #expect(DNSName(String(repeating: "a", count: 64)) == nil)
        #expect(DNSName(Array(repeating: "abcdefg", count: 32).joined(separator: ".")) == nil)
    }

    @Test(arguments: [
        // Too short; a pointer to itself; one forwards; a label of an unknown kind; data beyond the end; two OPT records.
        [0, 1, 2],
        [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1],
        [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 14, 0, 1, 0, 1, 0],
        [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 1, 0, 1],
        [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 9, 1],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0],
        // An address of five bytes; a text that is longer than its record; counts that claim everything.
        [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5],
        [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 2, 9, 1],
        [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] as [[UInt8]])
    func wrongMessagesAreRefused(bytes: [UInt8]) {
        #expect { try DNSMessage(parsing: bytes) } throws: { ($0 as? DNSError)?.code == .malformed }
    }

    /// Sound messages with bytes changed, cut and put together, and noise: an error or a message, never a trap; what was read can be
    /// written, and read again as the same.
    @Test func noiseNeverTraps() throws {
        var random = SplitMix(seed: 11)
        var message = DNSMessage(id: 7)
        let name = try Self.name("a.b.example.com")
        message.questions = [.init(name, .any)]
        message.edns = .init(payloadSize: 1232)
        message.answers = [.init(name, ttl: 1, .srv(priority: 1, weight: 2, port: 3, target: name)), .init(name, ttl: 1, .txt([[1, 2, 3]]))]
        message.authorities = [.init(name, ttl: 11, .soa(.init(primary: name, mailbox: name, serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5)))]
        let sound = message.bytes()
        var read = 0
        for round in 0..<6_000 {
            var bytes = round % 4 == 0 ? (0..<Int.random(in: 0...64, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) } : sound
            for _ in 0..<Int.random(in: 0...5, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if round % 7 == 0 { bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))) }
            guard let first = try? DNSMessage(parsing: bytes) else { continue }
            read += 1
            let written = first.bytes()
            if try !DNSMessage(parsing: written).isTruncated { #expect(try DNSMessage(parsing: written).answers == first.answers) }
            #expect(first.bytes(limit: 512).count <= max(512, first.questions.count * 260 + 40))
        }
        #expect(read > 500)
    }
}

/// Numbers that are the same in each run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
