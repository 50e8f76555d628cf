import LinuxSystem
@testable import ShimProtocol
import Testing

@Suite struct FrameTests {
    @Test func framesSurviveAnyCut() throws {
        let frames = [Frame(.command, ShimCommand(1, .create(Samples.container))), Frame(.event, Samples.event), Frame(.hello, ShimHello())]
        let bytes = frames.flatMap(\.bytes)
        for size in [1, 2, 3, 7, 8, 9, 100, bytes.count] {
            var reader = FrameReader()
            var found: [Frame] = []
            var offset = 0
            while offset < bytes.count {
                let end = min(offset + size, bytes.count)
                try Array(bytes[offset..<end]).withUnsafeBytes { try reader.append($0, descriptors: []) }
                while let frame = try reader.next() { found.append(frame) }
                offset = end
            }
            #expect(found.map(\.kind) == frames.map(\.kind))
            #expect(found.map(\.payload) == frames.map(\.payload))
        }
    }

    @Test func oversizedFramesAreRefused() throws {
        var reader = FrameReader()
        try ([0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0] as [UInt8]).withUnsafeBytes { try reader.append($0, descriptors: []) }
        #expect(throws: WireError.self) { try reader.next() }
    }

    @Test func descriptorsArriveWithTheirFrame() throws {
        let (left, right) = try UnixSockets.pair()
        try left.setNonBlocking(true)
        try right.setNonBlocking(true)
        let (first, second) = (try openFile("/proc/self/stat"), try openFile("/proc/self/status"))
        var writer = FrameWriter()
        writer.enqueue(Frame(.reply, ShimReply(1), descriptors: [first]))
        writer.enqueue(Frame(.event, Samples.event))
        writer.enqueue(Frame(.reply, ShimReply(2), descriptors: [second, first]))
        // More than a socket buffer holds: the rest goes out as the peer reads.
        var big = Samples.container
        big.process.environment = (0..<20_000).map { "VARIABLE_\($0)=\(String(repeating: "x", count: 50))" }
        writer.enqueue(Frame(.command, ShimCommand(3, .create(big))))
        var reader = FrameReader()
        var found: [Frame] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while found.count < 4 {
            try writer.flush(to: left)
            while let (count, descriptors) = try buffer.withUnsafeMutableBytes({ try right.receive(into: $0) }) {
                try buffer.withUnsafeBytes { try reader.append(UnsafeRawBufferPointer(rebasing: $0[..<count]), descriptors: descriptors) }
            }
            while let frame = try reader.next() { found.append(frame) }
        }
        #expect(writer.isEmpty && writer.pending == 0)
        #expect(found.map(\.descriptors.count) == [1, 0, 2, 0])
        #expect(try found[2].descriptors[0].status().inode == second.status().inode)
        #expect(try found[2].descriptors[1].status().inode == first.status().inode)
        #expect(try ShimCommand(decoding: found[3].payload).request == .create(big))
    }

    private func withDirectory(_ body: (String) throws -> Void) throws {
        let directory = "/tmp/shimprotocol-\(UInt64.random(in: 0 ... .max))"
        try Files.makeDirectory(directory)
        defer { try? Files.removeTree(directory) } // the audit of the lane sees what stays
        try body(directory)
    }

    private func connect(_ directory: String, _ timeout: Duration) throws(ShimError) -> ShimConnection {
        try ShimConnection.connect(directory: directory, timeout: timeout, onEvent: { _ in }, onClose: { _ in })
    }

    @Test func aGreetingInPiecesIsRead() throws {
        var hello = ShimHello()
        (hello.version, hello.sandbox, hello.pid) = (1, "pod", 7)
        let bytes = Frame(.hello, hello).bytes
        let (left, right) = try UnixSockets.pair()
        try right.setNonBlocking(true)
        try left.writeAll(Array(bytes[..<5]))
        // Half a greeting is none.
        let error = #expect(throws: ShimError.self) { try Greeting(right, "/pod", .milliseconds(10)).read() }
        #expect(error?.code == .silent && error?.message.contains("/pod") == true)
        try left.writeAll(bytes) // what came of the first was used up
        #expect(try Greeting(right, "/pod", .seconds(10)).read() == hello)
        left.close()
        #expect { try Greeting(right, "/pod", .seconds(10)).read() } throws: { ($0 as? ShimError)?.code == .disconnected }
    }

    /// A stopped shim: the kernel accepts for it.
    @Test func silenceEndsAtTheTimeout() throws {
        try withDirectory { (directory: String) throws in
            let folder = try openFile(directory, [.path, .directory])
            let listener = try UnixSockets.listen(ShimLauncher.socketName, in: folder, backlog: 1)
            defer { listener.close() }
            let before = Clocks.monotonic()
            let error = #expect(throws: ShimError.self) { try connect(directory, .milliseconds(30)) }
            #expect(error?.code == .silent && Clocks.monotonic() - before >= 30_000_000)
            // Nobody accepts any more, and the queue is full: connect itself would wait.
            var codes: [ShimError.Code?] = []
            for _ in 0..<4 {
                do throws(ShimError) { _ = try connect(directory, .milliseconds(1)) } catch { codes.append(error.code) }
            }
            #expect(codes == [.silent, .silent, .silent, .silent])
        }
    }

    @Test func aMissingShimIsToldApart() throws {
        try withDirectory { (directory: String) throws in
            let error = #expect(throws: ShimError.self) { try connect(directory, .seconds(5)) }
            #expect(error?.code == .notRunning)
            #expect(try !ShimLauncher.isAlive(directory: directory))
            let missing = #expect(throws: ShimError.self) { try ShimProgram("/nonexistent") }
            #expect(missing?.cause?.path == "/nonexistent" && [1, 2].contains(missing?.cause?.errno), "EPERM without root")
        }
    }
}
