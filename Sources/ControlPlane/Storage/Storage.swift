/// A position in the one history that all keys share. It only grows, across restarts too; the first write of a new store is 2.
public typealias Revision = Int64

/// One key as it stood at one revision.
public struct KeyValue: Sendable, Hashable {
    public let key: String
    public let value: [UInt8]
    /// The revision at which the key came into being (again, if it was deleted in between).
    public let createRevision: Revision
    /// The revision of the last change.
    public let modRevision: Revision

    public init(key: String, value: [UInt8], createRevision: Revision, modRevision: Revision) {
        self.key = key
        self.value = value
        self.createRevision = createRevision
        self.modRevision = modRevision
    }
}

/// One change of one key. Every revision is exactly one change.
public struct StorageEvent: Sendable, Hashable {
    public let revision: Revision
    public let key: String
    /// What the key holds now; nil when the change deleted it.
    public let current: KeyValue?
    /// What the key held before; nil when the change created it.
    public let previous: KeyValue?

    public init(revision: Revision, key: String, current: KeyValue?, previous: KeyValue?) {
        self.revision = revision
        self.key = key
        self.current = current
        self.previous = previous
    }
}

/// What must hold for a change to be made.
public enum Precondition: Sendable, Hashable {
    /// Any state of the key will do, as long as it exists.
    case exists
    /// The key's last change has this revision.
    case revision(Revision)
}

/// Which keys to read.
public struct RangeRequest: Sendable, Hashable {
    /// Keys that begin with this. Never empty.
    public var prefix: String
    /// Read on after this key: the last key of the page before.
    public var after: String?
    /// At most so many; nil for all.
    public var limit: Int?
    /// The state at this revision; nil for now.
    public var revision: Revision?

    public init(prefix: String, after: String? = nil, limit: Int? = nil, revision: Revision? = nil) {
        self.prefix = prefix
        self.after = after
        self.limit = limit
        self.revision = revision
    }
}

/// A page of keys, in the order of their UTF-8 bytes.
public struct RangeResult: Sendable, Hashable {
    public let items: [KeyValue]
    /// The revision of the snapshot that was read.
    public let revision: Revision
    /// How many keys of the range follow this page.
    public let remaining: Int

    public init(items: [KeyValue], revision: Revision, remaining: Int) {
        self.items = items
        self.revision = revision
        self.remaining = remaining
    }
}

/// What a watcher is told.
public enum WatchDelivery: Sendable {
    /// The watcher has now seen every change of its prefix up to and including `through`. The list may be empty: progress.
    case events([StorageEvent], through: Revision)
    /// Nothing more will come.
    case ended(StorageError)
}

/// Ends a watch. Idempotent; a delivery that is under way may still arrive.
public struct WatchHandle: Sendable {
    private let onCancel: @Sendable () -> Void

    public init(onCancel: @escaping @Sendable () -> Void) { self.onCancel = onCancel }

    public func cancel() { onCancel() }
}

/// Called in order, one call at a time, before the writes it tells of are acknowledged. It runs on the thread that commits,
/// so it must be quick, must not wait, and must not call the storage.
public typealias WatchReceiver = @Sendable (WatchDelivery) -> Void

/// etcd's contract: a key-value log with one global revision. An acknowledged change is durable.
///
/// Every method may throw `StorageError`: `.closed`, `.failed` for what the medium reports, and what is listed beside it.
public protocol Storage: Sendable {
    /// The revision of the last acknowledged change.
    func currentRevision() async throws(StorageError) -> Revision

    /// Makes a key that does not exist. Throws `.keyExists` with the current value.
    /// - Parameter ttl: the key is deleted by itself this long after the change; nil for never.
    func create(_ key: String, _ value: [UInt8], ttl: Duration?) async throws(StorageError) -> KeyValue

    /// Replaces a key. Throws `.notFound`, `.conflict` with the current value.
    /// - Parameter ttl: counts from now; nil means that the key, even if it had one, has none any more.
    func update(_ key: String, _ value: [UInt8], if: Precondition, ttl: Duration?) async throws(StorageError) -> KeyValue

    /// Deletes a key. Throws `.notFound`, `.conflict` with the current value.
    /// - Returns: the event, whose revision is that of the deletion and whose `previous` is what was deleted.
    func delete(_ key: String, if: Precondition) async throws(StorageError) -> StorageEvent

    /// One key now or at a revision, and the revision that was read. Throws `.compacted`, `.futureRevision`.
    func get(_ key: String, at revision: Revision?) async throws(StorageError) -> (KeyValue?, Revision)

    /// A page of keys at one revision. Throws `.compacted`, `.futureRevision`.
    func range(_ request: RangeRequest) async throws(StorageError) -> RangeResult

    /// The changes under a prefix with `after < revision <= through`, oldest first. Throws `.compacted`, `.futureRevision`.
    /// - Parameter limit: at most so many; ask again after the last one's revision.
    func history(prefix: String, after: Revision, through: Revision, limit: Int) async throws(StorageError) -> [StorageEvent]

    /// Every change under a prefix after a revision: first what has happened since, then what happens. Throws `.compacted`,
    /// `.futureRevision`.
    func watch(prefix: String, after: Revision, receive: @escaping WatchReceiver) async throws(StorageError) -> WatchHandle

    /// All keys under a prefix now and, with nothing lost and nothing told twice, every change from then on.
    func snapshotAndWatch(prefix: String, receive: @escaping WatchReceiver) async throws(StorageError) -> (RangeResult, WatchHandle)

    /// Forgets what was before a revision: reads and watches from before it throw `.compacted` from then on. The state at the
    /// revision itself stays readable. A revision that is already compacted is no error. Throws `.futureRevision`.
    func compact(to revision: Revision) async throws(StorageError)

    /// Ends all watches and refuses further calls. Returns when what was acknowledged is on the medium and its lock is released.
    func close() async
}

extension Storage {
    public func create(_ key: String, _ value: [UInt8]) async throws(StorageError) -> KeyValue {
        try await create(key, value, ttl: nil)
    }

    public func update(_ key: String, _ value: [UInt8], if condition: Precondition) async throws(StorageError) -> KeyValue {
        try await update(key, value, if: condition, ttl: nil)
    }

    public func get(_ key: String) async throws(StorageError) -> KeyValue? {
        try await get(key, at: nil).0
    }
}
