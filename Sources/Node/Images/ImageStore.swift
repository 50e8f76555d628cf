import Crypto
import Glibc
import LinuxSystem
public import Logging
public import OCISpec
import Synchronization

/// The images of this node: documents by digest, layers unpacked once for each diff id, names.
///
/// ```
/// <data-dir>/content/index.json        what is here; written atomically, read again when another process changed it
/// <data-dir>/content/sha256/<hex>      manifests and configurations
/// <data-dir>/content/holds/<holder>    which image a container uses
/// <data-dir>/content/ingest/<token>/   layers of an import under way; its process holds the lock on the directory
/// <data-dir>/layers/<short id>/        unpacked layers, for overlayfs
/// <data-dir>/images/*.tar              imported at start
/// ```
/// Several processes may use one store (the agent and `swiftlet image import`): every change happens under the lock of
/// `content/`, and what a killed process left is removed by the next one that opens the store. Packed layers are not
/// kept: nothing on a node reads them again.
public final class ImageStore: Sendable {
    /// What makes `lowerdir` short: mount with this as the working directory and ``StoredImage/layerDirectories`` as names.
    public let layersDirectory: String
    /// Images that are to be run here are for this platform.
    public let platform: Platform

    let dataDirectory: String
    let limits: LayerLimits
    let logger: Logger
    let content: FileDescriptor
    let layers: FileDescriptor
    private let cache = Mutex(Cache())

    private struct Cache {
        /// Device, inode, size and time of the index file that `index` was read from.
        var stamp: [Int64] = []
        var index = StoreIndex()
        var configurations: [OCISpec.Digest: ImageConfiguration] = [:]
    }

    /// Opens the store, makes its directories, and removes what an interrupted import left behind. Blocks on the disk.
    /// - Parameter dataDirectory: an existing directory, e.g. `/var/lib/swiftlet`.
    public init(dataDirectory: String, platform: Platform = .host, limits: LayerLimits = .default, logger: Logger = Logger(label: "images")) throws(ImageError) {
        self.dataDirectory = dataDirectory
        (self.platform, self.limits, self.logger) = (platform, limits, logger)
        layersDirectory = dataDirectory + "/layers"
        func directory(_ path: String) throws(ImageError) -> FileDescriptor {
            try system("image store: \(path)") { () throws(SystemError) in
                // 0700: setuid programs of an image are nobody's business outside its containers.
                try Files.makeDirectories(path, mode: 0o700)
                return try openFile(path, [.readOnly, .directory])
            }
        }
        content = try directory(dataDirectory + "/content")
        layers = try directory(layersDirectory)
        for name in ["sha256", "holds", "ingest"] { _ = try directory(dataDirectory + "/content/" + name) }
        try withLock { () throws(ImageError) in try clean() }
    }

    // MARK: reading

    /// Every image, sorted by name. Reads a small file if another process changed it; otherwise from memory.
    public func list() throws(ImageError) -> [StoredImage] {
        let index = try currentIndex()
        var result: [StoredImage] = []
        for image in index.images { result.append(try stored(image, index)) }
        return result.sorted { ($0.names.first ?? $0.id) < ($1.names.first ?? $1.id) }
    }

    /// The image with this name, id (`sha256:…`, its hexadecimal digits or at least 12 of them), or manifest digest
    /// (alone or after a repository); nil if it is not here.
    public func find(_ reference: String) throws(ImageError) -> StoredImage? {
        let index = try currentIndex()
        guard let image = try index.find(reference) else { return nil }
        return try stored(image, index)
    }

    /// The configuration of an image by its id.
    public func config(for id: String) throws(ImageError) -> ImageConfiguration {
        guard let image = try find(id) else { throw ImageError(.notFound, "image \(id) is not on this node") }
        return image.config
    }

    /// Looks into an image's root file system without mounting it.
    public func root(of image: StoredImage) throws(ImageError) -> ImageRoot {
        try ImageRoot(layers: layers, names: image.layerDirectories)
    }

    // MARK: names and holds

    /// Takes a name from an image, or removes the image: by name, id or digest. An image goes with its last name; its
    /// layers go with the last image that has them.
    /// - Returns: the image as it was.
    /// - Throws: `notFound`, or `inUse` while a container holds it.
    @discardableResult
    public func remove(_ reference: String) async throws(ImageError) -> StoredImage {
        try await onOwnThread("image-remove") { [self] _ throws(ImageError) in
            try withLock { () throws(ImageError) in try removeLocked(reference) }
        }
    }

    /// Notes that a container uses an image, across restarts, until ``release(holder:)``. Idempotent.
    /// - Parameter holder: the container's id: letters, digits, `.`, `_` and `-`.
    public func hold(_ id: String, holder: String) throws(ImageError) {
        try check(holder: holder)
        try withLock { () throws(ImageError) in
            guard try find(id) != nil else { throw ImageError(.notFound, "image \(id) is not on this node") }
            try system("image store: hold \(id)") { () throws(SystemError) in
                try Files.writeAtomically(Array(id.utf8), to: "holds/\(holder)", at: content, durable: false)
            }
        }
    }

