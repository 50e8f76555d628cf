@testable import KubeHTTP
import Testing

/// The wire format of SPDY/3.1: exact bytes, limits, and no trap whatever comes in.
@Suite struct SPDYCodecTests {
    static let frames: [(SPDYFrame, [UInt8])] = [
        // Stream 5, FIN, three bytes.
        (.data(stream: 5, bytes: [1, 2, 3], isLast: true), [0, 0, 0, 5, 1, 0, 0, 3, 1, 2, 3]),
        // Control, version 3, type 1; FIN; stream 1, associated 0, priority 2 in three bits, slot 0.
        (.synStream(stream: 1, associated: 0, priority: 2, headers: [9, 9], isLast: true, isUnidirectional: false),
         [0x80, 3, 0, 1, 1, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0x40, 0, 9, 9]),
        (.synReply(stream: 1, headers: [7], isLast: false), [0x80, 3, 0, 2, 0, 0, 0, 5, 0, 0, 0, 1, 7]),
        (.resetStream(stream: 3, status: .cancel), [0x80, 3, 0, 3, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 5]),
        (.settings([.init(id: 7, value: 65536)]), [0x80, 3, 0, 4, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 7, 0, 1, 0, 0]),
        (.ping(1), [0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1]),
        (.goAway(lastStream: 9, status: 0), [0x80, 3, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 0]),
        (.headers(stream: 1, headers: [], isLast: false), [0x80, 3, 0, 8, 0, 0, 0, 4, 0, 0, 0, 1]),
        (.windowUpdate(stream: 0, delta: 32768), [0x80, 3, 0, 9, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0x80, 0]),
        (.unknown(type: 77), [0x80, 3, 0, 77, 0, 0, 0, 0]),
    ]

    @Test func framesAreTheBytesOfTheSpecification() throws {
        for (frame, bytes) in Self.frames {
            #expect(frame.bytes == bytes)
            var reader = SPDYFrameReader()
            reader.append(bytes)
            #expect(try reader.next() == frame)
            #expect(try reader.next() == nil)
        }
    }

