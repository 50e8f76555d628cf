import Images
import JSONTree
import OCISpec
import LinuxSystem
import Testing

@Suite struct StoreTests {
    @Test func reopenedStoreHasItsImages() async throws {
        let test = try TestStore()
        try await test.load(simpleImage.archive())
        #expect(try test.reopened().list() == test.store.list())
    }

    @Test func anotherProcessesChangesAreSeen() async throws {
        let test = try TestStore()
        let other = try test.reopened()
        #expect(try other.list().isEmpty)
        try await test.load(simpleImage.archive())
        #expect(try other.find("test") != nil)
        try await other.remove("test")
        #expect(try test.store.find("test") == nil)
    }

    @Test func removalTakesNamesFirst() async throws {
        let test = try TestStore()
        var image = simpleImage
        image.names = ["a:1", "b:1"]
        try await test.load(image.archive())
        try await test.store.remove("a:1")
        #expect(try test.store.list().map(\.names) == [["docker.io/library/b:1"]])
        try await test.store.remove("b:1")
        #expect(try test.store.list().isEmpty)
        #expect(try test.contents() == [])
        await #expect(throws: ImageError.self) { try await test.store.remove("b:1") }
    }

    @Test func removalByIDTakesTheWholeImage() async throws {
        let test = try TestStore()
        var image = simpleImage
        image.names = ["a:1", "b:1"]
        let id = try await test.load(image.archive())[0].image.id
        try await test.store.remove(id)
        #expect(try test.contents() == [])
    }

    @Test func sharedLayersStayWithTheLastImage() async throws {
        let test = try TestStore()
        try await test.load(simpleImage.archive())
        var other = simpleImage
        other.names = ["other:1"]
        other.config = ["Cmd": ["/bin/other"]]
        try await test.load(other.archive())
        try await test.store.remove("test")
        #expect(try Files.list(test.store.layersDirectory).count == 1)
        #expect(try test.store.root(of: #require(try test.store.find("other:1"))).read("bin/true") != nil)
        try await test.store.remove("other:1")
        #expect(try test.contents() == [])
    }

    @Test func heldImagesStay() async throws {
        let test = try TestStore()
        let image = try await test.load(simpleImage.archive())[0].image
        try test.store.hold(image.id, holder: "container-1")
        try test.store.hold(image.id, holder: "container-1")
        let later = try test.reopened()
        #expect(try later.holds() == ["container-1": image.id])
        do {
            try await later.remove("test")
            Issue.record("expected inUse")
        } catch {
            #expect(error.code == .inUse)
            #expect(error.description.contains("container-1"))
        }
        #expect(try test.store.find("test") != nil)
        try test.store.release(holder: "container-1")
        try test.store.release(holder: "container-1")
        try await test.store.remove("test")
        #expect(throws: ImageError.self) { try test.store.hold(image.id, holder: "container-2") }
        #expect(throws: ImageError.self) { try test.store.release(holder: "../index.json") }
    }

    @Test func leftoversOfAKilledImportAreRemoved() async throws {
        let test = try TestStore()
        try await test.load(simpleImage.archive())
        let before = try test.contents()
        // Unpacking was cut off; the layer was renamed but the index not written; a document was written.
        try Files.makeDirectories(test.directory + "/content/ingest/123-456/0/dir")
        try Files.write([1], to: test.directory + "/content/ingest/123-456/0/dir/file")
        try Files.makeDirectories(test.directory + "/layers/0123456789ab/bin")
        try Files.write([1], to: test.directory + "/content/sha256/" + String(repeating: "0", count: 64))
        let reopened = try test.reopened()
        #expect(try test.contents() == before)
        #expect(try reopened.find("test") != nil)
    }

    @Test func livingImportIsLeftAlone() async throws {
        let test = try TestStore()
        let path = test.directory + "/content/ingest/1-1"
        try Files.makeDirectories(path + "/0")
        let lock = try openFile(path, [.readOnly, .directory])
        #expect(try lock.tryLock())
        _ = try test.reopened()
        #expect(Files.exists(path + "/0"))
        lock.close()
        _ = try test.reopened()
        #expect(!Files.exists(path))
    }

    @Test func damagedIndexIsSaidSo() async throws {
        let test = try TestStore()
        try await test.load(simpleImage.archive())
        let index = test.directory + "/content/index.json"
        for text in ["{", "{}", #"{"version":99}"#, #"{"version":1,"images":[{}]}"#, #"{"version":1,"layers":[{"diffID":"x","directory":"../etc","bytes":1,"inodes":1}]}"#] {
            try Files.writeAtomically(Array(text.utf8), to: index)
            do {
                _ = try test.reopened()
                Issue.record("expected corruptStore for \(text)")
            } catch let error as ImageError {
                #expect(error.code == .corruptStore, "\(text): \(error)")
            }
        }
        #expect(try Files.list(test.store.layersDirectory).count == 1, "nothing is cleaned by an index that cannot be trusted")
    }

    @Test func manyImportsAtOnce() async throws {
        let test = try TestStore()
        var paths: [String] = []
        for number in 0..<8 {
            var image = ImageBuilder([simpleImage.layers[0].tar, TarBuilder.make { $0.add("n", content: [UInt8(number % 4)]) }])
            image.names = ["image\(number):1"]
            paths.append(try test.file("\(number).tar", image.archive()))
        }
        let other = try test.reopened()
        try await withThrowingTaskGroup { group in
            for (number, path) in paths.enumerated() {
                let store = number % 2 == 0 ? test.store : other
                group.addTask { _ = try await store.importArchive(path: path) }
            }
            try await group.waitForAll()
        }
        #expect(try test.store.list().flatMap(\.names).count == 8)
        #expect(try Files.list(test.store.layersDirectory).count == 5)
        #expect(try test.contents().filter { $0.hasPrefix("content/ingest") }.isEmpty)
    }

    @Test func cancelledImportLeavesNothing() async throws {
        let test = try TestStore()
        let path = try test.file("big.tar", ImageBuilder { tar in
            for number in 0..<3000 { tar.add("f\(number)", content: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 3000)) }
        }.archive())
        let task = Task { try await test.store.importArchive(path: path) }
        task.cancel()
        do {
            _ = try await task.value
            Issue.record("expected the import to stop")
        } catch let error as ImageError {
            #expect(error.code == .cancelled, "\(error)")
        }
        #expect(try test.contents() == [])
    }
}
