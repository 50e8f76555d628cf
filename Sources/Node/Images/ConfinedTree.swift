import Glibc
import LinuxSystem

/// The directory that a layer is unpacked into. Every parent is opened by openat2 beneath the root; the last part of a
/// path is then only ever used with calls that do not follow links. So whatever an archive says, nothing outside is touched.
struct ConfinedTree {
    let root: FileDescriptor
    /// Open parents by path: archives are sorted, so most entries find theirs here.
    private var parents: [ArraySlice<UInt8>: FileDescriptor] = [:]

    private static let openParents = 64

    init(root: FileDescriptor) { self.root = root }

    /// The parent directory of a path.
    /// - Parameter create: makes missing directories; called with each path that was made.
    mutating func parent(of path: LayerPath, create: Bool) throws(ImageError) -> FileDescriptor {
        try directory(path.parent, create: create)
    }

    /// Opens a directory below the root.
    mutating func directory(_ path: ArraySlice<UInt8>, create: Bool) throws(ImageError) -> FileDescriptor {
        if path.isEmpty { return root }
        if let open = parents[path] { return open }
        let opened = try open(path, create: create)
        if parents.count >= ConfinedTree.openParents { parents.removeAll(keepingCapacity: true) }
        parents[path] = opened
        return opened
    }

    /// Forgets what is open: a directory or a link was replaced, and paths may lead elsewhere now.
    mutating func forget() { parents.removeAll(keepingCapacity: true) }

    private func open(_ path: ArraySlice<UInt8>, create: Bool) throws(ImageError) -> FileDescriptor {
        switch beneath(path, symlinks: true) {
        case .success(let directory): return directory
        case .failure(let error):
            switch error.errno {
            case ENOENT where create: return try walk(path, create: true)
            // An absolute link (var/run -> /run) means the layer's root, which RESOLVE_BENEATH does not know.
            case EXDEV, ELOOP: return try walk(path, create: create)
            case ENOTDIR: throw ImageError(.invalidArchive, "layer: \(LayerPath.show(path)): expected a directory, found something else")
            default: throw ImageError("layer: \(LayerPath.show(path))", error)
            }
        }
    }

    private func beneath(_ path: ArraySlice<UInt8>, symlinks: Bool) -> Result<FileDescriptor, SystemError> {
        do throws(SystemError) {
            let resolve: ResolveFlags = symlinks ? [.beneath, .noMagicLinks, .noCrossDevice] : [.beneath, .noMagicLinks, .noCrossDevice, .noSymlinks]
            return .success(try openConfined(bytes: path, [.readOnly, .directory], resolve: resolve, at: root))
        } catch { return .failure(error) }
    }

    /// Goes part by part, follows links by hand with the layer's root as `/`, and makes what is missing.
    private func walk(_ path: ArraySlice<UInt8>, create: Bool) throws(ImageError) -> FileDescriptor {
        var pending = Array(path.split(separator: UInt8(ascii: "/")).map(Array.init).reversed())
        var stack: [FileDescriptor] = []
        var links = 0
        while let part = pending.popLast() {
            if part.isEmpty || part.elementsEqual(".".utf8) { continue }
            if part.elementsEqual("..".utf8) {
                guard stack.popLast() != nil else { throw ImageError(.escape, "layer: a link on the way to \(LayerPath.show(path)) leads out of the layer") }
                continue
            }
            let current = stack.last ?? root
            switch try look(part, in: current, for: path) {
            case .directory(let next): stack.append(next)
            case .missing:
                guard create else { throw ImageError("layer: \(LayerPath.show(path))", SystemError(operation: "open", errno: ENOENT)) }
                try make(part, in: current, for: path)
                pending.append(part)
            case .link(let target):
                links += 1
                guard links <= 40 else { throw ImageError(.invalidArchive, "layer: too many links on the way to \(LayerPath.show(path))") }
                if target.first == UInt8(ascii: "/") { stack.removeAll() }
                pending += target.split(separator: UInt8(ascii: "/")).map(Array.init).reversed()
            }
        }
        return stack.last ?? root
    }

