import Glibc

/// Small files that must be whole or absent, with an owner and a mode from their first byte on.
enum PrivateFiles {
    /// Reads a file; nil if it does not exist.
    static func read(_ path: String) throws -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        if descriptor < 0 {
            if errno == ENOENT { return nil }
            throw failure("open", path)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            guard count > 0 else { throw failure("read", path) }
            bytes += chunk[..<count]
        }
    }

    /// Writes beside the path, flushes, and renames over it.
    static func write(_ text: String, to path: String, mode: mode_t, owner: Owner?) throws {
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw failure("open", temporary) }
        defer { close(descriptor) }
        if let owner, fchown(descriptor, owner.uid, owner.gid) != 0 { throw failure("chown", temporary) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw failure("write", temporary) }
            bytes = bytes.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else { throw failure("fsync", temporary) }
        guard rename(temporary, path) == 0 else { throw failure("rename", path) }
    }

    /// Makes the last component of a path if it is missing, and gives it its owner and mode.
    static func makeDirectory(_ path: String, mode: mode_t, owner: Owner?) throws {
        if mkdir(path, mode) != 0, errno != EEXIST { throw failure("mkdir", path) }
        guard chmod(path, mode) == 0 else { throw failure("chmod", path) }
        if let owner, chown(path, owner.uid, owner.gid) != 0 { throw failure("chown", path) }
    }

    private static func failure(_ operation: String, _ path: String) -> PKIError {
        PKIError("\(operation) \(path): \(String(cString: strerror(errno)))")
    }
}

/// Who a file belongs to.
public struct Owner: Sendable, Hashable {
    public var uid: UInt32
    public var gid: UInt32
    public init(uid: UInt32, gid: UInt32) { (self.uid, self.gid) = (uid, gid) }
}
