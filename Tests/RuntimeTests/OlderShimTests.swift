import BlockingCalls
import LinuxSystem
import ShimProtocol
import Testing
@testable import Runtime

/// Running shims are older than the agent that has been upgraded: it speaks to each in words that it knows.
@Suite struct OlderShimTests {
    private static var plan: ContainerPlan {
        var plan = ContainerPlan()
        plan.id = "c"
        plan.root = RootPlan(layersDirectory: "/data/layers", lower: ["b", "a"], writable: "/w")
        return plan
    }

    @Test func versionOneCreatesAndStartsFromAbsoluteLayers() async throws {
        let shim = try FakeShim(version: 1)
        let client = try ShimClient(podDirectory: shim.directory, timeout: .seconds(10))
        let before = Clocks.now()
        let started = try await client.start(Self.plan)
        #expect(started.pid == 42 && started.time >= before, "it does not tell when")
        client.close()
        var old = Self.plan
        old.root = RootPlan(lower: ["/data/layers/b", "/data/layers/a"], writable: "/w")
        #expect(try await shim.requests == [.create(old), .start(container: "c")])
    }

    @Test func versionTwoRunsInOneRequest() async throws {
        let shim = try FakeShim(version: 2)
        let client = try ShimClient(podDirectory: shim.directory, timeout: .seconds(10))
        let started = try await client.start(Self.plan)
        #expect(started.pid == 42 && started.time == 7, "the shim's time: the agent's may be after the end")
        client.close()
        #expect(try await shim.requests == [.run(Self.plan)])
    }

    @Test func aShimThatGreetsButNeverAnswersEndsInAnError() async throws {
        let shim = try FakeShim(version: 2, answers: false)
        let client = try ShimClient(podDirectory: shim.directory, timeout: .milliseconds(30))
        let error = await #expect(throws: RuntimeError.self) { try await client.subscribe(after: 7) }
        #expect(error?.code == .timedOut)
        client.close()
        #expect(try await shim.requests == [.subscribe(after: 7)])
    }
}

/// Speaks the protocol for one connection, as a shim of some version does.
private final class FakeShim: Sendable {
    let directory: String
    private let serving: Task<[ShimRequest], any Error>

    init(version: UInt32, answers: Bool = true) throws {
        let directory = "/tmp/older-shim-\(UInt64.random(in: 0 ... .max))"
        try Files.makeDirectory(directory)
        let listener = try UnixSockets.listen(ShimLauncher.socketName, in: try openFile(directory, [.path, .directory]))
        self.directory = directory
        // A thread of its own: it blocks.
        serving = Task(executorPreference: BlockingThreads()) {
            let socket = try #require(try listener.accept())
            var hello = ShimHello()
            hello.version = version
            try socket.writeAll(Frame(.hello, hello).bytes)
            return try FakeShim.serve(socket, answers)
        }
    }

    deinit { try? Files.removeTree(directory) } // a leftover of a failed test is seen in /tmp

    /// What it was asked, once the client has closed the connection.
    var requests: [ShimRequest] { get async throws { try await serving.value } }

    private static func serve(_ socket: FileDescriptor, _ answers: Bool) throws -> [ShimRequest] {
        var (reader, requests) = (FrameReader(), [ShimRequest]())
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 8)
        defer { buffer.deallocate() }
        while let (count, descriptors) = try socket.receive(into: buffer), count > 0 {
            try reader.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]), descriptors: descriptors)
            while let frame = try reader.next() {
                let command = try ShimCommand(decoding: frame.payload)
                requests.append(try #require(command.request))
                if answers { try socket.writeAll(Frame(.reply, ShimReply(command.requestID, pid: 42, startedAt: answers ? 7 : 0)).bytes) }
            }
        }
        return requests
    }
}
