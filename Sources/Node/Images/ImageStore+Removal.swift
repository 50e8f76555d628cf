import Glibc
import LinuxSystem
import OCISpec

extension ImageStore {
    /// Only under the lock.
    func removeLocked(_ text: String) throws(ImageError) -> StoredImage {
        var index = try currentIndex()
        guard let image = try index.find(text), let position = index.images.firstIndex(of: image) else {
            throw ImageError(.notFound, "image \(text) is not on this node")
        }
        let before = try stored(image, index)
        if let name = try? Reference(parsing: text), image.names.contains(name), image.names.count > 1 { // not a name: an id or digest
            index.images[position].names.removeAll { $0 == name }
            try write(index)
            return before
        }
        if let holder = try holds().first(where: { $0.value == before.id })?.key {
            throw ImageError(.inUse, "image \(text) is used by container \(holder)")
        }
        index.images.remove(at: position)
        // The index goes first: from then on the files are nobody's, and a cleaner may finish what is cut off here.
        var used = Set<Digest>()
        for other in index.images { used.formUnion(try stored(other, index).config.diffIDs) }
        let unused = index.dropLayers(except: used)
        try write(index)
        try removeLayers(unused)
        try removeUnusedDocuments(index)
        return before
    }

    /// A layer is renamed out of sight before it is taken apart, so that a half-removed one can never be found by its name.
    private func removeLayers(_ directories: [String]) throws(ImageError) {
        guard !directories.isEmpty else { return }
        let ingest = try Ingest(in: content)
        defer { ingest.remove() }
        for directory in directories {
            do throws(SystemError) { try Files.rename(directory, to: directory, at: layers, targetAt: ingest.directory) } catch {
                if error.errno != ENOENT { throw ImageError("image store: remove layer \(directory)", error) }
            }
        }
    }

    private func removeUnusedDocuments(_ index: StoreIndex) throws(ImageError) {
        let used = Set(index.images.flatMap { [$0.manifest.hex, $0.config.hex] })
        try system("image store: documents") { () throws(SystemError) in
            for entry in try Files.list("sha256", at: content) where !used.contains(entry.name) {
                try Files.remove("sha256/\(entry.name)", at: content)
            }
        }
    }

    /// Removes what no index names and no living import owns. Only under the lock.
    func clean() throws(ImageError) {
        let index = try currentIndex()
        try system("image store: clean") { () throws(SystemError) in
            for entry in try Files.list("ingest", at: content) {
                // A file has no lock to show that it lives; nothing makes any here.
                if let directory = try? openFile("ingest/\(entry.name)", [.readOnly, .directory, .noFollow], at: content), try !directory.tryLock() { continue }
                let parent = try openFile("ingest", [.readOnly, .directory], at: content)
                try removeAny(Array(entry.name.utf8), in: parent)
            }
            let used = Set(index.layers.values.map(\.directory))
            for entry in try Files.list(layersDirectory) where !used.contains(entry.name) {
                try removeAny(Array(entry.name.utf8), in: layers)
            }
        }
        try removeUnusedDocuments(index)
    }
}

extension StoreIndex {
    /// Forgets layers that no image has.
    /// - Returns: their directories.
    mutating func dropLayers(except used: Set<Digest>) -> [String] {
        let unused = layers.filter { !used.contains($0.key) }
        for diffID in unused.keys { layers[diffID] = nil }
        return unused.values.map(\.directory)
    }
}
