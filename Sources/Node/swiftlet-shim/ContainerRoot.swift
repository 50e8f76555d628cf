import CLinux
import Glibc
import LinuxSystem

/// The root of a container that is being built. Every look-up is confined to it, whatever links the image has.
struct ContainerRoot {
    let descriptor: FileDescriptor

    /// Opens a path inside the root (O_PATH unless other flags are given).
    func open(_ path: String, _ flags: OpenFlags = .path) throws(SystemError) -> FileDescriptor {
        do throws(SystemError) { return try openConfined(relative(path), flags, resolve: [.inRoot, .noMagicLinks], at: descriptor) } catch {
            throw SystemError(operation: error.operation, errno: error.errno, path: path)
        }
    }

    /// Opens a path, or nil if nothing is there.
    func find(_ path: String) throws(SystemError) -> FileDescriptor? {
        do throws(SystemError) { return try open(path) } catch {
            if error.errno == ENOENT || error.errno == ENOTDIR { return nil }
            throw error
        }
    }

    /// Makes a directory and those above it.
    func makeDirectories(_ path: String) throws(SystemError) -> FileDescriptor {
        if let found = try find(path) { return found }
        let (parent, name) = try split(path)
        let folder = try makeDirectories(parent)
        try inside(path) { () throws(SystemError) in try Files.makeDirectory(name, at: folder) }
        return try open(path)
    }

    /// Makes an empty file and the directories above it, as a place to bind a file on.
    func makeFile(_ path: String) throws(SystemError) -> FileDescriptor {
        if let found = try find(path) { return found }
        let (parent, name) = try split(path)
        let folder = try makeDirectories(parent)
        try inside(path) { () throws(SystemError) in try Files.makeNode(name, mode: 0o100644, at: folder) }
        return try open(path)
    }

    /// Makes a node or a link in a directory of the root, replacing what the image has there.
    func replace(_ path: String, _ make: (_ name: String, _ folder: FileDescriptor) throws(SystemError) -> Void) throws(SystemError) {
        let (parent, name) = try split(path)
        let folder = try makeDirectories(parent)
        try inside(path) { () throws(SystemError) in
            do throws(SystemError) { try Files.remove(name, at: folder) } catch { if error.errno != ENOENT { throw error } }
            try make(name, folder)
        }
    }

    private func inside(_ path: String, _ body: () throws(SystemError) -> Void) throws(SystemError) {
        do throws(SystemError) { try body() } catch { throw SystemError(operation: error.operation, errno: error.errno, path: path) }
    }

    private func relative(_ path: String) -> String {
        let trimmed = path.drop { $0 == "/" }
        return trimmed.isEmpty ? "." : String(trimmed)
    }

    /// The parent and the last name; `..` there would be a name that the confined look-up never sees.
    private func split(_ path: String) throws(SystemError) -> (parent: String, name: String) {
        var parts = path.split(separator: "/").filter { $0 != "." }
        guard let name = parts.popLast(), name != ".." else { throw SystemError(operation: "path in container", errno: EINVAL, path: path) }
        return ("/" + parts.joined(separator: "/"), String(name))
    }
}
