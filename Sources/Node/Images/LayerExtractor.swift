import BlockingCalls
import CArchive
import Glibc
import LinuxSystem

/// Turns a layer's tar stream into the directory that overlayfs takes as a lower layer.
///
/// The differences to plain tar are the whiteouts (image-spec, layer.md): `.wh.NAME` becomes a character device 0:0,
/// `.wh..wh..opq` the attribute `trusted.overlay.opaque` of its directory. Where entries collide the later one wins;
/// only a directory over a directory keeps what is in it.
struct LayerExtractor {
    var tree: ConfinedTree
    let limits: LayerLimits
    /// Root sets owners, devices and trusted attributes; others make what they can, for tests and inspection.
    let isPrivileged: Bool
    var bytes: UInt64 = 0
    var inodes: UInt64 = 0
    /// Modes and times of directories are set last: adding entries changes the time, and a read-only mode would forbid it.
    var directories: [LayerPath: DirectoryAttributes] = [:]

    struct DirectoryAttributes {
        var mode: mode_t
        var modified: timespec
    }

    init(root: FileDescriptor, limits: LayerLimits, isPrivileged: Bool = geteuid() == 0) {
        tree = ConfinedTree(root: root)
        (self.limits, self.isPrivileged) = (limits, isPrivileged)
    }

    /// Reads the archive to its end.
    mutating func extract(_ reader: TarReader, _ cancellation: Cancellation) throws(ImageError) -> UnpackedLayer {
        while let entry = try reader.next() {
            try cancellation.check()
            try place(entry, reader)
        }
        try finishDirectories()
        return UnpackedLayer(bytes: bytes, inodes: inodes)
    }

    private mutating func place(_ entry: TarEntry, _ reader: TarReader) throws(ImageError) {
        let path = try LayerPath(cleaning: entry.name, limits: limits)
        if path.isRoot {
            // The root itself may come as `./`; anything else of that name is nothing.
            if entry.kind == .directory { try describeDirectory(path, tree.root, entry) }
            return
        }
        let parent = try tree.parent(of: path, create: true)
        if path.name.starts(with: Whiteout.prefix) { return try whiteOut(path, parent) }
        inodes += 1
        guard inodes <= limits.inodes else { throw ImageError(.limitExceeded, "layer: expected at most \(limits.inodes) files, found more") }
        switch entry.kind {
        case .directory: try makeDirectory(path, parent, entry)
        case .regular: try makeFile(path, parent, entry, reader)
        case .symlink: try makeSymlink(path, parent, entry)
        case .hardLink: try makeHardLink(path, parent, entry)
        case .characterDevice, .blockDevice, .fifo: try makeNode(path, parent, entry)
        case .other: throw ImageError(.unsupported, "layer: \(path): expected a file, directory, link, device or FIFO, found another type")
        }
    }

    /// Runs a call that creates something; what is in the way is removed first.
    mutating func create(_ path: LayerPath, _ parent: FileDescriptor, _ operation: String, _ body: (UnsafePointer<CChar>) -> Int32) throws(ImageError) -> Int32 {
        for attempt in 0..<2 {
            let result = path.name.withCName(body)
            if result >= 0 { return result }
            let error = errno
            guard error == EEXIST, attempt == 0 else { throw failure(path, operation, error) }
            try system("layer: replace \(path)") { () throws(SystemError) in try removeAny(path.name, in: parent) }
            tree.forget()
        }
        throw failure(path, operation, EEXIST)
    }

    func failure(_ path: LayerPath, _ operation: String, _ code: Int32) -> ImageError {
        ImageError("layer", SystemError(operation: operation, errno: code, path: path.description))
    }

    /// Calls and throws what the kernel says; EPERM is forgiven to the unprivileged where `privilege` is needed.
    func call(_ path: LayerPath, _ operation: String, privilege: Bool = false, _ body: () -> Int32) throws(ImageError) {
        guard body() != 0 else { return }
        let code = errno
        if privilege, !isPrivileged, code == EPERM || code == EINVAL { return }
        throw failure(path, operation, code)
    }
}

