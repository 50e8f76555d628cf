internal import BlockingCalls
import Glibc
/// Reads a container's log across rotated files and, when asked to, goes on as it grows.
struct LogReader: Sendable {
    var path: String
    var options: LogOptions
    var watcher: FileWatcher

    /// How many bytes are read between writes: bounds memory whatever the log's size.
    private static let budget = 256 << 10

    /// Writes what the options ask for, then returns; with `follow`, when the container has ended or the task is cancelled.
    /// - Parameter ended: an element or the end of the stream means the container writes no more; the rest is still read.
    func run(ended: AsyncStream<Void>, write: @Sendable ([UInt8]) async throws -> Void) async throws {
        // The watch begins before the first read, so that no change falls between them.
        let changes = options.follow ? try watcher.changes(in: HostFiles.parent(of: path)) : nil
        var cursor = try await start()
        try await copy(&cursor, write)
        guard let changes, !cursor.formatter.isFinished else { return }
        // One stream of reasons to look again; false: nothing more will be written.
        let (wakes, continuation) = AsyncStream<Bool>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in changes { continuation.yield(true) }
            }
            group.addTask {
                for await _ in ended { break }
                continuation.yield(false)
                continuation.finish()
            }
            defer { group.cancelAll() }
            for await writesOn in wakes {
                try await copy(&cursor, write)
                if !writesOn || cursor.formatter.isFinished { return }
            }
            try Task.checkCancellation()
        }
    }

    /// Where reading stands.
    private struct Cursor: Sendable {
        // Only one task holds the cursor, and one blocking call at a time.
        nonisolated(unsafe) var file: OpenLogFile?
        /// Older files still to be read, oldest first, with the first one's offset.
        var rest: [String]
        var formatter: LogFormatter
    }

    private func start() async throws -> Cursor {
        let (path, options) = (path, options)
        return try await BlockingThreads.kubelet.run {
            let paths = LogFiles.paths(of: path)
            guard let lines = options.tailLines else { return Cursor(file: nil, rest: paths, formatter: LogFormatter(options)) }
            let position = try LogTail.position(ofLast: lines, in: paths)
            let rest = Array(paths[position.file...])
            var cursor = Cursor(file: nil, rest: rest, formatter: LogFormatter(options))
            if let first = rest.first, HostFiles.exists(first) {
                let file = try OpenLogFile(first)
                file.seek(to: position.offset)
                cursor.file = file
                cursor.rest.removeFirst()
            }
            return cursor
        }
    }

    /// Writes everything that is there now.
    private func copy(_ cursor: inout Cursor, _ write: @Sendable ([UInt8]) async throws -> Void) async throws {
        var more = true
        while more, !cursor.formatter.isFinished {
            try Task.checkCancellation()
            let (state, path) = (cursor, path)
            let output: [UInt8]
            (cursor, output, more) = try await BlockingThreads.kubelet.run { try Self.read(state, current: path) }
            if !output.isEmpty { try await write(output) }
        }
    }

    private static func read(_ state: Cursor, current: String) throws -> (Cursor, [UInt8], Bool) {
        var cursor = state
        var output: [UInt8] = []
        while true {
            if cursor.file == nil {
                guard let next = cursor.rest.first else { return (cursor, output, false) }
                cursor.rest.removeFirst()
                guard HostFiles.exists(next) else { continue }
                cursor.file = try OpenLogFile(next)
            }
            guard let file = cursor.file else { return (cursor, output, false) }
            var formatter = cursor.formatter
            let more = try file.readLines(budget: budget) { line in
                formatter.append(line, to: &output)
                return !formatter.isFinished
            }
            cursor.formatter = formatter
            if more || formatter.isFinished { return (cursor, output, more) }
            // At the end of this file: go on with the next one, or with the one that has taken its name meanwhile.
            if !cursor.rest.isEmpty {
                cursor.file = nil
                continue
            }
            let newer = try newerFiles(than: file, current: current)
            guard !newer.isEmpty else { return (cursor, output, false) }
            // What was written between the last read and the rename is still to come from the old file.
            _ = try file.readLines(budget: .max) { line in
                cursor.formatter.append(line, to: &output)
                return !cursor.formatter.isFinished
            }
            cursor.file = nil
            cursor.rest = newer
        }
    }

    /// The files that came after `file` through rotation, oldest first; empty if it is still the current one.
    private static func newerFiles(than file: OpenLogFile, current: String) throws -> [String] {
        guard let status = HostFiles.status(current, followLinks: false), UInt(status.st_ino) != file.inode else { return [] }
        let paths = LogFiles.paths(of: current)
        let position = paths.lastIndex { HostFiles.status($0, followLinks: false).map { UInt($0.st_ino) } == file.inode }
        // A file that was removed for its age while it was read: everything that is left is newer.
        return position.map { Array(paths[($0 + 1)...]) } ?? paths
    }
}
