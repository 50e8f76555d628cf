import BlockingCalls
import Crypto
import Glibc
import LinuxSystem
import OCISpec

extension ImageStore {
    /// Imports every image of a tarball (OCI image layout or `docker save`; plain, gzip or zstd) or of a layout
    /// directory. All or nothing: if anything is wrong, nothing is imported and nothing is left behind.
    ///
    /// - Parameter repository: the repository of images that the layout names by a tag alone; by default the
    ///   file's name without its extensions, where that is a valid repository.
    /// - Throws: ``ImageError`` that says what was expected and found.
    public func importArchive(path: String, repository: String? = nil) async throws(ImageError) -> [ImportedImage] {
        do throws(ImageError) {
            return try await onOwnThread("image-import") { [self] cancellation throws(ImageError) in
                try importBlocking(path: path, repository: repository, cancellation)
            }
        } catch {
            throw error.during(path)
        }
    }

    func importBlocking(path: String, repository: String?, _ cancellation: Cancellation) throws(ImageError) -> [ImportedImage] {
        let file = try system("open") { () throws(SystemError) in try openFile(path, [.readOnly, .nonBlocking]) }
        let status = try system("stat") { () throws(SystemError) in try file.status() }
        let source: any ImageSource = switch status.kind {
        case .directory: DirectorySource(root: file)
        case .regular: try openTarball(file, size: status.size, cancellation)
        default: throw ImageError(.invalidArchive, "expected a regular file or a directory")
        }
        let plans = try ImageFinder(source: source, platform: platform, repository: repository ?? defaultRepository(path)).find()
        return try importPlans(plans, cancellation)
    }

    private func openTarball(_ file: FileDescriptor, size: Int64, _ cancellation: Cancellation) throws(ImageError) -> TarballSource {
        let whole = BlobLocation(file: file, offset: 0, size: size)
        let compression = try whole.compression()
        guard compression != .none else { return try TarballSource(file, size: size, cancellation) }
        let unpacked = try spool(whole, compression, cancellation)
        return try TarballSource(unpacked.file, size: unpacked.size, cancellation)
    }

    /// A compressed archive cannot be read out of order: it is unpacked into a file without a name.
    private func spool(_ packed: BlobLocation, _ compression: LayerCompression, _ cancellation: Cancellation) throws(ImageError) -> BlobLocation {
        let file = try system("unpack archive") { () throws(SystemError) in try openFile("ingest", [.readWrite, .temporary], at: content) }
        guard let inflater = try Inflater(compression) else { return packed }
        let (input, output) = (UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16), UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16))
        defer { input.deallocate(); output.deallocate() }
        var (offset, size) = (Int64(0), Int64(0))
        while offset < packed.size {
            try cancellation.check()
            let count = pread(packed.file.raw, input.baseAddress, min(input.count, Int(packed.size - offset)), off_t(offset))
            guard count > 0 else { throw ImageError(.invalidArchive, "archive: expected \(packed.size) bytes, found \(offset)") }
            offset += Int64(count)
            var pending = UnsafeRawBufferPointer(rebasing: input[..<count])
            while true {
                let (consumed, produced) = try inflater.step(pending, into: output)
                pending = UnsafeRawBufferPointer(rebasing: pending[consumed...])
                size += Int64(produced)
                guard UInt64(size) <= limits.bytes else { throw tooLarge(limits.bytes) }
                try system("unpack archive") { () throws(SystemError) in
                    var written = 0
                    while written < produced { written += try file.write(UnsafeRawBufferPointer(rebasing: output[written..<produced])) }
                }
                if pending.isEmpty, produced < output.count { break }
                if consumed == 0, produced == 0 { throw ImageError(.invalidArchive, "archive: the \(compression) stream is damaged") }
            }
        }
        guard inflater.isAtEnd else { throw ImageError(.invalidArchive, "archive: the \(compression) stream is truncated") }
        return BlobLocation(file: file, offset: 0, size: size)
    }

    private func defaultRepository(_ path: String) -> String? {
        var name = path.split(separator: "/").last.map(String.init) ?? ""
        for suffix in [".gz", ".tgz", ".zst", ".tar", ".oci"] where name.hasSuffix(suffix) { name = String(name.dropLast(suffix.count)) }
        guard let reference = try? Reference(parsing: name), reference.tag == "latest", !name.contains(":") else { return nil } // not a repository's name
        return name
    }

    // MARK: unpack and commit

    private func importPlans(_ plans: [ImagePlan], _ cancellation: Cancellation) throws(ImageError) -> [ImportedImage] {
        let ingest = try withLock { () throws(ImageError) in try Ingest(in: content) }
        defer { ingest.remove() }
        let known = try currentIndex().layers
        var unpacked: [OCISpec.Digest: (directory: String, layer: UnpackedLayer)] = [:]
        for layer in plans.flatMap(\.layers) where known[layer.diffID] == nil && unpacked[layer.diffID] == nil {
            let name = "\(unpacked.count)"
            let directory = try ingest.makeDirectory(name)
            unpacked[layer.diffID] = (name, try LayerPipeline(source: layer, limits: limits, cancellation: cancellation).run(into: directory))
        }
        // Before the index may name them, the layers must be on the disk: a power cut must not leave empty files.
        if !unpacked.isEmpty { try system("image store: sync") { () throws(SystemError) in _ = try systemCall("syncfs") { rawCall(306, Int(layers.raw)) } } }
        try cancellation.check()
        return try withLock { () throws(ImageError) in try commit(plans, unpacked, ingest) }
    }

    private func commit(
        _ plans: [ImagePlan], _ unpacked: [OCISpec.Digest: (directory: String, layer: UnpackedLayer)], _ ingest: Ingest
    ) throws(ImageError) -> [ImportedImage] {
        var index = try currentIndex()
        for (diffID, new) in unpacked where index.layers[diffID] == nil { // another process may have been faster
            let name = index.directoryName(for: diffID)
            try system("image store: layer \(name)") { () throws(SystemError) in
                try removeAny(Array(name.utf8), in: layers) // of an import that was cut off between here and the index
                try Files.rename(new.directory, to: name, at: ingest.directory, targetAt: layers)
            }
            index.layers[diffID] = StoreIndex.Layer(directory: name, bytes: new.layer.bytes, inodes: new.layer.inodes)
        }
        for plan in plans {
            for layer in plan.layers where index.layers[layer.diffID] == nil {
                throw ImageError(.system, "layer \(layer.diffID) was removed while the image was imported; import it again")
            }
            for (digest, bytes) in [(plan.manifestDigest, plan.manifest), (plan.configDigest, plan.configBytes)] {
                try system("image store: \(digest)") { () throws(SystemError) in try Files.writeAtomically(bytes, to: "sha256/\(digest.hex)", at: content) }
            }
            index.add(plan, at: Clocks.now())
        }
        try system("image store: sync") { () throws(SystemError) in try layers.synchronize() }
        try write(index)
        var result: [ImportedImage] = []
        for plan in plans {
            guard let image = index.images.first(where: { $0.config == plan.configDigest }) else { continue }
            let new = Set(plan.layers.map(\.diffID)).intersection(unpacked.keys).count
            result.append(ImportedImage(image: try stored(image, index), names: plan.names.map(\.description), unpackedLayers: new))
        }
        return result
    }
}

