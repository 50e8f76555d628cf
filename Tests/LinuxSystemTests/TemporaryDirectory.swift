import Glibc
import LinuxSystem

/// A directory that goes away with its test.
final class TemporaryDirectory: Sendable {
    let path: String
    init() throws {
        path = "/tmp/linuxsystem-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        try Files.makeDirectory(path, mode: 0o700, exclusive: true)
    }
    deinit { try? Files.removeTree(path) } // a leftover in /tmp harms nobody
}