    private enum Look { case directory(FileDescriptor), link([UInt8]), missing }

    private func look(_ part: [UInt8], in directory: FileDescriptor, for path: ArraySlice<UInt8>) throws(ImageError) -> Look {
        let raw = part.withCName { openat(directory.raw, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        if raw >= 0 { return .directory(FileDescriptor(owning: raw)) }
        let error = errno
        if error == ENOENT { return .missing }
        if error == ENOTDIR || error == ELOOP, let target = readLink(part, in: directory) { return .link(target) }
        if error == ENOTDIR { throw ImageError(.invalidArchive, "layer: \(LayerPath.show(path)): expected a directory, found something else") }
        throw ImageError("layer: \(LayerPath.show(path))", SystemError(operation: "open", errno: error))
    }

    private func make(_ part: [UInt8], in directory: FileDescriptor, for path: ArraySlice<UInt8>) throws(ImageError) {
        guard part.withCName({ mkdirat(directory.raw, $0, 0o755) }) == 0 else {
            throw ImageError("layer: \(LayerPath.show(path))", SystemError(operation: "mkdir", errno: errno))
        }
    }
}

/// The target of a symbolic link as bytes; nil if it is none.
func readLink(_ name: some Collection<UInt8>, in directory: FileDescriptor) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes { buffer in
        buffer.withMemoryRebound(to: CChar.self) { buffer in
            name.withCName { readlinkat(directory.raw, $0, buffer.baseAddress!, buffer.count) } // 4096 bytes have an address
        }
    }
    return count > 0 ? Array(buffer[..<count]) : nil
}

/// openat2(2) with a name that need not be UTF-8.
func openConfined(
    bytes path: some Collection<UInt8>, _ flags: OpenFlags, resolve: ResolveFlags, at directory: FileDescriptor
) throws(SystemError) -> FileDescriptor {
    var how: (flags: UInt64, mode: UInt64, resolve: UInt64) = (UInt64(UInt32(bitPattern: flags.rawValue | O_CLOEXEC)), 0, resolve.rawValue)
    let raw = try systemCall("openat2") {
        withUnsafePointer(to: &how) { how in
            path.withCName { rawCall(437, Int(directory.raw), Int(bitPattern: $0), Int(bitPattern: how), 24) } // SYS_openat2 on every architecture
        }
    }
    return FileDescriptor(owning: Int32(raw))
}

/// Removes what is below a directory, names being bytes. Links are not followed.
func removeContents(of directory: FileDescriptor) throws(SystemError) {
    // fdopendir takes the descriptor over, so it gets one of its own.
    let copy = Glibc.openat(directory.raw, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0, let stream = fdopendir(copy) else { throw SystemError(operation: "opendir", errno: errno) }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
        }
        if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { continue }
        try removeAny(name, in: directory)
    }
}

/// Removes a file or a whole directory; nothing there is success.
func removeAny(_ name: some Collection<UInt8>, in directory: FileDescriptor) throws(SystemError) {
    func unlink(_ flags: Int32) -> Int32 { name.withCName { unlinkat(directory.raw, $0, flags) } == 0 ? 0 : errno }
    let code = unlink(0)
    if code == 0 || code == ENOENT { return }
    guard code == EISDIR || code == EPERM else { throw SystemError(operation: "unlink", errno: code, path: LayerPath.show(name)) }
    if unlink(AT_REMOVEDIR) == 0 { return }
    let raw = name.withCName { openat(directory.raw, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
    if raw < 0, errno == EACCES { // an unprivileged owner must be able to look first
        _ = name.withCName { fchmodat(directory.raw, $0, 0o700, 0) }
    }
    let child = raw >= 0 ? raw : name.withCName { openat(directory.raw, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
    guard child >= 0 else { throw SystemError(operation: "open", errno: errno, path: LayerPath.show(name)) }
    if geteuid() != 0 { fchmod(child, 0o700) }
    try removeContents(of: FileDescriptor(owning: child))
    let last = unlink(AT_REMOVEDIR)
    if last != 0 { throw SystemError(operation: "rmdir", errno: last, path: LayerPath.show(name)) }
}
