import Glibc
import GRDB

/// The form of the data on disk, and who may open it.
///
/// `log` holds one row for each revision. A row of a deleted key has `deleted = 1` and no value. `previous` is the revision that
/// the row replaced, 0 when it created the key. `expiry` holds the keys that have a time to live. `meta` holds the revision up
/// to which history was compacted; it is also the floor of the revision counter, so that compacting away the newest row (a
/// deletion) never makes revisions go back.
enum LogFormat {
    /// Grows with each incompatible change. It is SQLite's `user_version`.
    static let version = 1

    /// Makes the tables of a new store, or checks those of an old one. Returns the compacted revision.
    static func prepare(_ db: Database, path: String) throws -> Revision {
        let found = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard found <= version else {
            throw StorageError(
                .newerFormat,
                "the data in \(path) has format \(found), this version of swiftlet reads up to \(version): use a newer version, or another data directory")
        }
        if found == 0 { try create(db) }
        return try Revision.fetchOne(db, sql: "SELECT compacted FROM meta") ?? 1
    }

    /// Makes the file, if there is none, readable by its owner alone: it holds secrets. SQLite's other files take after it.
    static func makePrivate(_ path: String) throws(StorageError) {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StorageError(.failed, "cannot open \(path): \(String(cString: strerror(errno)))") }
        Glibc.close(descriptor)
    }

    private static func create(_ db: Database) throws {
        try db.inTransaction {
            try db.execute(sql: """
                CREATE TABLE log (
                    revision INTEGER PRIMARY KEY,
                    key TEXT NOT NULL,
                    create_revision INTEGER NOT NULL,
                    previous INTEGER NOT NULL,
                    deleted INTEGER NOT NULL,
                    expires INTEGER,
                    value BLOB
                );
                CREATE UNIQUE INDEX log_key ON log (key, revision);
                CREATE TABLE expiry (key TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
                CREATE INDEX expiry_at ON expiry (at);
                CREATE TABLE meta (compacted INTEGER NOT NULL);
                INSERT INTO meta (compacted) VALUES (1);
                PRAGMA user_version = \(version);
                """)
            return .commit
        }
    }
}

/// An exclusive lock on the data directory for as long as the value lives. The kernel drops it when the process dies.
struct DirectoryLock: ~Copyable {
    private let descriptor: Int32

    init(path: String) throws(StorageError) {
        descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StorageError(.failed, "cannot open \(path): \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(descriptor)
            throw StorageError(.locked, "the data directory is in use by another process (\(path) is locked)")
        }
    }

    deinit { Glibc.close(descriptor) }
}