    /// The container is gone. Idempotent.
    public func release(holder: String) throws(ImageError) {
        try check(holder: holder)
        do throws(SystemError) { try Files.remove("holds/\(holder)", at: content) } catch {
            if error.errno != ENOENT { throw ImageError("image store: release \(holder)", error) }
        }
    }

    /// Holders and the ids of what they hold, so that the runtime can release those of containers that are gone.
    public func holds() throws(ImageError) -> [String: String] {
        var result: [String: String] = [:]
        let entries = try system("image store: holds") { () throws(SystemError) in try Files.list("holds", at: content) }
        for entry in entries where !entry.name.hasSuffix(".tmp") {
            do throws(SystemError) { result[entry.name] = try Files.readString("holds/\(entry.name)", at: content) } catch {
                if error.errno != ENOENT { throw ImageError("image store: hold of \(entry.name)", error) }
            }
        }
        return result
    }

    private func check(holder: String) throws(ImageError) {
        let allowed = holder.utf8.allSatisfy { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0
            || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || Array("._-".utf8).contains($0) }
        guard allowed, !holder.isEmpty, holder.utf8.count <= 200, !holder.hasPrefix(".") else {
            throw ImageError(.invalidReference, "expected a container id, found \(holder.prefix(200))")
        }
    }

    // MARK: index

    /// Runs `body` while no other process or thread changes the store.
    func withLock<T>(_ body: () throws(ImageError) -> T) throws(ImageError) -> T {
        // A new open file each time: flock belongs to it, so threads exclude each other too.
        let lock = try system("image store: lock") { () throws(SystemError) in
            let lock = try openFile("lock", [.readWrite, .create], at: content)
            _ = try systemCall("flock") { flock(lock.raw, LOCK_EX) == 0 ? 0 : -Int(errno) }
            return lock
        }
        defer { lock.close() }
        return try body()
    }

    /// The index as it is on disk now.
    func currentIndex() throws(ImageError) -> StoreIndex {
        let stamp: [Int64]
        do throws(SystemError) {
            let status = try Files.status("index.json", at: content)
            stamp = [Int64(bitPattern: status.device), Int64(bitPattern: status.inode), status.size, status.modified]
        } catch {
            if error.errno == ENOENT { return StoreIndex() }
            throw ImageError("image store index", error)
        }
        if let index = cache.withLock({ $0.stamp == stamp ? $0.index : nil }) { return index }
        let bytes = try system("image store index") { () throws(SystemError) in try Files.read("index.json", at: content) }
        let index = try StoreIndex(parsing: bytes)
        cache.withLock { $0.index = index; $0.stamp = stamp }
        return index
    }

    /// Replaces the index. Only under the lock.
    func write(_ index: StoreIndex) throws(ImageError) {
        try system("image store index") { () throws(SystemError) in
            try Files.writeAtomically(index.bytes(), to: "index.json", at: content)
        }
    }

    func stored(_ image: StoreIndex.Image, _ index: StoreIndex) throws(ImageError) -> StoredImage {
        let config = try configuration(image.config)
        var (directories, size): ([String], UInt64) = ([], 0)
        for diffID in config.diffIDs {
            guard let layer = index.layers[diffID] else { throw StoreIndex.damaged("layer \(diffID) of image \(image.config) is missing") }
            directories.append(layer.directory)
            size += layer.bytes
        }
        return StoredImage(id: image.config.description, manifestDigest: image.manifest, names: image.names.map(\.description).sorted(),
                           repoDigests: image.repoDigests, config: config, layerDirectories: directories.reversed(), size: size,
                           importedAt: image.importedAt)
    }

    private func configuration(_ digest: OCISpec.Digest) throws(ImageError) -> ImageConfiguration {
        if let known = cache.withLock({ $0.configurations[digest] }) { return known }
        let bytes = try system("image configuration \(digest)") { () throws(SystemError) in try Files.read("sha256/\(digest.hex)", at: content) }
        guard OCISpec.Digest(sha256: SHA256.hash(data: bytes)) == digest else {
            throw ImageError(.corruptStore, "image configuration \(digest) is damaged on disk")
        }
        let config = try spec { () throws(OCIError) in try ImageConfiguration(parsing: bytes) }
        cache.withLock { $0.configurations[digest] = config }
        return config
    }
}

extension StoreIndex {
    func find(_ text: String) throws(ImageError) -> Image? {
        let digits = text.hasPrefix("sha256:") ? String(text.dropFirst(7)) : text
        let isHex = digits.utf8.count >= 12 && digits.utf8.count <= 64 && digits.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
        if isHex {
            if let image = images.first(where: { $0.config.hex == digits || $0.manifest.hex == digits }) { return image }
            let matches = images.filter { $0.config.hex.hasPrefix(digits) }
            if matches.count == 1 { return matches[0] }
            if matches.count > 1 { throw ImageError(.invalidReference, "image id \(text) is ambiguous: \(matches.count) images begin so") }
            if text.hasPrefix("sha256:") || digits.utf8.count == 64 { return nil }
        }
        let reference = try spec { () throws(OCIError) in try Reference(parsing: text) }
        if let digest = reference.digest {
            return images.first { $0.manifest == digest && ($0.repoDigests.contains(reference.pinned(to: digest)) || $0.names.contains { $0.repository == reference.repository }) }
        }
        return images.first { $0.names.contains(reference) }
    }
}
