import CLinux
import Glibc
import Synchronization

/// Whole-file and directory operations, each relative to `directory` (or the working directory).
public enum Files {
    /// Reads a whole file.
    /// - Parameter limit: more bytes than that are EFBIG.
    public static func read(_ path: String, at directory: FileDescriptor? = nil, limit: Int = 64 << 20) throws(SystemError) -> [UInt8] {
        let file = try openFile(path, at: directory)
        do throws(SystemError) { return try file.readAll(limit: limit) } catch { throw SystemError(operation: error.operation, errno: error.errno, path: path) }
    }

    /// Reads a file as text; bytes that are not UTF-8 are replaced.
    public static func readString(_ path: String, at directory: FileDescriptor? = nil) throws(SystemError) -> String {
        String(decoding: try read(path, at: directory), as: UTF8.self)
    }

    /// Writes into an existing file, as kernel files (`/proc`, cgroup) want it: one write, no truncation, no creation.
    public static func writeExisting(_ bytes: [UInt8], to path: String, at directory: FileDescriptor? = nil) throws(SystemError) {
        let file = try openFile(path, .writeOnly, at: directory)
        _ = try systemCall("write", path: path) {
            bytes.withUnsafeBytes { rawCall(Int32(SYS_write), Int(file.raw), Int(bitPattern: $0.baseAddress), $0.count) }
        }
    }

    /// ``writeExisting(_:to:at:)`` of text.
    public static func writeExisting(_ text: String, to path: String, at directory: FileDescriptor? = nil) throws(SystemError) {
        try writeExisting(Array(text.utf8), to: path, at: directory)
    }

