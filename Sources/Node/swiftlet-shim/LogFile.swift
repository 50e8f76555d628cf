import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// A container's log file: appended to, set aside when it is big enough, never in the workload's way.
///
/// Whole lines only: a write that the disk refuses is taken back to the last line's end, and its lines are counted.
struct LogFile {
    private let plan: LogPlan
    private var file: FileDescriptor?
    private var size: UInt64 = 0
    private(set) var droppedLines: UInt64 = 0

    init(_ plan: LogPlan) throws(SystemError) {
        self.plan = plan
        try open()
    }

    private mutating func open() throws(SystemError) {
        file = nil
        guard !plan.path.isEmpty else { return }
        // A link planted in the log directory must not lead the shim's writes elsewhere.
        let opened = try openFile(plan.path, [.writeOnly, .create, .append, .noFollow], mode: 0o640)
        let status = try opened.status()
        guard status.kind == .regular else { throw SystemError(operation: "open log", errno: EINVAL, path: plan.path) }
        (file, size) = (opened, UInt64(max(status.size, 0)))
    }

    /// No more lines will come.
    mutating func close() { file = nil }

    /// Opens the path anew. On failure the lines that come are dropped and counted, and the next write tries again.
    mutating func reopen() throws(SystemError) { try open() }

    /// Appends whole lines.
    mutating func write(_ bytes: [UInt8], lines: Int) {
        guard !plan.path.isEmpty, !bytes.isEmpty else { return }
        if plan.maximumSize > 0, size > 0, size + UInt64(bytes.count) > plan.maximumSize { rotate() }
        if file == nil { try? open() } // counted below if it fails
        guard let file else {
            droppedLines += UInt64(lines)
            return
        }
        do throws(SystemError) {
            try file.writeAll(bytes)
            size += UInt64(bytes.count)
        } catch {
            droppedLines += UInt64(lines)
            // Take back half a line; if even that fails, the reader sees one torn line, which is all there is to lose.
            _ = rawCall(Int32(SYS_ftruncate), Int(file.raw), Int(truncatingIfNeeded: size))
            size = UInt64(max((try? file.status().size) ?? 0, 0))
        }
    }

    /// Sets the file aside and removes the oldest ones beyond the limit. If the rename fails, it goes on in the same file.
    private mutating func rotate() {
        do throws(SystemError) {
            try Files.rename(plan.path, to: "\(plan.path).\(Timestamp.suffix(nanoseconds: Clocks.now()))")
            try open()
        } catch { return }
        removeOldest()
    }

    private func removeOldest() {
        guard plan.maximumFiles > 0, let slash = plan.path.lastIndex(of: "/") else { return }
        let folder = String(plan.path[..<slash])
        let prefix = plan.path[plan.path.index(after: slash)...] + "."
        guard let entries = try? Files.list(folder.isEmpty ? "/" : folder) else { return } // next rotation tries again
        let rotated = entries.map(\.name).filter { $0.hasPrefix(prefix) }.sorted()
        for name in rotated.dropLast(max(Int(plan.maximumFiles) - 1, 0)) { try? Files.remove("\(folder)/\(name)") } // as above
    }
}
