internal import Dispatch
internal import Foundation
internal import GRDB
internal import Synchronization

/// The storage of one control-plane machine: a revision log in SQLite.
///
/// Writes of many callers are gathered by one thread into one transaction (WAL, `synchronous=FULL`), told to the watchers, and
/// then acknowledged, in this order. Keys whose time to live has passed are deleted by the same thread.
public final class SQLiteStorage: Storage {
    /// One thing for the commit thread to do.
    enum Job: Sendable {
        case write(Write, CheckedContinuation<Result<StorageEvent, StorageError>, Never>)
        /// Runs between transactions, when no write is half done.
        case exclusive(@Sendable (SQLiteStorage) -> Void)
    }

    enum Write: Sendable {
        case create(String, [UInt8], ttl: Duration?)
        case update(String, [UInt8], Precondition, ttl: Duration?)
        case delete(String, Precondition)
        /// Deletes the key if it is due.
        case expire(String)
    }

    struct State {
        var current: Revision
        var compacted: Revision
        var closed = false
        var watchers = WatcherTable()
        /// When the first key expires, in milliseconds since 1970.
        var nextExpiry: Int64?
    }

    let database: any DatabaseWriter
    let state: Mutex<State>
    let now: @Sendable () -> Int64
    private let thread = CommitThread<Job>()
    private let lock: Mutex<DirectoryLock?>
    private let ended = DispatchGroup()

    /// Opens or makes the store in a directory, which must exist.
    /// - Parameter now: milliseconds since 1970, for times to live.
    /// - Throws: `.locked`, `.newerFormat`, `.failed`.
    public static func open(
        directory: String, now: @escaping @Sendable () -> Int64 = SQLiteStorage.systemTime
    ) throws(StorageError) -> SQLiteStorage {
        let lock = try DirectoryLock(path: directory + "/storage.lock")
        let path = directory + "/storage.sqlite"
        try LogFormat.makePrivate(path)
        let database = try translate("cannot open \(path)") { try DatabasePool(path: path, configuration: configuration()) }
        return try SQLiteStorage(database, lock: lock, path: path, now: now)
    }

    /// A store that lives as long as the process, for tests and for clusters that are thrown away.
    public static func inMemory(now: @escaping @Sendable () -> Int64 = SQLiteStorage.systemTime) throws(StorageError) -> SQLiteStorage {
        let database = try translate("cannot open a database in memory") { try DatabaseQueue(configuration: configuration()) }
        return try SQLiteStorage(database, lock: nil, path: "memory", now: now)
    }

