import Images
import JSONTree
import LinuxSystem
import OCISpec
import Testing

/// Tarballs in `<data-dir>/images` are imported at start.
@Suite struct DirectoryTests {
    private func put(_ name: String, _ bytes: [UInt8], _ test: TestStore) throws {
        try Files.makeDirectory(test.store.importDirectory)
        try Files.writeAtomically(bytes, to: test.store.importDirectory + "/" + name)
    }

    @Test func everyTarballIsImportedOnce() async throws {
        let test = try TestStore()
        var second = simpleImage
        second.names = ["second:1"]
        try put("a.tar", simpleImage.archive(), test)
        try put("b.tar.gz", Pack.gzip(second.archive()), test)
        try put("notes.txt", [1], test)
        try put(".hidden.tar", [1], test)
        #expect(try await test.store.importNewArchives().map(\.file) == ["a.tar", "b.tar.gz"])
        #expect(try test.store.find("second:1") != nil)
        #expect(try await test.reopened().importNewArchives().isEmpty, "a restart imports nothing again")
    }

    @Test func changedTarballIsImportedAgain() async throws {
        let test = try TestStore()
        try put("a.tar", simpleImage.archive(), test)
        _ = try await test.store.importNewArchives()
        var changed = simpleImage
        changed.config = ["Cmd": ["/bin/false"]]
        try put("a.tar", changed.archive(), test)
        #expect(try await test.store.importNewArchives().count == 1)
        #expect(try test.store.find("test")?.config.command == ["/bin/false"])
    }

    @Test func badTarballStopsNoOther() async throws {
        let test = try TestStore()
        try put("a.tar", Array("damaged".utf8), test)
        try put("b.tar", simpleImage.archive(), test)
        let results = try await test.store.importNewArchives()
        #expect(results.map(\.file) == ["a.tar", "b.tar"])
        if case .failure(let error) = results[0].result { #expect(error.code == .invalidArchive) } else { Issue.record("expected a failure") }
        #expect(try test.store.find("test") != nil)
        #expect(try await test.store.importNewArchives().map(\.file) == ["a.tar"], "the bad one is tried again")
    }

    @Test func noDirectoryNoImages() async throws {
        let test = try TestStore()
        #expect(try await test.store.importNewArchives().isEmpty)
    }
}