    @Test(arguments: [1, 3, 7, 64])
    func framesMayComeInPieces(size: Int) throws {
        let bytes = Self.frames.flatMap(\.1)
        var reader = SPDYFrameReader()
        var found: [SPDYFrame] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            reader.append(Array(bytes[start..<min(start + size, bytes.count)]))
            while let frame = try reader.next() { found.append(frame) }
        }
        #expect(found == Self.frames.map(\.0))
    }

    @Test(arguments: [
        // Another version; a length that the type does not have; settings that claim more than there is.
        [0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1],
        [0x80, 3, 0, 6, 0, 0, 0, 3, 0, 0, 0],
        [0x80, 3, 0, 3, 0, 0, 0, 9, 0, 0, 0, 3, 0, 0, 0, 5, 0],
        [0x80, 3, 0, 1, 0, 0, 0, 9, 0, 0, 0, 3, 0, 0, 0, 5, 0],
        [0x80, 3, 0, 4, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff],
        // Longer than allowed: refused before it has come.
        [0x80, 3, 0, 1, 0, 1, 0, 1],
        [0, 0, 0, 1, 0, 0x40, 0, 1],
    ] as [[UInt8]])
    func wrongFramesAreRefused(bytes: [UInt8]) {
        var reader = SPDYFrameReader()
        reader.append(bytes)
        #expect(throws: SPDYError.self) { try reader.next() }
    }

    @Test func dictionaryIsTheOneOfTheSpecification() {
        var (low, high): (UInt32, UInt32) = (1, 0)
        for byte in SPDYDictionary.bytes {
            low = (low + UInt32(byte)) % 65521
            high = (high + low) % 65521
        }
        #expect(high << 16 | low == 0xe3c6_a7c2)
    }

    /// Two blocks of one stream, compressed by Python's zlib with the dictionary.
    static let foreignBlocks: [[UInt8]] = [
        [0x78, 0xf9, 0xe3, 0xc6, 0xa7, 0xc2, 0x02, 0x25, 0x3a, 0x70, 0x3a, 0x2b, 0x29, 0x4a, 0x4d, 0xcc, 0x85, 0x16, 0x25, 0xac, 0xa9, 0xa0,
         0x80, 0x86, 0x14, 0xcb, 0x45, 0xa0, 0x24, 0xcc, 0x64, 0x61, 0x00, 0x24, 0x39, 0x8b, 0x20, 0x91, 0x98, 0x09, 0x4a, 0xdc, 0x8c, 0x06,
         0x00, 0x00, 0x00, 0x00, 0xff, 0xff],
        [0xc2, 0xaa, 0x15, 0x54, 0x0a, 0x25, 0x12, 0xd2, 0x09, 0x00, 0x00, 0x00, 0xff, 0xff],
    ]

    @Test func headersOfAnotherImplementationAreRead() throws {
        let decompressor = try SPDYHeaderDecompressor()
        let first = try SPDYHeaders(block: decompressor.decompress(Self.foreignBlocks[0]))
        #expect(first == SPDYHeaders([("streamtype", "error"), ("port", "80"), ("requestid", "0")]))
        let second = try SPDYHeaders(block: decompressor.decompress(Self.foreignBlocks[1]))
        #expect(second["streamType"] == "data")
    }

    @Test func headersGoThroughBothWays() throws {
        let compressor = try SPDYHeaderCompressor(), decompressor = try SPDYHeaderDecompressor()
        for count in [0, 1, 40] {
            let headers = SPDYHeaders((0..<count).map { ("name-\($0)", String(repeating: "v\($0)", count: 50)) })
            let block = compressor.compress(headers.block)
            if count == 0 { #expect(block.dropFirst(2).prefix(4).elementsEqual([0xe3, 0xc6, 0xa7, 0xc2])) }
            #expect(try SPDYHeaders(block: decompressor.decompress(block)) == headers)
        }
    }

    @Test func headersThatSwellAreRefused() throws {
        let compressor = try SPDYHeaderCompressor(), decompressor = try SPDYHeaderDecompressor()
        let block = compressor.compress(SPDYHeaders([("a", String(repeating: "x", count: 1 << 20))]).block)
        #expect(block.count < 10_000)
        #expect { try decompressor.decompress(block) } throws: { ($0 as? SPDYError)?.code == .tooLarge }
    }

    @Test(arguments: [
        [0, 0, 0, 1], [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0],
        // An empty name; a name twice.
        [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 2, 0, 0, 0, 1, 0x61, 0, 0, 0, 0, 0, 0, 0, 1, 0x41, 0, 0, 0, 0],
    ] as [[UInt8]])
    func wrongHeaderBlocksAreRefused(block: [UInt8]) {
        #expect { try SPDYHeaders(block: block) } throws: { ($0 as? SPDYError)?.code == .malformedHeaders }
    }

    /// Sound traffic with bytes changed, cut and doubled, and plain noise: an error or events, never a trap, never a frame too many.
    @Test func noiseNeverTraps() throws {
        var random = SplitMix(seed: 7)
        let sound = Self.frames.flatMap(\.1)
            + SPDYFrame.synStream(stream: 3, associated: 0, priority: 0, headers: Self.foreignBlocks[0], isLast: false, isUnidirectional: false).bytes
            + SPDYFrame.synStream(stream: 5, associated: 0, priority: 0, headers: Self.foreignBlocks[1], isLast: false, isUnidirectional: false).bytes
        for round in 0..<3000 {
            var bytes = round % 3 == 0 ? (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) } : sound
            for _ in 0..<Int.random(in: 0...4, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if round % 5 == 0 { bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))) }
            var session = try SPDYSession(streamLimit: 4)
            var opened = 0
            do throws(SPDYError) {
                for event in try session.receive(bytes) { if case .opened = event { opened += 1 } }
            } catch {}
            #expect(session.streamCount <= 4)
            #expect(opened <= bytes.count / 18)
            _ = session.takeFrames()
        }
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
