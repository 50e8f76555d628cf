import Images
import LinuxSystem
import Logging
import OCISpec
import Testing

/// A store in a directory of its own, removed when the test is over.
final class TestStore: Sendable {
    let directory: String
    let store: ImageStore

    init(limits: LayerLimits = .default) throws {
        directory = "/tmp/swiftlet-images-\(UInt64.random(in: 0 ... .max))"
        try Files.makeDirectory(directory, mode: 0o700)
        store = try ImageStore(dataDirectory: directory, limits: limits)
    }

    deinit { try? Files.removeTree(directory) } // a test that breaks the store may leave what cannot be removed

    /// Opens the same directory again, as a restarted agent does.
    func reopened() throws -> ImageStore { try ImageStore(dataDirectory: directory) }

    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = directory + "/" + name
        try Files.write(bytes, to: path)
        return path
    }

    @discardableResult
    func load(_ archive: [UInt8], name: String = "image.tar") async throws -> [ImportedImage] {
        try await store.importArchive(path: try file(name, archive))
    }

    /// Everything below the data directory but the archives that the test put there.
    func contents() throws -> [String] {
        var result: [String] = []
        for folder in ["content/sha256", "content/ingest", "layers"] {
            for entry in try Files.list(directory + "/" + folder) { result.append("\(folder)/\(entry.name)") }
        }
        return result.sorted()
    }

    /// Imports what must be refused, and checks that nothing is left of it.
    func expectRefusal(_ archive: [UInt8], _ code: ImageError.Code, saying text: String = "", sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let before = try contents()
        do {
            try await load(archive)
            Issue.record("expected \(code), found that the import succeeded", sourceLocation: sourceLocation)
        } catch let error as ImageError {
            #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
            #expect(error.description.contains(text), "\(error)", sourceLocation: sourceLocation)
        }
        #expect(try contents() == before, "nothing is left behind", sourceLocation: sourceLocation)
        #expect(try store.list().isEmpty, sourceLocation: sourceLocation)
    }
}
