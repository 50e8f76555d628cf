import Images
import LinuxSystem
import Testing

/// What a layer becomes on disk, and what it may not do.
@Suite struct LayerTests {
    /// Imports an image of one layer; gives the layer's directory.
    private func unpack(_ test: TestStore, _ body: (inout TarBuilder) -> Void) async throws -> String {
        let image = try await test.load(ImageBuilder(body).archive())[0].image
        return test.store.layersDirectory + "/" + image.layerDirectories[0]
    }

    private func refuse(_ code: ImageError.Code, saying text: String = "", limits: LayerLimits = .default, _ body: (inout TarBuilder) -> Void) async throws {
        try await TestStore(limits: limits).expectRefusal(ImageBuilder(body).archive(), code, saying: text)
    }

    // MARK: escapes

    @Test(arguments: ["../x", "a/../../x", "a/..", "..", "./../x", "a/b/../../../x"])
    func dotDotIsRefused(_ name: String) async throws {
        try await refuse(.escape, saying: "leads out") { $0.add(name, content: [1]) }
    }

    @Test func absoluteNamesStayInside() async throws {
        let test = try TestStore()
        let layer = try await unpack(test) { $0.add("/etc/swiftlet-test", content: [1]) }
        #expect(Files.exists(layer + "/etc/swiftlet-test"))
        #expect(!Files.exists("/etc/swiftlet-test"))
    }

    @Test(arguments: ["../../..", "../..", "a/../../../.."])
    func writingThroughALinkThatLeavesIsRefused(_ target: String) async throws {
        try await refuse(.escape, saying: "leads out of the layer") { tar in
            tar.directory("a/")
            tar.add("link", .symlink, link: target)
            tar.add("link/evil", content: [1])
        }
    }

    @Test func absoluteLinksMeanTheLayersRoot() async throws {
        let test = try TestStore()
        let layer = try await unpack(test) { tar in
            tar.add("link", .symlink, link: test.directory)
            tar.add("link/evil", content: [1])
            tar.directory("run/")
            tar.directory("var/")
            tar.add("var/run", .symlink, link: "/run")
            tar.add("var/run/pid", content: [2])
        }
        #expect(!Files.exists(test.directory + "/evil"), "the host's directory of that name is not touched")
        #expect(Files.exists(layer + test.directory + "/evil"))
        #expect(Files.exists(layer + "/run/pid"))
        #expect(try Files.readLink(layer + "/var/run") == "/run")
    }

    @Test func linkLoopIsRefused() async throws {
        try await refuse(.invalidArchive, saying: "too many links") { tar in
            tar.add("a", .symlink, link: "b")
            tar.add("b", .symlink, link: "a")
            tar.add("a/x", content: [1])
        }
    }

    @Test func fileThroughALinkReplacesTheLink() async throws {
        let test = try TestStore()
        let outside = try test.file("outside", [9])
        let layer = try await unpack(test) { tar in
            tar.add("link", .symlink, link: outside)
            tar.add("link", content: [1])
        }
        #expect(try Files.read(outside) == [9])
        #expect(try Files.read(layer + "/link") == [1])
    }

    @Test func hardLinksStayInside() async throws {
        let test = try TestStore()
        let layer = try await unpack(test) { tar in
            tar.add("file", content: [1, 2])
            tar.add("dir/other", .hardLink, link: "file")
            tar.add("same", .symlink, link: "file")
            tar.add("link-to-link", .hardLink, link: "same")
        }
        #expect(try Files.status(layer + "/file").inode == Files.status(layer + "/dir/other").inode)
        #expect(try Files.status(layer + "/link-to-link").kind == .symlink, "the link itself, not what it points to")
        try await refuse(.escape) { $0.add("x", .hardLink, link: "../../etc/passwd") }
        try await refuse(.invalidArchive, saying: "no file of this layer") { $0.add("x", .hardLink, link: "/etc/passwd2") }
        try await refuse(.invalidArchive, saying: "no file of this layer") { tar in
            tar.add("l", .symlink, link: "/etc")
            tar.add("x", .hardLink, link: "l/passwd")
        }
        try await refuse(.escape) { tar in
            tar.add("l", .symlink, link: "../../../../../../etc")
            tar.add("x", .hardLink, link: "l/passwd")
        }
        try await refuse(.invalidArchive, saying: "no file of this layer") { tar in
            tar.directory("d/")
            tar.add("x", .hardLink, link: "d")
        }
    }

