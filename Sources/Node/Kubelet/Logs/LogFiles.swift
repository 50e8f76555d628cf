import Glibc

/// The files of one container instance's log: the current one and those rotated away, oldest first.
///
/// The shim renames `<n>.log` to `<n>.log.<suffix>`. A numeric suffix counts up with age (`.1` is the newest); a
/// suffix in the form of a date sorts by time.
enum LogFiles {
    static func paths(of current: String) -> [String] {
        let directory = HostFiles.parent(of: current)
        let name = String(current.dropFirst(directory.count + 1))
        let suffixes = HostFiles.list(directory).filter { $0.hasPrefix(name + ".") }.map { String($0.dropFirst(name.count + 1)) }
        let numbered = suffixes.compactMap { suffix in Int(suffix).flatMap { $0 < 1_000_000 ? $0 : nil } }.sorted(by: >).map(String.init)
        let dated = suffixes.filter { suffix in
            suffix.utf8.first.map { $0 >= 0x30 && $0 <= 0x39 } ?? false && !numbered.contains(suffix) && !suffix.hasSuffix(".tmp") && !suffix.hasSuffix(".gz")
        }.sorted()
        return (dated + numbered).map { current + "." + $0 } + [current]
    }

    /// The instances (restart counts) of a container that have a log, newest last.
    static func instances(in directory: String) -> [Int] {
        HostFiles.list(directory).compactMap { $0.hasSuffix(".log") ? Int($0.dropLast(4)) : nil }.sorted()
    }
}

/// A log file held open: its lines, and where reading goes on. Survives the file being renamed.
final class OpenLogFile {
    let descriptor: Int32
    let path: String
    let inode: UInt
    private var pending: [UInt8] = []
    private(set) var offset: Int64 = 0

    /// Opens without following a link in the last component: a pod must not make the agent read the host (CVE-2021-25741).
    init(_ path: String) throws {
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw HostFiles.failure("open", path) }
        self.path = path
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw KubeletError(.fileSystem, "open \(path): expected a regular file")
        }
        inode = UInt(status.st_ino)
    }

    deinit { close(descriptor) }

    func seek(to offset: Int64) {
        self.offset = offset
        pending = []
    }

    /// Calls `body` with each complete line that is there now (without newline), at most about `budget` bytes of them.
    /// - Returns: false when the end of the file was reached.
    func readLines(budget: Int, _ body: (ArraySlice<UInt8>) -> Bool) throws -> Bool {
        var budget = budget
        while budget > 0 {
            let room = 64 << 10
            let start = pending.count
            var chunk = [UInt8](repeating: 0, count: room)
            let count = pread(descriptor, &chunk, room, Int(offset))
            guard count >= 0 else { throw HostFiles.failure("read", path) }
            if count == 0 { return false }
            offset += Int64(count)
            budget -= count
            pending += chunk[..<count]
            var lineStart = 0
            var search = start
            while let newline = pending[search...].firstIndex(of: 0x0A) {
                if !body(pending[lineStart..<newline]) { return false }
                lineStart = newline + 1
                search = lineStart
            }
            pending.removeFirst(lineStart)
        }
        return true
    }
}
