import Glibc
/// Finds where the last lines of a log begin, across rotated files.
enum LogTail {
    struct Position: Equatable {
        /// Index into the given paths; everything after it is read whole.
        var file: Int
        var offset: Int64
    }

    /// - Parameter paths: oldest first. Files that have gone meanwhile are skipped.
    static func position(ofLast lines: Int, in paths: [String]) throws -> Position {
        guard let last = paths.indices.last else { return Position(file: 0, offset: 0) }
        if lines == 0 {
            return Position(file: last, offset: HostFiles.status(paths[last]).map { Int64($0.st_size) } ?? 0)
        }
        var wanted = lines
        for index in paths.indices.reversed() {
            guard HostFiles.exists(paths[index]) else { continue }
            let starts = try lineStarts(of: paths[index], keeping: wanted)
            if starts.count == wanted, let first = starts.first { return Position(file: index, offset: first) }
            wanted -= starts.count
        }
        return Position(file: 0, offset: 0)
    }

    /// Offsets at which the last `limit` lines begin. A line written in parts counts once, from its first part.
    private static func lineStarts(of path: String, keeping limit: Int) throws -> [Int64] {
        let file = try OpenLogFile(path)
        var starts: [Int64] = []
        var oldest = 0
        var offset: Int64 = 0
        var continues = false
        var more = true
        while more {
            more = try file.readLines(budget: 4 << 20) { line in
                if !continues {
                    if starts.count < limit { starts.append(offset) } else { starts[oldest] = offset; oldest = (oldest + 1) % limit }
                }
                continues = CRILogLine(line)?.isPartial ?? false
                offset += Int64(line.count + 1)
                return true
            }
        }
        return Array(starts[oldest...] + starts[..<oldest])
    }
}
