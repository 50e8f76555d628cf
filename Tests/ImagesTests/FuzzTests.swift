import Images
import LinuxSystem
import OCISpec
import Testing

/// Damaged archives are refused or imported whole; they never trap, hang or leave anything behind.
@Suite struct FuzzTests {
    /// A small generator with a seed, so that a failure can be repeated.
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }

    private func mutate(_ bytes: [UInt8], _ random: inout Generator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            guard !bytes.isEmpty else { return bytes }
            let position = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[position] = UInt8.random(in: 0...255, using: &random)
            case 2: bytes.removeSubrange(position..<min(bytes.count, position + Int.random(in: 1...600, using: &random)))
            case 3: bytes.insert(contentsOf: bytes[position..<min(bytes.count, position + 512)], at: position / 512 * 512)
            default: for index in position..<min(bytes.count, position + 12) { bytes[index] = UInt8(ascii: "7") }
            }
        }
        return bytes
    }

    private static let layer = TarBuilder.make { tar in
        tar.directory("dir/")
        tar.add("dir/file", content: Array("content".utf8), mode: 0o4755, pax: [("path", Array("dir/a-long-name".utf8)), ("SCHILY.xattr.user.k", [1, 2]), ("mtime", Array("12345.6789".utf8))])
        tar.add("dir/link", .symlink, link: "../dir")
        tar.add("dir/link/through", content: [1])
        tar.add("dir/hard", .hardLink, link: "dir/a-long-name")
        tar.add("dir/.wh.gone")
        tar.add("dir/.wh..wh..opq")
        tar.add("fifo", .fifo)
        tar.add("long", .longName, content: Array(String(repeating: "n", count: 150).utf8) + [0])
        tar.add("n", content: [3])
    }

    /// Layers whose digests are right and whose tar is not: the extractor sees every damage.
    @Test(arguments: 0..<8)
    func layers(_ seed: Int) async throws {
        var random = Generator(state: UInt64(seed) &* 7919)
        let test = try TestStore(limits: LayerLimits(bytes: 1 << 24, inodes: 10_000))
        let before = try Files.list(test.directory).count
        for _ in 0..<60 {
            var image = ImageBuilder([mutate(Self.layer, &random)])
            image.layers[0].compression = .none
            _ = try? await test.load(image.archive()) // either outcome is right
            #expect(try Files.list(test.directory + "/content/ingest").isEmpty)
            for image in try test.store.list() { try await test.store.remove(image.id) }
            #expect(try test.contents() == [])
        }
        #expect(try Files.list(test.directory).count <= before + 1, "only the archive itself is new")
    }

    @Test(arguments: 0..<6)
    func archives(_ seed: Int) async throws {
        var random = Generator(state: UInt64(seed) &* 104_729 &+ 1)
        let test = try TestStore(limits: LayerLimits(bytes: 1 << 24, inodes: 10_000))
        var image = ImageBuilder([Self.layer])
        image.layers[0].compression = [.gzip, .zstd, .none][seed % 3]
        let whole = seed % 2 == 0 ? image.archive() : image.dockerArchive()
        for _ in 0..<60 {
            _ = try? await test.load(mutate(whole, &random)) // either outcome is right
            for image in try test.store.list() { try await test.store.remove(image.id) }
            #expect(try test.contents() == [])
        }
    }
}
