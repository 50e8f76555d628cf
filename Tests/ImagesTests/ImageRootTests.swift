import Images
import LinuxSystem
import Testing

/// Looking into an image: what overlayfs would show.
@Suite struct ImageRootTests {
    private func root(_ test: TestStore, _ layers: ((inout TarBuilder) -> Void)...) async throws -> ImageRoot {
        try test.store.root(of: try await test.load(ImageBuilder(layers.map { TarBuilder.make($0) }).archive())[0].image)
    }

    @Test func layersAreMerged() async throws {
        let test = try TestStore()
        let root = try await root(test, { tar in
            tar.add("etc/a", content: [1])
            tar.add("etc/b", content: [1])
            tar.add("etc/gone", content: [1])
            tar.add("opaque/old", content: [1])
            tar.add("dir/inside", content: [1])
            tar.add("file", content: [1])
        }, { tar in
            tar.add("etc/b", content: [2])
            tar.add("etc/.wh.gone")
            tar.directory("opaque/")
            tar.add("opaque/.wh..wh..opq")
            tar.add("opaque/new", content: [2])
            tar.add(".wh.dir")
            tar.directory("file/")
            tar.add("file/below", content: [2])
        })
        #expect(try root.read("/etc/a") == [1])
        #expect(try root.read("/etc/b") == [2])
        #expect(try root.read("/etc/gone") == nil)
        #expect(try root.read("/opaque/old") == nil)
        #expect(try root.read("/opaque/new") == [2])
        #expect(try root.read("/dir/inside") == nil)
        #expect(try root.kind(of: "/dir") == nil)
        #expect(try root.kind(of: "/file") == .directory)
        #expect(try root.read("/file/below") == [2])
        #expect(try root.kind(of: "/") == .directory)
        #expect(try root.read("/etc") == nil)
    }

    @Test func linksStayInTheImage() async throws {
        let test = try TestStore()
        let outside = try test.file("secret", [9])
        let root = try await root(test, { tar in
            tar.add("real/file", content: [1])
            tar.add("abs", .symlink, link: "/real")
            tar.add("rel", .symlink, link: "real/../real/file")
            tar.add("up", .symlink, link: "../../../../real/file")
            tar.add("host", .symlink, link: outside)
            tar.add("hostup", .symlink, link: "../../../../../../../" + outside)
            tar.add("loop", .symlink, link: "loop")
        }, { tar in
            tar.add("real/other", content: [2])
            tar.add("chain", .symlink, link: "abs/file")
        })
        #expect(try root.read("/abs/file") == [1])
        #expect(try root.read("/abs/other") == [2], "a link in a lower layer sees the merged directory")
        #expect(try root.read("/rel") == [1])
        #expect(try root.read("/up") == [1])
        #expect(try root.read("/chain") == [1])
        #expect(try root.read("/host") == nil)
        #expect(try root.read("/hostup") == nil)
        #expect(throws: ImageError.self) { try root.read("/loop") }
        #expect(try root.read("/real/file/x") == nil)
    }

    @Test func users() async throws {
        let test = try TestStore()
        let root = try await root(test, { tar in
            let passwd = "root:x:0:0:root:/root:/bin/sh\n# comment\nbroken\nwww:x:33:34::/var/www:/bin/sh\nbad:x:99999999999:0::/:\nnohome:x:40:40:::\n"
            tar.add("etc/passwd", content: Array(passwd.utf8))
            tar.add("etc/group", content: Array("root:x:0:\nwww:x:34:www\nadm:x:4:www,root\nlogs:x:5:www\nbig:x:4294967295:\n".utf8))
        })
        #expect(try root.user("") == ImageUser(uid: 0, gid: 0, groups: [4], home: "/root"))
        #expect(try root.user("root") == ImageUser(uid: 0, gid: 0, groups: [4], home: "/root"))
        #expect(try root.user("www") == ImageUser(uid: 33, gid: 34, groups: [4, 5], home: "/var/www"))
        #expect(try root.user("33") == ImageUser(uid: 33, gid: 34, groups: [4, 5], home: "/var/www"))
        #expect(try root.user("www:adm") == ImageUser(uid: 33, gid: 4, home: "/var/www"))
        #expect(try root.user("1234") == ImageUser(uid: 1234, gid: 0))
        #expect(try root.user("1234:5678") == ImageUser(uid: 1234, gid: 5678))
        #expect(try root.user("nohome").home == "/")
        for text in ["nobody", "www:nogroup", "4294967295", "4294967296", "-1", "+1", "bad", "0:big", "www:"] {
            #expect(throws: ImageError.self, "\(text)") { try root.user(text) }
        }
    }

    @Test func imageWithoutUserFiles() async throws {
        let test = try TestStore()
        let root = try await root(test, { $0.add("app", content: [1]) })
        #expect(try root.user("") == ImageUser(uid: 0, gid: 0))
        #expect(try root.user("1000") == ImageUser(uid: 1000, gid: 0))
        #expect(throws: ImageError.self) { try root.user("app") }
    }

    @Test func userFilesThatAreTraps() async throws {
        let test = try TestStore()
        let root = try await root(test, { tar in
            tar.add("etc/passwd", .fifo)
            tar.add("etc/group", .symlink, link: "/dev/zero")
        })
        #expect(try root.user("5") == ImageUser(uid: 5, gid: 0), "neither waits nor leaves the image")
        let big = try await TestStore().load(ImageBuilder { $0.add("etc/passwd", content: [UInt8](repeating: 10, count: 5 << 20)) }.archive())
        #expect(big.count == 1)
    }
}