extension StoreIndex {
    /// Adds an image and moves its names to it.
    mutating func add(_ plan: ImagePlan, at time: Int64) {
        for index in images.indices { images[index].names.removeAll { plan.names.contains($0) } }
        let position: Int
        if let known = images.firstIndex(where: { $0.config == plan.configDigest }) {
            position = known
        } else {
            position = images.count
            images.append(Image(manifest: plan.manifestDigest, config: plan.configDigest, names: [], repoDigests: [], importedAt: time))
        }
        images[position].names = Array(Set(images[position].names + plan.names)).sorted { $0.description < $1.description }
        guard plan.hasOwnManifest else { return }
        images[position].manifest = plan.manifestDigest
        let pinned = plan.names.map { $0.pinned(to: plan.manifestDigest) }
        images[position].repoDigests = Array(Set(images[position].repoDigests + pinned)).sorted()
    }
}

/// The directory of one import. Its lock says that the import is alive; without it, anybody may remove it.
struct Ingest {
    let name: String
    let parent: FileDescriptor
    let directory: FileDescriptor

    /// Only under the store's lock, or a cleaner could come between making and locking.
    init(in content: FileDescriptor) throws(ImageError) {
        let name = "\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let (parent, directory) = try system("image store: ingest") { () throws(SystemError) in
            let parent = try openFile("ingest", [.readOnly, .directory], at: content)
            try Files.makeDirectory(name, mode: 0o700, at: parent, exclusive: true)
            let directory = try openFile(name, [.readOnly, .directory], at: parent)
            _ = try directory.tryLock()
            return (parent, directory)
        }
        (self.name, self.parent, self.directory) = (name, parent, directory)
    }

    func makeDirectory(_ child: String) throws(ImageError) -> FileDescriptor {
        try system("image store: ingest") { () throws(SystemError) in
            try Files.makeDirectory(child, mode: 0o755, at: directory, exclusive: true)
            try Files.setMode(0o755, of: child, at: directory) // whatever the umask is: this is the container's root
            return try openFile(child, [.readOnly, .directory], at: directory)
        }
    }

    /// What cannot be removed now is removed when the store is opened next.
    func remove() { try? removeAny(Array(name.utf8), in: parent) }
}
