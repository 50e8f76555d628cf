import Images
import JSONTree
import LinuxSystem
import OCISpec
import Testing

/// A small image: one layer with one program.
var simpleImage: ImageBuilder {
    ImageBuilder { tar in
        tar.directory("bin/")
        tar.add("bin/true", content: Array("#!/bin/sh\n".utf8), mode: 0o755)
    }
}

@Suite struct ImportTests {
    @Test func imageFromLayoutTarball() async throws {
        let test = try TestStore()
        let imported = try await test.load(simpleImage.archive())
        #expect(imported.map(\.names) == [["docker.io/library/test:latest"]])
        #expect(imported[0].unpackedLayers == 1)
        let image = try #require(try test.store.find("test"))
        #expect(image.id == ImageBuilder.digest(simpleImage.configuration()))
        #expect(image.config.command == ["/bin/true"])
        #expect(image.repoDigests == ["docker.io/library/test@\(image.manifestDigest)"])
        #expect(image.size == 10)
        let root = try test.store.root(of: image)
        #expect(try root.read("/bin/true") == Array("#!/bin/sh\n".utf8))
        #expect(try Files.status(test.store.layersDirectory + "/" + image.layerDirectories[0] + "/bin/true").mode == 0o755)
        #expect(try test.contents().filter { $0.hasPrefix("content/ingest") }.isEmpty)
    }

    @Test func everyWayToAskForAnImage() async throws {
        let test = try TestStore()
        let image = try await test.load(simpleImage.archive())[0].image
        let hex = String(image.id.dropFirst(7))
        for text in ["test", "test:latest", "docker.io/library/test", image.id, hex, String(hex.prefix(12)), image.manifestDigest.description,
                     "test@\(image.manifestDigest)", "docker.io/library/test@\(image.manifestDigest)"] {
            #expect(try test.store.find(text) == image, "\(text)")
        }
        for text in ["other", "test:2", "sha256:" + String(repeating: "0", count: 64), "other@\(image.manifestDigest)"] {
            #expect(try test.store.find(text) == nil, "\(text)")
        }
        #expect(throws: ImageError.self) { try test.store.find("No Image") }
    }

    @Test func layersAreUnpackedOnceAndInOverlayOrder() async throws {
        let test = try TestStore()
        let base = TarBuilder.make { $0.add("base", content: [1]) }
        var first = ImageBuilder([base, TarBuilder.make { $0.add("first", content: [2]) }])
        first.names = ["a:1"]
        var second = ImageBuilder([base, TarBuilder.make { $0.add("second", content: [3]) }])
        second.names = ["b:1"]
        #expect(try await test.load(first.archive())[0].unpackedLayers == 2)
        let image = try await test.load(second.archive())[0]
        #expect(image.unpackedLayers == 1)
        #expect(try Files.list(test.store.layersDirectory).count == 3)
        #expect(Files.exists(test.store.layersDirectory + "/" + image.image.layerDirectories[0] + "/second"), "the uppermost layer comes first")
        #expect(Files.exists(test.store.layersDirectory + "/" + image.image.layerDirectories[1] + "/base"))
        #expect(image.image.layerDirectories.allSatisfy { $0.utf8.count == 12 })
    }

    @Test(arguments: [LayerCompression.none, .gzip, .zstd])
    func compressions(_ compression: LayerCompression) async throws {
        let test = try TestStore()
        var image = simpleImage
        image.layers[0].compression = compression
        #expect(try await test.load(image.archive())[0].unpackedLayers == 1)
    }

    @Test func gzipOfSeveralMembers() async throws {
        let test = try TestStore()
        let tar = simpleImage.layers[0].tar
        var image = simpleImage
        // The layer's blob is replaced by two gzip members, one after the other, as pigz and estargz write them.
        let packed = Pack.gzip(Array(tar[..<700])) + Pack.gzip(Array(tar[700...]))
        let descriptor: JSON = ["mediaType": .string(MediaType.layerGzip), "digest": .string(ImageBuilder.digest(packed)), "size": JSON(packed.count)]
        image.changeManifest = { $0["layers"] = [descriptor] }
        var files = image.layout()
        files.append(("blobs/sha256/" + ImageBuilder.digest(packed).dropFirst(7), packed))
        try await test.load(TarBuilder.make { tar in for (name, bytes) in files { tar.add(name, content: bytes) } })
        #expect(try test.store.find("test") != nil)
    }

    @Test(arguments: ["plain", "gzip", "zstd"])
    func packedArchives(_ packing: String) async throws {
        let test = try TestStore()
        let archive = simpleImage.archive()
        try await test.load(packing == "gzip" ? Pack.gzip(archive) : packing == "zstd" ? Pack.zstd(archive) : archive)
        #expect(try test.store.find("test") != nil)
        #expect(try test.contents().filter { $0.hasPrefix("content/ingest") }.isEmpty)
    }

    @Test func layoutDirectory() async throws {
        let test = try TestStore()
        let folder = test.directory + "/layout"
        for (name, bytes) in simpleImage.layout() {
            let path = folder + "/" + name
            try Files.makeDirectories(String(path[..<path.lastIndex(of: "/")!]))
            try Files.write(bytes, to: path)
        }
        #expect(try await test.store.importArchive(path: folder)[0].names == ["docker.io/library/test:latest"])
    }

