internal import Glibc
internal import LinuxSystem

/// Reading and writing the small files of a cgroup directory: one write is one command to the kernel.
enum ControlFile {
    /// Writes the value by one call; the error names the file and the value.
    static func write(_ value: String, to path: String) throws(SystemError) {
        do throws(SystemError) {
            try Files.writeExisting(value, to: path)
        } catch {
            throw error.operation == "write" ? SystemError(operation: "write \"\(value)\" to", errno: error.errno, path: path) : error
        }
    }

    /// As ``write(_:to:)``; false if the file does not exist.
    static func writeIfPresent(_ value: String, to path: String) throws(SystemError) -> Bool {
        do throws(SystemError) {
            try write(value, to: path)
            return true
        } catch {
            guard error.errno == ENOENT else { throw error }
            return false
        }
    }

    /// The content without the final line feed.
    static func read(_ path: String) throws(SystemError) -> String {
        var content = try Files.readString(path)
        while content.last == "\n" { content.removeLast() }
        return content
    }

    /// Nil if the file does not exist, or vanished with its cgroup while it was read.
    static func readIfPresent(_ path: String) throws(SystemError) -> String? {
        do throws(SystemError) {
            return try read(path)
        } catch {
            guard error.errno == ENOENT || error.errno == ENODEV else { throw error }
            return nil
        }
    }

    static func number(_ path: String) throws(SystemError) -> UInt64? {
        guard let content = try readIfPresent(path) else { return nil }
        return UInt64(content)
    }

    /// `name value` lines, as in cpu.stat, memory.stat and memory.events.
    static func table(_ path: String) throws(SystemError) -> [String: UInt64] {
        guard let content = try readIfPresent(path) else { return [:] }
        var result: [String: UInt64] = [:]
        for line in content.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, let value = UInt64(words[1]) { result[String(words[0])] = value }
        }
        return result
    }

    static func exists(_ path: String) -> Bool { Files.exists(path) }

    /// Names of the directories in a directory; empty if it does not exist.
    static func directories(in path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            // cgroupfs fills the type in; links (v1 `cpu -> cpu,cpuacct`) are not directories here.
            guard entry.pointee.d_type == UInt8(DT_DIR) else { continue }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}

/// A moment on the monotonic clock. Not `ContinuousClock`: that brings the concurrency library into the static shim.
struct Deadline {
    private let end: Int64

    init(after duration: Duration) {
        let (seconds, attoseconds) = duration.components
        end = Clocks.monotonic() + seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    var hasPassed: Bool { Clocks.monotonic() >= end }
    /// Never negative; rounded up, so that a wait ends behind the deadline.
    var millisecondsLeft: Int { Int(max(0, end - Clocks.monotonic()) + 999_999) / 1_000_000 }
}