extension LayerExtractor {
    private mutating func makeFile(_ path: LayerPath, _ parent: FileDescriptor, _ entry: TarEntry, _ reader: TarReader) throws(ImageError) {
        let size = entry.size
        guard size >= 0, UInt64(size) <= limits.bytes, bytes + UInt64(size) <= limits.bytes else { throw tooLarge(limits.bytes) }
        bytes += UInt64(size)
        let raw = try create(path, parent, "create") { openat(parent.raw, $0, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600) }
        defer { close(raw) }
        var written: Int64 = 0
        while let (piece, offset) = try reader.content() {
            guard offset >= 0, offset <= size, Int64(piece.count) <= size - offset else {
                throw ImageError(.invalidArchive, "layer: \(path): expected \(size) bytes, found more")
            }
            try write(piece, to: raw, at: offset, path)
            written = max(written, offset + Int64(piece.count))
        }
        // The end of a sparse file is a hole.
        if written < size { try call(path, "ftruncate") { ftruncate(raw, off_t(size)) } }
        let (uid, gid) = try owner(entry, path)
        try call(path, "chown", privilege: true) { fchown(raw, uid, gid) }
        try call(path, "chmod") { fchmod(raw, entry.mode) } // after chown, which clears setuid
        try setAttributes(entry, path) { fsetxattr(raw, $0, $1.baseAddress, $1.count, 0) }
        try call(path, "utimens") { withTimes(entry) { futimens(raw, $0) } }
    }

