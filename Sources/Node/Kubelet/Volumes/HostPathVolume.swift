import Glibc

/// A file or directory of the host. The type says what has to be there, or may be made.
struct HostPathVolume: Sendable {
    var path: String
    /// As in the API: empty checks nothing.
    var type: String

    func prepare() throws {
        guard path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
            throw KubeletError(.failedMount, "hostPath: expected an absolute path without '..', found \"\(path)\"")
        }
        let kind = HostFiles.status(path).map { $0.st_mode & S_IFMT }
        switch type {
        case "": break
        case "DirectoryOrCreate":
            if kind == nil { try HostFiles.makeDirectory(path, mode: 0o755) } else { try expect(kind, S_IFDIR, "a directory") }
        case "FileOrCreate":
            if kind == nil { try HostFiles.write([], to: path, mode: 0o644) } else { try expect(kind, S_IFREG, "a file") }
        case "Directory": try expect(kind, S_IFDIR, "a directory")
        case "File": try expect(kind, S_IFREG, "a file")
        case "Socket": try expect(kind, S_IFSOCK, "a socket file")
        case "CharDevice": try expect(kind, S_IFCHR, "a character device")
        case "BlockDevice": try expect(kind, S_IFBLK, "a block device")
        default: throw KubeletError(.failedMount, "\(type) is an invalid volume type")
        }
    }

    private func expect(_ found: mode_t?, _ wanted: mode_t, _ name: String) throws {
        guard found == wanted else { throw KubeletError(.failedMount, "hostPath type check failed: \(path) is not \(name)") }
    }
}
