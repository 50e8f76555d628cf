import Cgroups
import LinuxSystem

/// A directory that looks like a host's cgroup mounts; the tests fill in the files that the kernel would make.
final class TemporaryHost: Sendable {
    let path: String

    init() throws {
        path = "/tmp/swiftlet-cgroups-\(UInt64.random(in: 0 ... .max))"
        try Files.makeDirectories(path)
    }

    deinit { try? remove(path) }  // a temporary directory; nothing depends on it

    private func remove(_ path: String) throws {
        for entry in try Files.list(path) {
            let inner = "\(path)/\(entry.name)"
            if entry.kind == .directory { try remove(inner) } else { try Files.remove(inner) }
        }
        try Files.remove(path, folder: true)
    }

    func write(_ content: String, _ file: String) throws {
        let full = "\(path)/\(file)"
        try Files.makeDirectories(String(full[..<full.lastIndex(of: "/")!]))
        try Files.write(Array(content.utf8), to: full)
    }

    func read(_ file: String) throws -> String { try Files.readString("\(path)/\(file)") }

    /// v1 with the given hierarchies; a name like `cpu,cpuacct` is one hierarchy of two controllers.
    static func v1(_ hierarchies: [String]) throws -> TemporaryHost {
        let host = try TemporaryHost()
        for hierarchy in hierarchies { try host.write("", "\(hierarchy)/cgroup.procs") }
        return host
    }

    static func v2(_ controllers: String) throws -> TemporaryHost {
        let host = try TemporaryHost()
        try host.write(controllers + "\n", "cgroup.controllers")
        try host.write("", "cgroup.subtree_control")
        return host
    }
}