    private func write(_ piece: UnsafeRawBufferPointer, to raw: Int32, at offset: Int64, _ path: LayerPath) throws(ImageError) {
        var done = 0
        while done < piece.count {
            let count = pwrite(raw, piece.baseAddress! + done, piece.count - done, off_t(offset) + done) // not empty, so it has an address
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(path, "write", count == 0 ? ENOSPC : errno) }
            done += count
        }
    }

    private mutating func makeDirectory(_ path: LayerPath, _ parent: FileDescriptor, _ entry: TarEntry) throws(ImageError) {
        var isOpaque = false
        if path.name.withCName({ mkdirat(parent.raw, $0, 0o700) }) != 0 {
            guard errno == EEXIST else { throw failure(path, "mkdir", errno) }
            let found = try kind(path, parent)
            if found != .directory {
                // A whiteout and a new directory of the same name: what lower layers have in theirs stays hidden.
                isOpaque = found == .whiteout
                _ = try create(path, parent, "mkdir") { mkdirat(parent.raw, $0, 0o700) }
            }
        }
        let raw = path.name.withCName { openat(parent.raw, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        guard raw >= 0 else { throw failure(path, "open", errno) }
        let directory = FileDescriptor(owning: raw)
        if isOpaque { try setOpaque(directory, path) }
        try describeDirectory(path, directory, entry)
    }

    private mutating func describeDirectory(_ path: LayerPath, _ directory: FileDescriptor, _ entry: TarEntry) throws(ImageError) {
        let (uid, gid) = try owner(entry, path)
        try call(path, "chown", privilege: true) { fchown(directory.raw, uid, gid) }
        try setAttributes(entry, path) { fsetxattr(directory.raw, $0, $1.baseAddress, $1.count, 0) }
        directories[path] = DirectoryAttributes(mode: entry.mode, modified: entry.modified)
    }

    private mutating func finishDirectories() throws(ImageError) {
        tree.forget()
        for (path, attributes) in directories.sorted(by: { $0.key.bytes.count > $1.key.bytes.count }) {
            let directory: FileDescriptor
            do throws(SystemError) {
                let name = path.isRoot ? [UInt8(ascii: ".")] : path.bytes
                directory = try openConfined(bytes: name, [.readOnly, .directory], resolve: [.beneath, .noMagicLinks], at: tree.root)
            } catch {
                // A later entry replaced it, or it lies behind an absolute link and was described by its own entry.
                if [ENOENT, ENOTDIR, ELOOP, EXDEV].contains(error.errno) { continue }
                throw failure(path, "open", error.errno)
            }
            try call(path, "chmod") { fchmod(directory.raw, attributes.mode) }
            var times = (attributes.modified, attributes.modified)
            try call(path, "utimens") {
                withUnsafePointer(to: &times) { $0.withMemoryRebound(to: timespec.self, capacity: 2) { futimens(directory.raw, $0) } }
            }
        }
    }

    private mutating func makeSymlink(_ path: LayerPath, _ parent: FileDescriptor, _ entry: TarEntry) throws(ImageError) {
        let target = entry.symlinkTarget
        guard !target.isEmpty, target.count < 4096 else {
            throw ImageError(.invalidArchive, "layer: \(path): expected a link target of 1 to 4095 bytes, found \(target.count)")
        }
        _ = try create(path, parent, "symlink") { name in target.withCName { symlinkat($0, parent.raw, name) } }
        try describe(path, parent, entry)
    }

    private mutating func makeHardLink(_ path: LayerPath, _ parent: FileDescriptor, _ entry: TarEntry) throws(ImageError) {
        let target = try LayerPath(cleaning: entry.hardLinkTarget, limits: limits)
        guard target != path else { return }
        guard !target.isRoot else { throw ImageError(.invalidArchive, "layer: \(path): hard link to the layer's root") }
        let directory: FileDescriptor
        do throws(ImageError) { directory = try tree.parent(of: target, create: false) } catch {
            if (error.cause as? SystemError)?.errno == ENOENT { throw missingTarget(path, target) }
            throw error.during("hard link \(path) to \(target)")
        }
        switch try kind(target, directory) {
        case .file: break
        case .directory, .whiteout, .none: throw missingTarget(path, target)
        }
        if try isSame(path, parent, target, directory) { return }
        _ = try create(path, parent, "link") { name in target.name.withCName { linkat(directory.raw, $0, parent.raw, name, 0) } }
    }

    private func missingTarget(_ path: LayerPath, _ target: LayerPath) -> ImageError {
        ImageError(.invalidArchive, "layer: \(path): hard link to \(target), which is no file of this layer")
    }

    private mutating func makeNode(_ path: LayerPath, _ parent: FileDescriptor, _ entry: TarEntry) throws(ImageError) {
        let (type, device): (mode_t, dev_t)
        switch entry.kind {
        case .characterDevice: (type, device) = (S_IFCHR, makeDevice(entry))
        case .blockDevice: (type, device) = (S_IFBLK, makeDevice(entry))
        default: (type, device) = (S_IFIFO, 0)
        }
        if !isPrivileged, type != S_IFIFO { throw ImageError(.unsupported, "layer: \(path): a device node needs root to be made") }
        _ = try create(path, parent, "mknod") { mknodat(parent.raw, $0, type | 0o600, device) }
        try describe(path, parent, entry)
        try call(path, "chmod") { path.name.withCName { fchmodat(parent.raw, $0, entry.mode, 0) } } // it was just made, so it is no link
    }

    /// Owner, attributes and time of what cannot be opened.
    private func describe(_ path: LayerPath, _ parent: FileDescriptor, _ entry: TarEntry) throws(ImageError) {
        let (uid, gid) = try owner(entry, path)
        try call(path, "chown", privilege: true) { path.name.withCName { fchownat(parent.raw, $0, uid, gid, AT_SYMLINK_NOFOLLOW) } }
        try setAttributes(entry, path) { name, value in
            // There is no setxattrat before Linux 6.13; the descriptor's directory in /proc leads to this very parent.
            (Array("/proc/self/fd/\(parent.raw)/".utf8) + path.name).withCName { lsetxattr($0, name, value.baseAddress, value.count, 0) }
        }
        try call(path, "utimens") { path.name.withCName { name in withTimes(entry) { utimensat(parent.raw, name, $0, AT_SYMLINK_NOFOLLOW) } } }
    }
}
