import Glibc

/// The few file operations the kubelet needs, each failing with its operation, path and errno.
enum HostFiles {
    static func failure(_ operation: String, _ path: String, _ code: Int32 = errno) -> KubeletError {
        KubeletError(.fileSystem, "\(operation) \(path): \(String(cString: strerror(code)))")
    }

    /// Makes a directory and its missing parents. An existing directory keeps its mode.
    static func makeDirectory(_ path: String, mode: mode_t = 0o755) throws {
        if mkdir(path, mode) == 0 { return try setMode(path, mode) }
        switch errno {
        case EEXIST:
            guard isDirectory(path) else { throw failure("mkdir", path, ENOTDIR) }
        case ENOENT:
            let parent = parent(of: path)
            guard parent != path else { throw failure("mkdir", path, ENOENT) }
            try makeDirectory(parent, mode: mode)
            try makeDirectory(path, mode: mode)
        default: throw failure("mkdir", path)
        }
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return path.hasPrefix("/") ? "/" : "." }
        return String(path[..<slash])
    }

    static func read(_ path: String, limit: Int = 16 << 20) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { close(descriptor) }
        return try read(descriptor, path, limit: limit)
    }

    static func read(_ descriptor: Int32, _ path: String, limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < limit {
            let room = min(64 << 10, limit - bytes.count)
            let part = try [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                let read = Glibc.read(descriptor, buffer.baseAddress, room)
                guard read >= 0 else { throw failure("read", path) }
                count = read
            }
            if part.isEmpty { break }
            bytes += part
        }
        return bytes
    }

    /// The file's text, or nil if it cannot be read: for facts under /proc and /etc that a machine may lack.
    static func text(_ path: String) -> String? {
        // A missing fact is an answer here, not an error.
        (try? read(path)).map { String(decoding: $0, as: UTF8.self) }
    }

    static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o644, synchronize: Bool = false) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { close(descriptor) }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress?.advanced(by: written), bytes.count - written) }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("write", path)
            }
            written += count
        }
        // The umask must not decide what a pod sees.
        guard fchmod(descriptor, mode) == 0 else { throw failure("chmod", path) }
        if synchronize, fsync(descriptor) != 0 { throw failure("fsync", path) }
    }

    /// Replaces a file in one step: a reader sees the old or the new content, nothing between, also after a power loss.
    static func replace(_ path: String, with bytes: [UInt8], mode: mode_t = 0o600) throws {
        let temporary = path + ".new"
        _ = unlink(temporary)
        try write(bytes, to: temporary, mode: mode, synchronize: true)
        // Not followed by a sync of the directory: after a power loss either content is a true one.
        try rename(temporary, to: path)
    }

    static func rename(_ from: String, to: String) throws {
        guard Glibc.rename(from, to) == 0 else { throw failure("rename", "\(from) to \(to)") }
    }

    static func makeLink(_ path: String, to target: String) throws {
        guard symlink(target, path) == 0 else { throw failure("symlink", path) }
    }

    static func link(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }

    static func setMode(_ path: String, _ mode: mode_t) throws {
        guard chmod(path, mode) == 0 else { throw failure("chmod", path) }
    }

    /// Changes the owner of the path itself, never of what a symbolic link points to.
    static func setOwner(_ path: String, user: UInt32? = nil, group: UInt32? = nil) throws {
        guard lchown(path, user ?? UInt32.max, group ?? UInt32.max) == 0 else { throw failure("chown", path) }
    }

    static func status(_ path: String, followLinks: Bool = true) -> stat? {
        var status = stat()
        return (followLinks ? stat(path, &status) : lstat(path, &status)) == 0 ? status : nil
    }

    static func exists(_ path: String) -> Bool { status(path, followLinks: false) != nil }
    static func isDirectory(_ path: String) -> Bool { status(path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false }

    /// Names in a directory, sorted; empty if it does not exist.
    static func list(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes a file, link or directory tree without following links. What is gone already is no error.
    static func remove(_ path: String) throws {
        guard let status = status(path, followLinks: false) else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in list(path) { try remove(path + "/" + name) }
            guard rmdir(path) == 0 || errno == ENOENT else { throw failure("rmdir", path) }
        } else {
            guard unlink(path) == 0 || errno == ENOENT else { throw failure("unlink", path) }
        }
    }
}