    /// Creates or replaces a file without promise of durability.
    public static func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o600, at directory: FileDescriptor? = nil) throws(SystemError) {
        let file = try openFile(path, [.writeOnly, .create, .truncate], mode: mode, at: directory)
        do throws(SystemError) { try file.writeAll(bytes) } catch { throw SystemError(operation: error.operation, errno: error.errno, path: path) }
    }

    /// Unlike any other process's, alive or dead.
    private static let temporaryPrefix = String(UInt64.random(in: 0 ... .max), radix: 36)
    private static let temporaryCount = Atomic<UInt64>(0)

    /// Creates or replaces a file so that a reader, or a power cut, sees the old bytes or the new, never a mixture:
    /// temporary file, fsync, rename, fsync of the directory.
    /// - Parameter durable: false skips both fsyncs (for files that need not outlive the machine).
    public static func writeAtomically(
        _ bytes: [UInt8], to path: String, mode: UInt32 = 0o600, at directory: FileDescriptor? = nil, durable: Bool = true
    ) throws(SystemError) {
        let temporary = "\(path).\(temporaryPrefix).\(temporaryCount.add(1, ordering: .relaxed).newValue).tmp"
        let file = try openFile(temporary, [.writeOnly, .create, .exclusive, .noFollow], mode: mode, at: directory)
        do throws(SystemError) {
            try file.writeAll(bytes)
            if durable { try file.synchronize() }
            try rename(temporary, to: path, at: directory)
        } catch {
            _ = try? remove(temporary, at: directory) // the first error is the one to tell
            throw SystemError(operation: error.operation, errno: error.errno, path: path)
        }
        guard durable else { return }
        let parent = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let folder = parent.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : parent
        try openFile(folder, [.readOnly, .directory], at: directory).synchronize()
    }

    /// mkdir(2).
    /// - Parameter exclusive: false accepts a directory that is there already.
    public static func makeDirectory(_ path: String, mode: UInt32 = 0o755, at directory: FileDescriptor? = nil, exclusive: Bool = false) throws(SystemError) {
        do throws(SystemError) {
            _ = try systemCall("mkdir", path: path) { path.withCString { rawCall(Int32(SYS_mkdirat), number(directory), $0.argument, Int(mode)) } }
        } catch {
            if error.errno == EEXIST, !exclusive, try status(path, at: directory).kind == .directory { return }
            throw error
        }
    }

    /// Makes a directory and the missing ones above it.
    public static func makeDirectories(_ path: String, mode: UInt32 = 0o755, at directory: FileDescriptor? = nil) throws(SystemError) {
        do throws(SystemError) {
            try makeDirectory(path, mode: mode, at: directory)
        } catch {
            guard error.errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else { throw error }
            try makeDirectories(String(path[..<slash]), mode: mode, at: directory)
            try makeDirectory(path, mode: mode, at: directory)
        }
    }

    /// rename(2) within one directory argument.
    public static func rename(_ path: String, to target: String, at directory: FileDescriptor? = nil, targetAt: FileDescriptor? = nil) throws(SystemError) {
        _ = try systemCall("rename", path: path) {
            path.withCString { from in
                target.withCString { rawCall(Int32(SYS_renameat2), number(directory), from.argument, number(targetAt ?? directory), $0.argument, 0) }
            }
        }
    }

    /// unlink(2), or rmdir(2) with `folder`.
    public static func remove(_ path: String, folder: Bool = false, at directory: FileDescriptor? = nil) throws(SystemError) {
        _ = try systemCall(folder ? "rmdir" : "unlink", path: path) {
            path.withCString { rawCall(Int32(SYS_unlinkat), number(directory), $0.argument, folder ? 0x200 : 0) }
        }
    }

    /// symlink(2).
    public static func symlink(_ target: String, at path: String, in directory: FileDescriptor? = nil) throws(SystemError) {
        _ = try systemCall("symlink", path: path) {
            target.withCString { to in path.withCString { rawCall(Int32(SYS_symlinkat), to.argument, number(directory), $0.argument) } }
        }
    }

    /// link(2); the source is never followed.
    public static func link(_ source: String, at path: String, in directory: FileDescriptor? = nil) throws(SystemError) {
        _ = try systemCall("link", path: path) {
            source.withCString { from in
                path.withCString { rawCall(Int32(SYS_linkat), number(directory), from.argument, number(directory), $0.argument, 0) }
            }
        }
    }

    /// readlink(2).
    public static func readLink(_ path: String, at directory: FileDescriptor? = nil) throws(SystemError) -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = try systemCall("readlink", path: path) {
            buffer.withUnsafeMutableBytes { buffer in
                path.withCString { rawCall(Int32(SYS_readlinkat), number(directory), $0.argument, Int(bitPattern: buffer.baseAddress), buffer.count) }
            }
        }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// chmod(2).
    public static func setMode(_ mode: UInt32, of path: String, at directory: FileDescriptor? = nil) throws(SystemError) {
        _ = try systemCall("chmod", path: path) { path.withCString { rawCall(Int32(SYS_fchmodat), number(directory), $0.argument, Int(mode)) } }
    }

    /// lchown(2): a symbolic link itself is changed, never its target.
    public static func setOwner(_ uid: UInt32, _ gid: UInt32, of path: String, at directory: FileDescriptor? = nil) throws(SystemError) {
        _ = try systemCall("chown", path: path) {
            path.withCString { rawCall(Int32(SYS_fchownat), number(directory), $0.argument, Int(uid), Int(gid), 0x100) }
        }
    }

    /// mknod(2).
    public static func makeNode(_ path: String, mode: UInt32, device: UInt64 = 0, at directory: FileDescriptor? = nil) throws(SystemError) {
        _ = try systemCall("mknod", path: path) {
            path.withCString { rawCall(Int32(SYS_mknodat), number(directory), $0.argument, Int(mode), Int(truncatingIfNeeded: device)) }
        }
    }

    /// True if something is there (a dangling symbolic link counts).
    public static func exists(_ path: String, at directory: FileDescriptor? = nil) -> Bool {
        (try? status(path, at: directory)) != nil // any error means that it cannot be used
    }

    /// A device number (makedev(3)).
    public static func device(_ major: UInt32, _ minor: UInt32) -> UInt64 { clinux_makedev(major, minor) }
}
