import CArchive
import Glibc
import LinuxSystem

/// The names that mean removal in a layer.
enum Whiteout {
    static let prefix = Array(".wh.".utf8)
    /// `.wh..wh..opq` and the metadata of AUFS.
    static let metaPrefix = Array(".wh..wh.".utf8)
    static let opaque = Array(".wh..wh..opq".utf8)
}

extension LayerExtractor {
    enum Found { case none, directory, whiteout, file }

    /// What is at a path now.
    func kind(_ path: LayerPath, _ parent: FileDescriptor) throws(ImageError) -> Found {
        var info = stat()
        guard path.name.withCName({ fstatat(parent.raw, $0, &info, AT_SYMLINK_NOFOLLOW) }) == 0 else {
            if errno == ENOENT { return .none }
            throw failure(path, "stat", errno)
        }
        switch info.st_mode & S_IFMT {
        case S_IFDIR: return .directory
        case S_IFCHR where info.st_rdev == 0: return .whiteout
        default: return .file
        }
    }

    /// Whether two paths are the same file already: replacing one would lose the other.
    func isSame(_ path: LayerPath, _ parent: FileDescriptor, _ other: LayerPath, _ otherParent: FileDescriptor) throws(ImageError) -> Bool {
        var (one, two) = (stat(), stat())
        guard path.name.withCName({ fstatat(parent.raw, $0, &one, AT_SYMLINK_NOFOLLOW) }) == 0,
              other.name.withCName({ fstatat(otherParent.raw, $0, &two, AT_SYMLINK_NOFOLLOW) }) == 0 else { return false }
        return one.st_dev == two.st_dev && one.st_ino == two.st_ino
    }

    /// Marks a name as removed, or a directory as opaque. Whiteouts act on lower layers only, never on this one.
    mutating func whiteOut(_ path: LayerPath, _ parent: FileDescriptor) throws(ImageError) {
        if path.name.elementsEqual(Whiteout.opaque) { return try setOpaque(parent, path) }
        if path.name.starts(with: Whiteout.metaPrefix) { return }
        let name = path.name.dropFirst(Whiteout.prefix.count)
        guard !name.isEmpty, !name.elementsEqual(".".utf8), !name.elementsEqual("..".utf8) else {
            throw ImageError(.escape, "layer: \(path): expected a whiteout of a name, found none")
        }
        inodes += 1
        guard inodes <= limits.inodes else { throw ImageError(.limitExceeded, "layer: expected at most \(limits.inodes) files, found more") }
        let target = try LayerPath(cleaning: Array(path.bytes[..<path.nameStart]) + name, limits: limits)
        switch try kind(target, parent) {
        case .whiteout, .file: return
        case .directory:
            let raw = target.name.withCName { openat(parent.raw, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
            guard raw >= 0 else { throw failure(target, "open", errno) }
            try setOpaque(FileDescriptor(owning: raw), target)
        case .none:
            try call(target, "mknod") { target.name.withCName { mknodat(parent.raw, $0, S_IFCHR | 0o000, 0) } }
        }
    }

    func setOpaque(_ directory: FileDescriptor, _ path: LayerPath) throws(ImageError) {
        // Only root may set trusted attributes; overlayfs mounted with `userxattr` reads the other one.
        let name = isPrivileged ? "trusted.overlay.opaque" : "user.overlay.opaque"
        try call(path, "setxattr") { fsetxattr(directory.raw, name, "y", 1, 0) }
    }

    /// Ids are 32-bit; the last one means "no change" to the kernel and is refused.
    func owner(_ entry: TarEntry, _ path: LayerPath) throws(ImageError) -> (uid_t, gid_t) {
        guard let uid = UInt32(exactly: entry.uid), let gid = UInt32(exactly: entry.gid), uid != .max, gid != .max else {
            throw ImageError(.invalidArchive, "layer: \(path): expected owner and group below 4294967295, found \(entry.uid) and \(entry.gid)")
        }
        return (uid, gid)
    }

    func withTimes<R>(_ entry: TarEntry, _ body: (UnsafePointer<timespec>) -> R) -> R {
        var times = (entry.modified, entry.modified)
        return withUnsafePointer(to: &times) { $0.withMemoryRebound(to: timespec.self, capacity: 2, body) }
    }

    func makeDevice(_ entry: TarEntry) -> dev_t {
        let (major, minor) = (entry.deviceMajor, entry.deviceMinor)
        return dev_t((major & 0xffff_f000) << 32 | (major & 0xfff) << 8 | (minor & 0xffff_ff00) << 12 | (minor & 0xff))
    }

    /// Sets extended attributes, without those by which a layer could speak to overlayfs or to the host's own labels.
    func setAttributes(_ entry: TarEntry, _ path: LayerPath, _ set: (UnsafePointer<CChar>, UnsafeRawBufferPointer) -> Int32) throws(ImageError) {
        try entry.forEachAttribute { (name, value) throws(ImageError) in
            let text = String(cString: name)
            let isRefused = text.hasPrefix("trusted.overlay.") || text.hasPrefix("user.overlay.") || ["security.selinux", "security.ima", "security.evm"].contains(text)
            if isRefused || set(name, value) == 0 { return }
            let code = errno
            // A file system without attributes may lose a comment, but not a capability that a program needs.
            if code == ENOTSUP, text != "security.capability" { return }
            if code == EPERM, !isPrivileged || text.hasPrefix("user.") { return } // user attributes exist on files and directories alone
            throw failure(path, "setxattr \(LayerPath.show(text.utf8))", code)
        }
    }
}

/// The value of a short extended attribute; empty if there is none.
func extendedAttribute(_ name: String, of file: FileDescriptor) -> [UInt8] {
    var value = [UInt8](repeating: 0, count: 64)
    let count = value.withUnsafeMutableBytes { fgetxattr(file.raw, name, $0.baseAddress, $0.count) }
    return count > 0 ? Array(value[..<count]) : []
}
