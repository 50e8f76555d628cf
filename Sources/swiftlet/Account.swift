import Glibc
import LinuxSystem

/// A user of this host.
struct Account: Sendable {
    var name: String
    var uid: UInt32
    var gid: UInt32

    /// Whom the control plane runs as.
    static func named(_ name: String) throws -> Account {
        guard let entry = getpwnam(name) else { throw Failure("expected --user to name a user of this host, found '\(name)'") }
        guard entry.pointee.pw_uid != 0 else { throw Failure("the control plane never runs as root: name another user with --user") }
        return Account(name: name, uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid)
    }

    /// Whom this process runs as.
    static var current: Account {
        let name = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "\(geteuid())"
        return Account(name: name, uid: geteuid(), gid: getegid())
    }

    /// The first directory towards `path` that this user may not pass; nil if there is none, or if it cannot be told.
    /// Root becomes the user for it, on this thread alone: call it on a thread that ends.
    func firstClosedDirectory(towards path: String) -> String? {
        // Resolved before root is given up: a link on the way is judged by what it leads to.
        guard let existing = Self.existing(path) else { return nil }
        if geteuid() == 0 {
            do { try Credentials.set(uid: uid, gid: gid, groups: []) } catch { return nil }
        }
        var prefix = ""
        for component in existing.split(separator: "/") {
            prefix += "/" + component
            if access(prefix, X_OK) != 0, errno == EACCES { return prefix }
        }
        return nil
    }

    /// The part of a path that is there, without links.
    private static func existing(_ path: String) -> String? {
        var path = path
        while true {
            if let resolved = realpath(path, nil) {
                defer { free(resolved) }
                return String(cString: resolved)
            }
            // As its own user a process learns no more than that: what it cannot resolve is judged as it is written.
            if errno == EACCES { return path.hasPrefix("/") ? path : nil }
            guard errno == ENOENT else { return nil }
            guard let slash = path.lastIndex(of: "/") else { return existing(".") }
            path = slash == path.startIndex ? "/" : String(path[..<slash])
        }
    }
}
