import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// The ledger of one sandbox: an append-only file. Every note is one write before the deed, so whatever instant the agent
/// dies at, all that exists is on the list. No fsync: what a power cut takes from the list it takes from the kernel, too,
/// and directories that survive are found by name at the next start.
final class Ledger: Sendable {
    let path: String
    private let file: FileDescriptor
    /// What is owed, in the order it was noted.
    private let entries: Mutex<[LedgerEntry]>

    /// Opens or makes the ledger of a sandbox and reads what is owed.
    init(path: String) throws {
        self.path = path
        file = try openFile(path, [.readWrite, .create, .append, .noFollow])
        let bytes = try file.readAll()
        entries = Mutex(try LedgerCodec.outstanding(bytes))
        // A line that was cut off must not be continued by the next one.
        let whole = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        if whole < bytes.count { _ = try systemCall("ftruncate", path: path) { rawCall(Int32(SYS_ftruncate), Int(file.raw), whole) } }
    }

    var outstanding: [LedgerEntry] { entries.withLock { $0 } }

    /// Writes down what is about to be made.
    func note(_ kind: LedgerEntry.Kind, _ path: String, for scope: LedgerEntry.Scope = .sandbox) throws {
        try note([(kind, path)], for: scope)
    }

    /// Writes down several things at once, in the order in which they will be made.
    func note(_ things: [(kind: LedgerEntry.Kind, path: String)], for scope: LedgerEntry.Scope = .sandbox) throws {
        let new = things.map { LedgerEntry(scope: scope, kind: $0.kind, path: $0.path) }
        try entries.withLock { entries in
            try file.writeAll(new.flatMap { LedgerCodec.line(noting: $0).utf8 })
            entries += new
        }
    }

    /// Strikes everything of a scope: it has been undone.
    func end(_ scope: LedgerEntry.Scope) throws {
        try entries.withLock { entries in
            guard entries.contains(where: { $0.scope == scope }) else { return }
            try file.writeAll(Array(LedgerCodec.line(ending: scope).utf8))
            entries.removeAll { $0.scope == scope }
        }
    }

    /// Removes the file: nothing is owed any more.
    func remove() throws {
        do throws(SystemError) { try Files.remove(path) } catch { if error.errno != ENOENT { throw error } }
    }
}
