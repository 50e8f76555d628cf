import CLinux
import Glibc

/// What stat(2) says, in plain types.
public struct FileStatus: Sendable, Hashable {
    public enum Kind: UInt32, Sendable {
        case fifo = 0o010000, characterDevice = 0o020000, directory = 0o040000, blockDevice = 0o060000
        case regular = 0o100000, symlink = 0o120000, socket = 0o140000
    }
    public var device: UInt64
    public var inode: UInt64
    /// Nil for a kind that this kernel invented later.
    public var kind: Kind?
    /// Permission bits with setuid, setgid and sticky.
    public var mode: UInt32
    public var links: UInt64
    public var uid: UInt32
    public var gid: UInt32
    public var size: Int64
    /// The device that a device node stands for.
    public var deviceMajor: UInt32
    public var deviceMinor: UInt32
    /// Nanoseconds since 1970.
    public var modified: Int64
    /// 512-byte blocks in use.
    public var blocks: Int64

    init(_ info: stat) {
        device = UInt64(info.st_dev)
        inode = UInt64(info.st_ino)
        kind = Kind(rawValue: UInt32(info.st_mode) & 0o170000)
        mode = UInt32(info.st_mode) & 0o7777
        links = UInt64(info.st_nlink)
        (uid, gid) = (info.st_uid, info.st_gid)
        size = Int64(info.st_size)
        (deviceMajor, deviceMinor) = (clinux_major(UInt64(info.st_rdev)), clinux_minor(UInt64(info.st_rdev)))
        modified = Int64(info.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(info.st_mtim.tv_nsec)
        blocks = Int64(info.st_blocks)
    }
}

extension FileDescriptor {
    /// fstat(2).
    public func status() throws(SystemError) -> FileStatus {
        var info = stat()
        _ = try systemCall("fstat") { fstat(raw, &info) == 0 ? 0 : -Int(errno) }
        return FileStatus(info)
    }

    /// The entries of this directory without `.` and `..`, in the kernel's order. Moves the directory's read position.
    public func entries() throws(SystemError) -> [DirectoryEntry] {
        var result: [DirectoryEntry] = []
        var buffer = [UInt8](repeating: 0, count: 32768)
        _ = try systemCall("lseek") { rawCall(Int32(SYS_lseek), Int(raw), 0, 0) }
        while true {
            let count = try systemCall("getdents64") {
                buffer.withUnsafeMutableBytes { rawCall(Int32(SYS_getdents64), Int(raw), Int(bitPattern: $0.baseAddress), $0.count) }
            }
            if count == 0 { return result }
            buffer.withUnsafeBytes { bytes in
                var offset = 0
                // struct linux_dirent64: u64 inode, s64 offset, u16 length, u8 type, name.
                while offset + 19 <= count {
                    let length = Int(bytes.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
                    guard length >= 19, offset + length <= count else { return }
                    let name = bytes[(offset + 19) ..< (offset + length)].prefix { $0 != 0 }
                    let entry = DirectoryEntry(name: String(decoding: name, as: UTF8.self), kind: FileStatus.Kind(rawValue: UInt32(bytes[offset + 18]) << 12))
                    if entry.name != ".", entry.name != ".." { result.append(entry) }
                    offset += length
                }
            }
        }
    }
}

/// One name in a directory.
public struct DirectoryEntry: Sendable, Hashable {
    public var name: String
    /// Nil where the file system does not say.
    public var kind: FileStatus.Kind?
}

extension Files {
    /// stat(2) of a path.
    /// - Parameter follow: true to follow a last symbolic link.
    public static func status(_ path: String, at directory: FileDescriptor? = nil, follow: Bool = false) throws(SystemError) -> FileStatus {
        var info = stat()
        _ = try systemCall("stat", path: path) {
            fstatat(Int32(number(directory)), path, &info, follow ? 0 : 0x100) == 0 ? 0 : -Int(errno)
        }
        return FileStatus(info)
    }

    /// The entries of a directory without `.` and `..`.
    public static func list(_ path: String, at directory: FileDescriptor? = nil) throws(SystemError) -> [DirectoryEntry] {
        try openFile(path, [.readOnly, .directory], at: directory).entries()
    }

    /// Removes a file or a whole tree; nothing there is success. Goes by descriptors, never follows a symbolic link and
    /// never crosses a mount point (EXDEV or EBUSY instead), so a mounted volume cannot be emptied by mistake.
    public static func removeTree(_ path: String, at directory: FileDescriptor? = nil) throws(SystemError) {
        let info: FileStatus
        do throws(SystemError) { info = try status(path, at: directory) } catch {
            if error.errno == ENOENT { return }
            throw error
        }
        guard info.kind == .directory else { return try remove(path, at: directory) }
        let folder = try openFile(path, [.readOnly, .directory, .noFollow], at: directory)
        guard try folder.status().device == info.device else { throw SystemError(operation: "remove", errno: EXDEV, path: path) }
        try removeContents(of: folder, device: info.device, path: path)
        try remove(path, folder: true, at: directory)
    }

    /// One open descriptor for each level: a tree deeper than the descriptor limit ends in EMFILE, not in a crash.
    private static func removeContents(of folder: FileDescriptor, device: UInt64, path: String) throws(SystemError) {
        for entry in try folder.entries() {
            var isFolder = entry.kind == .directory
            if entry.kind == nil { isFolder = try status(entry.name, at: folder).kind == .directory }
            let full = path + "/" + entry.name
            if isFolder {
                let child = try openFile(entry.name, [.readOnly, .directory, .noFollow], at: folder)
                guard try child.status().device == device else { throw SystemError(operation: "remove", errno: EXDEV, path: full) }
                try removeContents(of: child, device: device, path: full)
                child.close()
                try rethrow(full) { () throws(SystemError) in try remove(entry.name, folder: true, at: folder) }
            } else {
                try rethrow(full) { () throws(SystemError) in try remove(entry.name, at: folder) }
            }
        }
    }

    /// Names the full path in the error; a file that vanished meanwhile is what was wanted.
    private static func rethrow(_ path: String, _ body: () throws(SystemError) -> Void) throws(SystemError) {
        do throws(SystemError) { try body() } catch {
            if error.errno != ENOENT { throw SystemError(operation: error.operation, errno: error.errno, path: path) }
        }
    }
}