    @Test func linkedTwiceToItselfIsKept() async throws {
        let test = try TestStore()
        let layer = try await unpack(test) { tar in
            tar.add("file", content: [1])
            tar.add("file", .hardLink, link: "./file")
            tar.add("again", .hardLink, link: "file")
            tar.add("again", .hardLink, link: "file")
        }
        #expect(try Files.read(layer + "/file") == [1])
        #expect(try Files.status(layer + "/again").links == 2)
    }

    // MARK: collisions

    @Test func laterEntriesWin() async throws {
        let test = try TestStore()
        let layer = try await unpack(test) { tar in
            tar.add("a", content: [1])
            tar.add("a", content: [2], mode: 0o600)
            tar.directory("d/")
            tar.add("d/kept", content: [1])
            tar.directory("d/", mode: 0o700)
            tar.directory("e/")
            tar.add("e/lost", content: [1])
            tar.add("e", content: [3])
            tar.add("f", content: [1])
            tar.directory("f/")
            tar.add("f/in", content: [4])
            tar.add("l", .symlink, link: "d")
            tar.directory("l/")
            tar.add("l/own", content: [5])
        }
        #expect(try Files.read(layer + "/a") == [2])
        #expect(try Files.status(layer + "/a").mode == 0o600)
        #expect(try Files.read(layer + "/d/kept") == [1])
        #expect(try Files.status(layer + "/d").mode == 0o700)
        #expect(try Files.read(layer + "/e") == [3])
        #expect(try Files.read(layer + "/f/in") == [4])
        #expect(try Files.status(layer + "/l").kind == .directory)
        #expect(!Files.exists(layer + "/d/own"))
    }

    @Test func parentsAreMadeWhenTheArchiveForgetsThem() async throws {
        let test = try TestStore()
        let layer = try await unpack(test) { $0.add("a/b/c/file", content: [1]) }
        #expect(try Files.status(layer + "/a/b").mode == 0o755)
    }

    @Test func fileAsParentIsRefused() async throws {
        try await refuse(.invalidArchive, saying: "expected a directory") { tar in
            tar.add("a", content: [1])
            tar.add("a/b", content: [2])
        }
    }

    @Test func whiteouts() async throws {
        let test = try TestStore()
        let layer = try await unpack(test) { tar in
            tar.directory("d/")
            tar.add("d/.wh.gone")
            tar.add(".wh.top")
            tar.add("both", content: [1])
            tar.add(".wh.both")
            tar.add(".wh.back")
            tar.directory("back/")
            tar.directory("opaque/")
            tar.add("opaque/.wh..wh..opq")
            tar.add(".wh..wh.aufs", content: [1])
        }
        for path in ["/d/gone", "/top"] {
            let status = try Files.status(layer + path)
            #expect(status.kind == .characterDevice && status.deviceMajor == 0 && status.deviceMinor == 0, "\(path)")
        }
        #expect(try Files.read(layer + "/both") == [1], "whiteouts act on lower layers only")
        #expect(isOpaque(layer + "/opaque"))
        #expect(isOpaque(layer + "/back"), "a new directory in place of a removed one does not show the old content")
        #expect(!isOpaque(layer + "/d"))
        #expect(!Files.exists(layer + "/.wh..wh.aufs"))
        #expect(try Files.list(layer).allSatisfy { !$0.name.hasPrefix(".wh.") })
    }

    @Test(arguments: [".wh.", ".wh..", ".wh...", "a/.wh.."])
    func whiteoutsOfNothingAreRefused(_ name: String) async throws {
        try await refuse(.escape) { $0.add(name) }
    }

    // MARK: limits

