import LinuxSystem
import ShimProtocol
import Testing

@Suite struct WireTests {
    /// Decodes and encodes again: equal values and equal bytes.
    private func roundTrip<M: WireMessage>(_ message: M, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let decoded = try M(decoding: message.bytes)
        #expect(decoded == message, sourceLocation: sourceLocation)
        #expect(decoded.bytes == message.bytes, sourceLocation: sourceLocation)
    }

    @Test func everyMessageSurvivesARoundTrip() throws {
        try roundTrip(Samples.sandbox)
        try roundTrip(Samples.container)
        try roundTrip(Samples.exec)
        try roundTrip(Samples.exit)
        try roundTrip(Samples.event)
        var hello = ShimHello()
        (hello.version, hello.sandbox, hello.pid, hello.initPID, hello.lastEvent) = (1, "pod", 2, 3, 4)
        try roundTrip(hello)
        let container = ShimContainer(id: "c", state: .running, pid: 5, startedAt: 6, exit: Samples.exit)
        try roundTrip(ShimReply(7, failure: ShimFailure(step: "state", errno: 1, path: "p", message: "m"), pid: 8, containers: [container], startedAt: 9))
        for message in [ContainerPlan().bytes, SandboxPlan().bytes, ExecPlan().bytes] { #expect(message.count <= 64, "defaults are not written") }
    }

    @Test(arguments: Samples.requests) func requestsSurviveARoundTrip(request: ShimRequest) throws {
        let command = try ShimCommand(decoding: ShimCommand(42, request).bytes)
        #expect(command.requestID == 42)
        #expect(command.request == request)
    }

    @Test func anOlderShimIsGivenAbsoluteLayers() {
        let plan = RootPlan(layersDirectory: "/data/layers", lower: ["b", "a"], writable: "/w", readOnly: true)
        #expect(plan.understood(byVersion: 1) == RootPlan(lower: ["/data/layers/b", "/data/layers/a"], writable: "/w", readOnly: true))
        #expect(plan.understood(byVersion: 2) == plan)
        #expect(RootPlan(directory: "/d").understood(byVersion: 1) == RootPlan(directory: "/d"))
    }

    @Test func defaultsThatAreNotZeroSurvive() throws {
        var plan = ProcessPlan()
        #expect(plan.umask == 0o022)
        #expect(try ProcessPlan(decoding: plan.bytes).umask == 0o022)
        plan.umask = 0
        #expect(try ProcessPlan(decoding: plan.bytes).umask == 0)
        for adjustment: Int32? in [nil, 0, -1000, 1000] {
            plan.oomScoreAdjustment = adjustment
            #expect(try ProcessPlan(decoding: plan.bytes).oomScoreAdjustment == adjustment)
        }
    }

    @Test func unknownTagsAreSkipped() throws {
        let unknown: [UInt8] = [0xff, 0x7f, 3, 0, 0, 0, 1, 2, 3]
        #expect(try ExitRecord(decoding: unknown + Samples.exit.bytes + unknown) == Samples.exit)
        var command = ShimCommand(1, .status)
        command.operation = 999
        #expect(try ShimCommand(decoding: command.bytes).request == nil)
        var event = Samples.event
        event.kind = .note
        // Kind 77 of a newer shim: field 2, four bytes.
        #expect(try ShimEvent(decoding: event.bytes + [2, 0, 4, 0, 0, 0, 77, 0, 0, 0]).kind == .unknown)
    }

    @Test func exactBytes() {
        // tag 1, length 1, 'c'; tag 3, length 4, 128+9.
        var record = ExitRecord()
        (record.version, record.container, record.code) = (0, "c", 137)
        #expect(record.bytes == [2, 0, 1, 0, 0, 0, 0x63, 3, 0, 4, 0, 0, 0, 137, 0, 0, 0])
    }

    @Test func everyTruncationIsRefusedOrDecodes() {
        let bytes = Samples.container.bytes
        var refused = 0
        for length in 0..<bytes.count {
            do { _ = try ContainerPlan(decoding: bytes[..<length]) } catch { refused += 1 }
        }
        // Only a cut between two fields of the outermost message is a message.
        #expect(refused > bytes.count * 9 / 10)
    }

    @Test func unknownChoicesAreRefused() {
        #expect(throws: WireError.self) { try MountPlan(decoding: [1, 0, 4, 0, 0, 0, 200, 0, 0, 0]) }
        #expect(throws: WireError.self) { try ContainerPlan(decoding: [8, 0, 4, 0, 0, 0, 200, 0, 0, 0]) }
        #expect(throws: WireError.self) { try ContainerPlan(decoding: [8, 0, 1, 0, 0, 0, 1]) }
    }

    @Test func randomBytesNeverTrap() {
        var random = SplitMix(state: 20_261_121)
        let samples = [Samples.container.bytes, Samples.sandbox.bytes, Samples.exec.bytes, Samples.event.bytes, ShimCommand(1, .exec(Samples.exec)).bytes]
        for round in 0..<20_000 {
            var bytes = samples[round % samples.count]
            if round % 3 == 0 { bytes = (0..<Int.random(in: 0..<200, using: &random)).map { _ in .random(in: 0 ... .max, using: &random) } }
            for _ in 0..<Int.random(in: 1...8, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = [0, 1, 0x7f, 0x80, 0xff, .random(in: 0 ... .max, using: &random)].randomElement(using: &random) ?? 0
            }
            _ = try? ContainerPlan(decoding: bytes)
            _ = try? SandboxPlan(decoding: bytes)
            _ = try? ShimCommand(decoding: bytes).request
            _ = try? ShimReply(decoding: bytes)
            _ = try? ShimEvent(decoding: bytes)
            var reader = FrameReader()
            try? bytes.withUnsafeBytes { try reader.append($0, descriptors: []) }
            while let frame = try? reader.next() { _ = frame.kind }
        }
    }
}

/// A seeded generator, so that a failure can be repeated.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
