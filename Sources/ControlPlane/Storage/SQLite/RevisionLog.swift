internal import Foundation
import GRDB

/// The statements on the log. Each runs inside the caller's transaction and has no state but the database's.
struct RevisionLog {
    let db: Database

    /// What a key holds, and whether it has a time to live.
    struct Entry {
        let keyValue: KeyValue
        let expires: Bool
    }

    // MARK: reading

    /// The newest row of a key, at or before a revision.
    func entry(_ key: String, at revision: Revision = .max) throws -> Entry? {
        let statement = try db.cachedStatement(sql: """
            SELECT revision, create_revision, deleted, expires, value FROM log
            WHERE key = ? AND revision <= ? ORDER BY revision DESC LIMIT 1
            """)
        statement.setUncheckedArguments([key, revision])
        let rows = try Row.fetchCursor(statement)
        guard let row = try rows.next(), row[2] as Int == 0 else { return nil }
        let keyValue = try KeyValue(key: key, value: bytes(row, 4), createRevision: row[1], modRevision: row[0])
        return Entry(keyValue: keyValue, expires: row[3] as Int64? != nil)
    }

    /// The newest revision in the log.
    func newestRevision() throws -> Revision? {
        try Revision.fetchOne(db, sql: "SELECT MAX(revision) FROM log")
    }

    func range(_ request: RangeRequest, at revision: Revision) throws -> RangeResult {
        // The newest row of each key at the revision. SQLite walks the index for it and reads a value only for rows it returns.
        let newest = """
            FROM (SELECT MAX(revision) AS newest FROM log WHERE key >= ? AND key > ? AND key < ? AND revision <= ? GROUP BY key)
            JOIN log ON revision = newest WHERE deleted = 0
            """
        let upper = Self.upperBound(request.prefix)
        let limit = request.limit ?? -1
        let statement = try db.cachedStatement(sql: "SELECT key, revision, create_revision, value \(newest) ORDER BY key LIMIT ?")
        statement.setUncheckedArguments([request.prefix, request.after ?? "", upper, revision, limit])
        var items: [KeyValue] = []
        let rows = try Row.fetchCursor(statement)
        while let row = try rows.next() {
            items.append(try KeyValue(key: row[0], value: bytes(row, 3), createRevision: row[2], modRevision: row[1]))
        }
        var remaining = 0
        if let limit = request.limit, items.count == limit, let last = items.last {
            let count = try db.cachedStatement(sql: "SELECT COUNT(*) \(newest)")
            count.setUncheckedArguments([request.prefix, last.key, upper, revision])
            remaining = try Int.fetchOne(count) ?? 0
        }
        return RangeResult(items: items, revision: revision, remaining: remaining)
    }

    func history(prefix: String, after: Revision, through: Revision, limit: Int) throws -> [StorageEvent] {
        let statement = try db.cachedStatement(sql: """
            SELECT l.revision, l.key, l.create_revision, l.deleted, l.value, p.revision, p.create_revision, p.value
            FROM log l LEFT JOIN log p ON p.revision = l.previous
            WHERE l.revision > ? AND l.revision <= ? AND l.key >= ? AND l.key < ? ORDER BY l.revision LIMIT ?
            """)
        statement.setUncheckedArguments([after, through, prefix, Self.upperBound(prefix), limit])
        var events: [StorageEvent] = []
        let rows = try Row.fetchCursor(statement)
        while let row = try rows.next() {
            let revision: Revision = row[0]
            let key: String = row[1]
            let deleted = row[3] as Int != 0
            let current = deleted ? nil : try KeyValue(key: key, value: bytes(row, 4), createRevision: row[2], modRevision: revision)
            var previous: KeyValue?
            if let modRevision = row[5] as Revision? {
                previous = try KeyValue(key: key, value: bytes(row, 7), createRevision: row[6], modRevision: modRevision)
            }
            events.append(StorageEvent(revision: revision, key: key, current: current, previous: previous))
        }
        return events
    }

    // MARK: writing

    /// Appends a row. `value` nil deletes the key.
    func append(
        _ key: String, value: [UInt8]?, revision: Revision, replacing previous: Entry?, expires: Int64?
    ) throws -> StorageEvent {
        let createRevision = previous?.keyValue.createRevision ?? revision
        let statement = try db.cachedStatement(sql: """
            INSERT INTO log (revision, key, create_revision, previous, deleted, expires, value) VALUES (?, ?, ?, ?, ?, ?, ?)
            """)
        statement.setUncheckedArguments([
            revision, key, createRevision, previous?.keyValue.modRevision ?? 0, value == nil ? 1 : 0, expires, value.map { Data($0) },
        ])
        try statement.execute()
        if let expires {
            let expiry = try db.cachedStatement(sql: "INSERT OR REPLACE INTO expiry (key, at) VALUES (?, ?)")
            try expiry.execute(arguments: [key, expires])
        } else if previous?.expires == true {
            try db.cachedStatement(sql: "DELETE FROM expiry WHERE key = ?").execute(arguments: [key])
        }
        let current = value.map { KeyValue(key: key, value: $0, createRevision: createRevision, modRevision: revision) }
        return StorageEvent(revision: revision, key: key, current: current, previous: previous?.keyValue)
    }

    /// The keys whose time has come, at most `limit`.
    func expired(at now: Int64, limit: Int) throws -> [String] {
        try String.fetchAll(db, sql: "SELECT key FROM expiry WHERE at <= ? ORDER BY at LIMIT ?", arguments: [now, limit])
    }

    func nextExpiry() throws -> Int64? {
        try Int64.fetchOne(db, sql: "SELECT MIN(at) FROM expiry")
    }

    /// Forgets what rows in `from < revision <= to` replaced, and the deletions among them.
    func compact(from: Revision, to: Revision) throws {
        try db.execute(
            sql: """
                DELETE FROM log WHERE revision IN (SELECT previous FROM log WHERE revision > ? AND revision <= ? AND previous > 0);
                DELETE FROM log WHERE revision > ? AND revision <= ? AND deleted = 1;
                UPDATE meta SET compacted = ?;
                """,
            arguments: [from, to, from, to, to])
    }

    // MARK: details

    private func bytes(_ row: Row, _ index: Int) throws -> [UInt8] {
        try row.withUnsafeData(atIndex: index) { data in data.map { Array($0) } ?? [] }
    }

    /// U+10FFFF sorts after every other scalar in UTF-8, and SQLite compares text as bytes.
    private static func upperBound(_ prefix: String) -> String { prefix + "\u{10FFFF}" }
}