    @Test func tagAloneTakesTheFilesName() async throws {
        let test = try TestStore()
        var image = simpleImage
        image.names = ["1.22"]
        #expect(try await test.load(image.archive(), name: "nginx.tar")[0].names == ["docker.io/library/nginx:1.22"])
        let path = try test.file("x.tar", image.archive())
        #expect(try await test.store.importArchive(path: path, repository: "quay.io/me/web")[0].names == ["quay.io/me/web:1.22"])
        #expect(try await test.load(image.archive(), name: "No Name.tar")[0].names == [], "a file's name that is no repository gives none")
    }

    @Test func namesMoveToTheNewImage() async throws {
        let test = try TestStore()
        try await test.load(simpleImage.archive())
        var newer = simpleImage
        newer.config = ["Cmd": ["/bin/false"]]
        newer.names = ["test:latest", "test:2"]
        try await test.load(newer.archive())
        #expect(try test.store.list().count == 2)
        #expect(try test.store.find("test")?.config.command == ["/bin/false"])
        #expect(try test.store.find("test")?.names == ["docker.io/library/test:2", "docker.io/library/test:latest"])
    }

    @Test func severalPlatformsInOneIndex() async throws {
        let test = try TestStore()
        var foreign = simpleImage
        foreign.architecture = "s390x"
        let (mine, other) = (simpleImage.layout(), foreign.layout())
        func descriptor(_ files: [(String, [UInt8])]) throws -> JSON {
            let index = try JSON(parsing: files.first { $0.0 == "index.json" }!.1)
            return index["manifests"]![0]!
        }
        var (here, there) = (try descriptor(mine), try descriptor(other))
        here["platform"] = ["os": "linux", "architecture": .string(Platform.host.architecture)]
        there["platform"] = ["os": "linux", "architecture": "s390x"]
        let nested: JSON = ["schemaVersion": 2, "mediaType": .string(MediaType.index), "manifests": [there, here]]
        let bytes = nested.bytes()
        let top: JSON = ["schemaVersion": 2, "manifests": [[
            "mediaType": .string(MediaType.index), "digest": .string(ImageBuilder.digest(bytes)), "size": JSON(bytes.count),
            "annotations": ["io.containerd.image.name": "quay.io/multi/arch:1"]]]]
        let archive = TarBuilder.make { tar in
            for (name, bytes) in mine + other where name.hasPrefix("blobs") { tar.add(name, content: bytes) }
            tar.add("blobs/sha256/" + ImageBuilder.digest(bytes).dropFirst(7), content: bytes)
            tar.add("index.json", content: top.bytes())
            tar.add("oci-layout", content: Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
        }
        #expect(try await test.load(archive)[0].names == ["quay.io/multi/arch:1"])
        #expect(try test.store.find("quay.io/multi/arch:1")?.config.platform.architecture == Platform.host.architecture)
    }
}

@Suite struct DockerArchiveTests {
    @Test(arguments: [false, true])
    func imageFromDockerSave(_ links: Bool) async throws {
        let test = try TestStore()
        var image = simpleImage
        image.names = ["test:latest", "quay.io/x/y:2"]
        let imported = try await test.load(image.dockerArchive(repeatedLayersAsLinks: links))
        #expect(imported[0].names == ["docker.io/library/test:latest", "quay.io/x/y:2"])
        let stored = try #require(try test.store.find("quay.io/x/y:2"))
        #expect(stored.id == ImageBuilder.digest(image.configuration()))
        #expect(stored.repoDigests == [], "no registry knows the manifest that was made here")
    }

    @Test func layersMayBeCompressed() async throws {
        let test = try TestStore()
        let image = simpleImage
        let config = image.configuration()
        let manifest: JSON = [["Config": "c.json", "RepoTags": ["test:1"], "Layers": ["l.tar.gz"]]]
        try await test.load(TarBuilder.make { tar in
            tar.add("c.json", content: config)
            tar.add("l.tar.gz", content: Pack.gzip(image.layers[0].tar))
            tar.add("manifest.json", content: manifest.bytes())
        })
        #expect(try test.store.find("test:1") != nil)
    }

    @Test func bothFormsInOneArchive() async throws {
        let test = try TestStore()
        var image = simpleImage
        image.names = []
        let config = image.configuration()
        let path = "blobs/sha256/" + ImageBuilder.digest(config).dropFirst(7)
        let manifest: JSON = [["Config": .string(path), "RepoTags": ["test:3"], "Layers": []]]
        let imported = try await test.load(TarBuilder.make { tar in
            for (name, bytes) in image.layout() { tar.add(name, content: bytes) }
            tar.add("manifest.json", content: manifest.bytes())
        })
        #expect(imported.map(\.names) == [["docker.io/library/test:3"]])
        #expect(imported[0].image.repoDigests.count == 1)
    }

    @Test func wrongLayerIsRefused() async throws {
        let test = try TestStore()
        var image = simpleImage
        image.layers[0].diffID = "sha256:" + String(repeating: "0", count: 64)
        try await test.expectRefusal(image.dockerArchive(), .digestMismatch, saying: "diff id")
    }
}
