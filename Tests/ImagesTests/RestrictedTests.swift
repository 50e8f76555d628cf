import BlockingCalls
@testable import Images
import LinuxSystem
import OCISpec
import Testing

/// What an extractor without privileges does, judged without giving up the test's own.
@Suite struct RestrictedTests {
    private final class Bytes: TarInput {
        private let memory: UnsafeMutableRawBufferPointer
        private var isGiven = false

        init(_ bytes: [UInt8]) {
            memory = .allocate(byteCount: bytes.count, alignment: 1)
            memory.copyBytes(from: bytes)
        }

        deinit { memory.deallocate() }

        func next() -> UnsafeRawBufferPointer? {
            defer { isGiven = true }
            return isGiven ? UnsafeRawBufferPointer(start: nil, count: 0) : UnsafeRawBufferPointer(memory)
        }
    }

    private func extract(into directory: String, _ body: (inout TarBuilder) -> Void) throws {
        var extractor = LayerExtractor(root: try openFile(directory, [.readOnly, .directory]), limits: .default, isPrivileged: false)
        _ = try extractor.extract(try TarReader(Bytes(TarBuilder.make(body))), Cancellation())
    }

    @Test(arguments: [TarBuilder.Kind.character, .block])
    func devicesAreRefused(_ kind: TarBuilder.Kind) throws {
        let test = try TestStore()
        let error = #expect(throws: ImageError.self) { try extract(into: test.directory) { $0.add("disk", kind, device: (8, 0)) } }
        #expect(error?.code == .unsupported)
        #expect(!Files.exists(test.directory + "/disk"))
    }

    @Test func opaqueDirectoriesHaveTheUsersAttribute() throws {
        let test = try TestStore()
        try extract(into: test.directory) { tar in
            tar.directory("d/")
            tar.add("d/.wh..wh..opq")
            tar.add("fifo", .fifo)
        }
        #expect(isOpaque(test.directory + "/d"))
        #expect(try Files.status(test.directory + "/fifo").kind == .fifo)
    }

    @Test func shortNamesNeverCollide() throws {
        var index = StoreIndex()
        let digests = try ["a", "b", "c"].map { try Digest(parsing: "sha256:" + String(repeating: "0", count: 20) + String(repeating: $0, count: 44)) }
        for digest in digests { index.layers[digest] = StoreIndex.Layer(directory: index.directoryName(for: digest), bytes: 0, inodes: 0) }
        #expect(Set(index.layers.values.map(\.directory)).count == 3)
        #expect(index.layers[digests[0]]?.directory.utf8.count == 12)
        #expect(try StoreIndex(parsing: index.bytes()) == index)
    }
}
