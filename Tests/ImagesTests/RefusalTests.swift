import Images
import JSONTree
import OCISpec
import Testing

/// What is wrong is refused with the reason; nothing is imported, nothing is left.
@Suite struct RefusalTests {
    @Test func noArchiveAtAll() async throws {
        let test = try TestStore()
        try await test.expectRefusal([], .invalidArchive)
        try await test.expectRefusal(Array("hello, this is no archive".utf8), .invalidArchive)
        try await test.expectRefusal([UInt8](repeating: 0, count: 4096), .invalidArchive, saying: "neither")
        try await test.expectRefusal(TarBuilder.make { $0.add("index.json", content: Array("{}".utf8)) }, .invalidArchive, saying: "oci-layout")
    }

    @Test func missingFile() async throws {
        let test = try TestStore()
        await #expect(throws: ImageError.self) { try await test.store.importArchive(path: test.directory + "/none.tar") }
    }

    @Test func truncatedAnywhere() async throws {
        let test = try TestStore()
        let whole = simpleImage.archive()
        for length in stride(from: 100, to: whole.count - 2048, by: 509) {
            try await test.expectRefusal(Array(whole[..<length]), .invalidArchive)
        }
    }

    @Test(arguments: ["layer", "manifest", "config"])
    func oneBitWrong(_ part: String) async throws {
        let test = try TestStore()
        var image = simpleImage
        let mark = part == "manifest" ? "schemaVersion" : "diff_ids"
        image.changeFile = { name, bytes in
            guard name.hasPrefix("blobs/") else { return }
            let isDocument = bytes.first == UInt8(ascii: "{")
            let isWanted = part == "layer" ? !isDocument : isDocument && String(decoding: bytes, as: UTF8.self).contains(mark)
            if isWanted { bytes[bytes.count / 2] ^= 1 }
        }
        let before = try test.contents()
        await #expect(throws: ImageError.self) { try await test.load(image.archive()) }
        #expect(try test.contents() == before)
    }

    @Test func wrongDigestOfAWholeLayer() async throws {
        let test = try TestStore()
        var image = simpleImage
        // A layer that is whole in itself, under the name of another.
        let other = Pack.gzip(TarBuilder.make { $0.add("evil", content: [UInt8](repeating: 7, count: 2000)) })
        let stated = ImageBuilder.digest(Array("what the manifest promised".utf8))
        image.changeManifest = { $0["layers"] = [["mediaType": .string(MediaType.layerGzip), "digest": .string(stated), "size": JSON(other.count)]] }
        var files = image.layout()
        files.append(("blobs/sha256/" + stated.dropFirst(7), other))
        try await test.expectRefusal(TarBuilder.make { tar in for (name, bytes) in files { tar.add(name, content: bytes) } }, .digestMismatch, saying: "expected digest")
    }

    @Test func wrongDiffID() async throws {
        let test = try TestStore()
        var image = simpleImage
        image.layers[0].diffID = "sha256:" + String(repeating: "1", count: 64)
        try await test.expectRefusal(image.archive(), .digestMismatch, saying: "diff id")
    }

    @Test func wrongSize() async throws {
        let test = try TestStore()
        var image = simpleImage
        image.changeManifest = { manifest in manifest["layers"]?.withArray { $0[0]["size"] = 1 } }
        try await test.expectRefusal(image.archive(), .digestMismatch, saying: "expected 1 bytes")
    }

    @Test func wrongMediaTypes() async throws {
        let test = try TestStore()
        var image = simpleImage
        image.layers[0].mediaType = "application/vnd.oci.image.layer.v1.tar+encrypted"
        try await test.expectRefusal(image.archive(), .unsupported, saying: "encrypted")
        image.layers[0].mediaType = MediaType.layerZstd // but it is gzip
        try await test.expectRefusal(image.archive(), .invalidArchive, saying: "zstd")
        image.layers[0].mediaType = MediaType.layer // but it is packed
        try await test.expectRefusal(image.archive(), .digestMismatch)
    }

    @Test func ambiguousManifest() async throws {
        let test = try TestStore()
        var image = simpleImage
        image.changeManifest = { $0["manifests"] = [] }
        try await test.expectRefusal(image.archive(), .invalidArchive, saying: "manifests too")
    }

    @Test func twoIndexFiles() async throws {
        let test = try TestStore()
        let files = simpleImage.layout()
        let archive = TarBuilder.make { tar in
            for (name, bytes) in files { tar.add(name, content: bytes) }
            tar.add("./index.json", content: Array("{}".utf8))
        }
        try await test.expectRefusal(archive, .invalidArchive, saying: "twice")
    }

    @Test func otherArchitecture() async throws {
        let test = try TestStore()
        var image = simpleImage
        image.architecture = "s390x"
        try await test.expectRefusal(image.archive(), .unsupported, saying: "linux/s390x")
        image = simpleImage
        image.changeIndex = { index in index["manifests"]?.withArray { $0[0]["platform"] = ["os": "linux", "architecture": "riscv64"] } }
        try await test.expectRefusal(image.archive(), .unsupported, saying: "linux/riscv64")
    }

    @Test func missingBlob() async throws {
        let test = try TestStore()
        let archive = TarBuilder.make { tar in
            for (name, bytes) in simpleImage.layout() where !(name.hasPrefix("blobs") && bytes.first == 0x1f) { tar.add(name, content: bytes) }
        }
        try await test.expectRefusal(archive, .invalidArchive, saying: "expected the blob")
    }

    @Test func layersAndDiffIDsDoNotMatch() async throws {
        let test = try TestStore()
        var image = simpleImage
        image.changeManifest = { $0["layers"] = [] }
        try await test.expectRefusal(image.archive(), .invalidArchive, saying: "expected 1 layers")
    }

    @Test func truncatedGzipInside() async throws {
        let test = try TestStore()
        for cut in [1, 9, 30] {
            let packed = Array(Pack.gzip(simpleImage.layers[0].tar).dropLast(cut))
            var image = simpleImage
            image.changeManifest = { $0["layers"] = [["mediaType": .string(MediaType.layerGzip), "digest": .string(ImageBuilder.digest(packed)), "size": JSON(packed.count)]] }
            let files = image.layout() + [("blobs/sha256/" + ImageBuilder.digest(packed).dropFirst(7), packed)]
            try await test.expectRefusal(TarBuilder.make { tar in for (name, bytes) in files { tar.add(name, content: bytes) } }, .invalidArchive, saying: "truncated")
        }
    }

    @Test func secondImageBadMeansNoneImported() async throws {
        let test = try TestStore()
        let good = simpleImage
        let bad = ImageBuilder { $0.add("../escape", content: [1]) }
        let manifest: JSON = [
            ["Config": "good.json", "RepoTags": ["good:1"], "Layers": ["good.tar"]], ["Config": "bad.json", "RepoTags": ["bad:1"], "Layers": ["bad.tar"]],
        ]
        try await test.expectRefusal(TarBuilder.make { tar in
            tar.add("good.json", content: good.configuration())
            tar.add("good.tar", content: good.layers[0].tar)
            tar.add("bad.json", content: bad.configuration())
            tar.add("bad.tar", content: bad.layers[0].tar)
            tar.add("manifest.json", content: manifest.bytes())
        }, .escape)
    }
}
