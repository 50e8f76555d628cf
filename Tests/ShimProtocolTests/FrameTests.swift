import LinuxSystem
import ShimProtocol
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

    @Test func aMissingShimIsToldApart() throws {
        let directory = "/tmp/shimprotocol-\(UInt64.random(in: 0 ... .max))"
        try Files.makeDirectory(directory)
        defer { try? Files.removeTree(directory) }
        let error = #expect(throws: ShimError.self) { try ShimConnection.connect(directory: directory, onEvent: { _ in }, onClose: { _ in }) }
        #expect(error?.code == .notRunning)
        #expect(try !ShimLauncher.isAlive(directory: directory))
        let missing = #expect(throws: ShimError.self) { try ShimProgram("/nonexistent") }
        #expect(missing?.cause?.path == "/nonexistent" && [1, 2].contains(missing?.cause?.errno), "EPERM without root")
    }
}