    @Test func bytesAreLimited() async throws {
        try await refuse(.limitExceeded, limits: LayerLimits(bytes: 100_000)) { $0.add("zeros", content: [UInt8](repeating: 0, count: 200_000)) }
        // A size that the archive only claims.
        try await refuse(.limitExceeded, limits: LayerLimits(bytes: 100_000)) { $0.add("claim", content: [1], size: 0o7777777777) }
    }

    @Test func filesAreLimited() async throws {
        try await refuse(.limitExceeded, saying: "at most 10 files", limits: LayerLimits(inodes: 10)) { tar in
            for number in 0..<11 { tar.add("f\(number)") }
        }
        try await refuse(.limitExceeded, saying: "at most 10 files", limits: LayerLimits(inodes: 10)) { tar in
            for number in 0..<11 { tar.add(".wh.f\(number)") }
        }
    }

    @Test func pathsAreLimited() async throws {
        let long = String(repeating: "abcdefghi/", count: 40)
        try await refuse(.limitExceeded, saying: "at most 300 bytes", limits: LayerLimits(pathLength: 300)) { tar in
            tar.add("x", content: [1], pax: [("path", Array((long + "x").utf8))])
        }
        try await refuse(.limitExceeded, saying: "inside each other", limits: LayerLimits(depth: 20)) { tar in
            tar.add("x", content: [1], pax: [("path", Array((long + "x").utf8))])
        }
        try await refuse(.limitExceeded, saying: "255") { tar in
            tar.add("x", content: [1], pax: [("path", Array(String(repeating: "n", count: 256).utf8))])
        }
    }

    @Test func idsAre32Bit() async throws {
        for id in ["4294967296", "4294967295", "-1", "18446744073709551616"] {
            for key in ["uid", "gid"] {
                let test = try TestStore()
                let archive = ImageBuilder { $0.add("x", content: [1], pax: [(key, Array(id.utf8))]) }.archive()
                do {
                    try await test.load(archive)
                    // A reader may also take a number that is none for 0; it must never wrap around.
                    let status = try Files.status(test.store.layersDirectory + "/" + test.store.find("test")!.layerDirectories[0] + "/x")
                    #expect(status.uid == 0 && status.gid == 0, "\(key) \(id)")
                } catch let error as ImageError {
                    #expect(error.code == .invalidArchive, "\(error)")
                }
            }
        }
    }

    // MARK: names

    @Test func namesAreBytes() async throws {
        let test = try TestStore()
        let layer = try await unpack(test) { tar in
            tar.add("x", content: [1], pax: [("path", Array("größe/日本".utf8))])
            tar.add("l", .symlink, link: "x", pax: [("linkpath", Array("größe/日本".utf8))])
            tar.add("raw", content: [2], pax: [("path", [0x61, 0xff, 0xfe])])
            tar.add("./dot/./file", content: [3])
            tar.add("new\nline", content: [4])
        }
        #expect(try Files.read(layer + "/größe/日本") == [1])
        #expect(try Files.readLink(layer + "/l") == "größe/日本")
        #expect(try Files.read(layer + "/dot/file") == [3])
        #expect(try Files.read(layer + "/new\nline") == [4])
        #expect(try Files.list(layer).count == 5)
        try await test.store.remove("test")
        #expect(try Files.list(test.store.layersDirectory).isEmpty, "a name that is not UTF-8 can be removed too")
    }

    @Test func emptyLayer() async throws {
        let test = try TestStore()
        let layer = try await unpack(test) { _ in }
        #expect(try Files.list(layer).isEmpty)
        #expect(try Files.status(layer).mode == 0o755)
    }

    @Test func rootsOwnEntry() async throws {
        let test = try TestStore()
        let layer = try await unpack(test) { tar in
            tar.add("./", .directory, mode: 0o711, time: 1_000_000_000)
            tar.add("./x", content: [1])
        }
        #expect(try Files.status(layer).mode == 0o711)
        #expect(try Files.status(layer).modified == 1_000_000_000_000_000_000)
    }
}