    /// The wall clock. Times to live are wall-clock times because they must hold across restarts.
    public static let systemTime: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1000) }

    private static func configuration() -> Configuration {
        var configuration = Configuration()
        configuration.label = "storage"
        configuration.foreignKeysEnabled = false
        configuration.maximumReaderCount = 2
        configuration.prepareDatabase { db in
            // FULL: a commit returns when the disk has it. GRDB chooses NORMAL for WAL, which may lose the last commits.
            try db.execute(sql: "PRAGMA synchronous = FULL; PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY")
        }
        return configuration
    }

    private init(_ database: any DatabaseWriter, lock: consuming DirectoryLock?, path: String, now: @escaping @Sendable () -> Int64) throws(StorageError) {
        self.database = database
        self.now = now
        self.lock = Mutex(lock)
        let state = try translate("cannot read \(path)") {
            try database.writeWithoutTransaction { db in
                let compacted = try LogFormat.prepare(db, path: path)
                let log = RevisionLog(db: db)
                return State(current: max(try log.newestRevision() ?? 0, compacted), compacted: compacted, nextExpiry: try log.nextExpiry())
            }
        }
        self.state = Mutex(state)
        ended.enter()
        thread.start(
            idle: { [weak self] in self?.idleTime() ?? .never },
            body: { [weak self] jobs in self?.run(jobs) }, end: { [ended] in ended.leave() })
    }

    deinit { thread.close() }

    // MARK: writes

    public func create(_ key: String, _ value: [UInt8], ttl: Duration?) async throws(StorageError) -> KeyValue {
        try await keyValue(.create(Self.checked(key), value, ttl: ttl))
    }

    public func update(_ key: String, _ value: [UInt8], if condition: Precondition, ttl: Duration?) async throws(StorageError) -> KeyValue {
        try await keyValue(.update(Self.checked(key), value, condition, ttl: ttl))
    }

    public func delete(_ key: String, if condition: Precondition) async throws(StorageError) -> StorageEvent {
        try await commit(.delete(Self.checked(key), condition))
    }

    private func keyValue(_ write: Write) async throws(StorageError) -> KeyValue {
        guard let current = try await commit(write).current else {
            throw StorageError(.failed, "a write came back as a deletion")
        }
        return current
    }

    private func commit(_ write: Write) async throws(StorageError) -> StorageEvent {
        try await withCheckedContinuation { continuation in
            if !submit(.write(write, continuation)) { continuation.resume(returning: .failure(Self.closedError)) }
        }.get()
    }

    // MARK: reads

    public func currentRevision() async throws(StorageError) -> Revision {
        try state.withLock { state throws(StorageError) in
            guard !state.closed else { throw Self.closedError }
            return state.current
        }
    }

    public func get(_ key: String, at revision: Revision?) async throws(StorageError) -> (KeyValue?, Revision) {
        let key = try Self.checked(key)
        let revision = try readable(revision)
        let entry = try await read { try $0.entry(key, at: revision) }
        try stillReadable(revision)
        return (entry?.keyValue, revision)
    }

    public func range(_ request: RangeRequest) async throws(StorageError) -> RangeResult {
        _ = try Self.checked(request.prefix)
        let revision = try readable(request.revision)
        let result = try await read { try $0.range(request, at: revision) }
        try stillReadable(revision)
        return result
    }

    public func history(prefix: String, after: Revision, through: Revision, limit: Int) async throws(StorageError) -> [StorageEvent] {
        _ = try readable(after)
        _ = try readable(through)
        let events = try await read { try $0.history(prefix: prefix, after: after, through: through, limit: limit) }
        try stillReadable(after)
        return events
    }

    private func read<T: Sendable>(_ body: @escaping @Sendable (RevisionLog) throws -> T) async throws(StorageError) -> T {
        do {
            return try await database.read { db in try body(RevisionLog(db: db)) }
        } catch {
            throw Self.translated(error, "cannot read")
        }
    }

    /// The revision to read: the given one, if history holds it, or the current one.
    func readable(_ revision: Revision?) throws(StorageError) -> Revision {
        try state.withLock { state throws(StorageError) in
            guard !state.closed else { throw Self.closedError }
            guard let revision else { return state.current }
            guard revision >= state.compacted else { throw Self.compactedError(revision, state.compacted) }
            guard revision <= state.current else {
                throw StorageError(.futureRevision, "revision \(revision) is in the future, the current one is \(state.current)")
            }
            return revision
        }
    }

    /// A compaction may have run between the check and the read; then what was read may have holes.
    private func stillReadable(_ revision: Revision) throws(StorageError) {
        try state.withLock { state throws(StorageError) in
            guard revision >= state.compacted else { throw Self.compactedError(revision, state.compacted) }
        }
    }

    // MARK: end

    public func close() async {
        let endings = state.withLock { state in
            guard !state.closed else { return [@Sendable () -> Void]() }
            state.closed = true
            defer { state.watchers.removeAll() }
            return state.watchers.endings(Self.closedError)
        }
        thread.close()
        await withCheckedContinuation { continuation in
            ended.notify(queue: .global()) { continuation.resume() }
        }
        endings.forEach { $0() }
        // Nothing uses the database any more; what closing reports would have no one to act on it, and all commits are on disk.
        try? database.close()
        lock.withLock { $0 = nil }
    }

    // MARK: plumbing

    func submit(_ job: Job) -> Bool {
        thread.submit(job)
    }

    /// Runs a closure on the commit thread, between transactions.
    func exclusively<T: Sendable>(_ body: @escaping @Sendable (SQLiteStorage) -> Result<T, StorageError>) async throws(StorageError) -> T {
        try await withCheckedContinuation { (continuation: CheckedContinuation<Result<T, StorageError>, Never>) in
            let accepted = submit(.exclusive { continuation.resume(returning: body($0)) })
            if !accepted { continuation.resume(returning: .failure(Self.closedError)) }
        }.get()
    }

    private func idleTime() -> DispatchTimeInterval {
        guard let next = state.withLock({ $0.nextExpiry }) else { return .never }
        return .milliseconds(Int(max(1, min(next - now(), 60_000))))
    }

    static let closedError = StorageError(.closed, "the storage is closed")

    static func compactedError(_ revision: Revision, _ compacted: Revision) -> StorageError {
        StorageError(.compacted, "revision \(revision) has been compacted, the oldest kept one is \(compacted)", compactedRevision: compacted)
    }

    /// Keys end up in SQLite text, which ends at a zero byte.
    private static func checked(_ key: String) throws(StorageError) -> String {
        guard !key.isEmpty, !key.utf8.contains(0) else {
            throw StorageError(.invalidKey, "a key must not be empty or contain a zero byte")
        }
        return key
    }

    static func translated(_ error: any Error, _ operation: String) -> StorageError {
        switch error {
        case let error as StorageError: error
        case is CancellationError: StorageError(.cancelled, "the request was cancelled")
        default: StorageError(.failed, operation, cause: error)
        }
    }
}

/// Runs a closure and turns what it throws into the module's error.
func translate<T>(_ operation: String, _ body: () throws -> T) throws(StorageError) -> T {
    do {
        return try body()
    } catch {
        throw SQLiteStorage.translated(error, operation)
    }
}
