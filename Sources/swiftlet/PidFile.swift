import Glibc
import LinuxSystem

/// The agent's pid file. Whoever holds its lock is the agent; the number alone is never trusted.
struct PidFile {
    private let descriptor: FileDescriptor

    /// - Throws: `Failure` if another agent holds it.
    static func take(_ path: String) throws -> PidFile {
        let raw = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard raw >= 0 else { throw SystemError(operation: "open", errno: errno, path: path) }
        let descriptor = FileDescriptor(owning: raw)
        guard try descriptor.tryLock() else {
            let owner = (try? Files.readString(path))?.split(separator: "\n").first.map { " (pid \($0))" } ?? ""
            throw Failure("another agent\(owner) runs with this run directory: stop it with 'swiftlet down', or choose another --run-dir")
        }
        guard ftruncate(raw, 0) == 0 else { throw SystemError(operation: "ftruncate", errno: errno, path: path) }
        try descriptor.writeAll(Array("\(getpid())\n".utf8))
        return PidFile(descriptor: descriptor)
    }

    /// The pid of the agent that holds the file's lock; nil if none does.
    static func owner(_ path: String) throws -> Int32? {
        let raw = open(path, O_RDWR | O_CLOEXEC)
        if raw < 0 {
            if errno == ENOENT { return nil }
            throw SystemError(operation: "open", errno: errno, path: path)
        }
        let descriptor = FileDescriptor(owning: raw)
        if try descriptor.tryLock() { return nil }
        return Int32(try Files.readString(path).split(separator: "\n").first ?? "")
    }
}
