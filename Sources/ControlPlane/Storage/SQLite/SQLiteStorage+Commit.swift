internal import GRDB
internal import Synchronization

/// What runs on the commit thread.
extension SQLiteStorage {
    /// So many writes at most share a transaction: the first of them waits for all.
    private static let groupSize = 512

    func run(_ jobs: [Job]) {
        var group: [(write: Write, continuation: CheckedContinuation<Result<StorageEvent, StorageError>, Never>?)] = []
        for job in jobs {
            switch job {
            case .write(let write, let continuation):
                group.append((write, continuation))
                if group.count == Self.groupSize {
                    commit(group)
                    group = []
                }
            case .exclusive(let body):
                commit(group)
                group = []
                body(self)
            }
        }
        commit(group)
        expire()
    }

    /// Commits a group, tells the watchers, acknowledges. A write whose condition fails does not disturb the others; a failure
    /// of the medium fails them all, and none has happened.
    private func commit(_ group: [(write: Write, continuation: CheckedContinuation<Result<StorageEvent, StorageError>, Never>?)]) {
        guard !group.isEmpty else { return }
        let base = state.withLock { $0.current }
        let time = now()
        var results: [Result<StorageEvent, StorageError>] = []
        var events: [StorageEvent] = []
        var earliestExpiry: Int64?
        do {
            try database.write { db in
                let log = RevisionLog(db: db)
                for (write, _) in group {
                    do throws(StorageError) {
                        let event = try apply(write, log, revision: base + Int64(events.count) + 1, time: time, earliestExpiry: &earliestExpiry)
                        events.append(event)
                        results.append(.success(event))
                    } catch {
                        // Only a failure of the medium rolls the group back.
                        if error.code == .failed { throw error }
                        results.append(.failure(error))
                    }
                }
            }
        } catch {
            let failure = Self.translated(error, "cannot write")
            group.forEach { $0.continuation?.resume(returning: .failure(failure)) }
            return
        }
        if let last = events.last {
            publish(events, through: last.revision, earliestExpiry: earliestExpiry)
        }
        for (member, result) in zip(group, results) { member.continuation?.resume(returning: result) }
    }

    private func publish(_ events: [StorageEvent], through: Revision, earliestExpiry: Int64?) {
        let deliveries = state.withLock { state in
            state.current = through
            if let earliestExpiry { state.nextExpiry = min(state.nextExpiry ?? .max, earliestExpiry) }
            return state.watchers.deliveries(of: events, through: through)
        }
        deliveries.forEach { $0() }
    }

    private func apply(
        _ write: Write, _ log: RevisionLog, revision: Revision, time: Int64, earliestExpiry: inout Int64?
    ) throws(StorageError) -> StorageEvent {
        switch write {
        case .create(let key, let value, let ttl):
            let found = try translate("cannot read \(key)") { try log.entry(key) }
            if let found { throw StorageError(.keyExists, "key \(key) exists already", current: found.keyValue) }
            let expires = expiry(ttl, time, &earliestExpiry)
            return try translate("cannot write \(key)") {
                try log.append(key, value: value, revision: revision, replacing: nil, expires: expires)
            }
        case .update(let key, let value, let condition, let ttl):
            let found = try existing(key, condition, log)
            let expires = expiry(ttl, time, &earliestExpiry)
            return try translate("cannot write \(key)") {
                try log.append(key, value: value, revision: revision, replacing: found, expires: expires)
            }
        case .delete(let key, let condition):
            let found = try existing(key, condition, log)
            return try translate("cannot delete \(key)") {
                try log.append(key, value: nil, revision: revision, replacing: found, expires: nil)
            }
        case .expire(let key):
            let found = try existing(key, .exists, log)
            return try translate("cannot expire \(key)") {
                try log.append(key, value: nil, revision: revision, replacing: found, expires: nil)
            }
        }
    }

    private func existing(_ key: String, _ condition: Precondition, _ log: RevisionLog) throws(StorageError) -> RevisionLog.Entry {
        guard let found = try translate("cannot read \(key)", { try log.entry(key) }) else {
            throw StorageError(.notFound, "key \(key) does not exist")
        }
        if case .revision(let expected) = condition, found.keyValue.modRevision != expected {
            throw StorageError(
                .conflict, "key \(key) was expected at revision \(expected), found \(found.keyValue.modRevision)", current: found.keyValue)
        }
        return found
    }

    private func expiry(_ ttl: Duration?, _ time: Int64, _ earliest: inout Int64?) -> Int64? {
        guard let ttl else { return nil }
        let (seconds, attoseconds) = ttl.components
        let at = time + seconds * 1000 + attoseconds / 1_000_000_000_000_000
        earliest = min(earliest ?? .max, at)
        return at
    }

    /// Deletes the keys whose time has come, as ordinary changes with revisions of their own.
    private func expire() {
        let time = now()
        guard let next = state.withLock({ $0.nextExpiry }), next <= time else { return }
        do {
            let keys = try database.read { try RevisionLog(db: $0).expired(at: time, limit: Self.groupSize) }
            commit(keys.map { (.expire($0), nil) })
            let next = try database.read { try RevisionLog(db: $0).nextExpiry() }
            state.withLock { $0.nextExpiry = next }
        } catch {
            // The medium does not answer; the keys stay due, and the next turn, in a second at the soonest, tries again.
            state.withLock { $0.nextExpiry = time + 1000 }
        }
    }

    // MARK: watches

    public func watch(prefix: String, after: Revision, receive: @escaping WatchReceiver) async throws(StorageError) -> WatchHandle {
        try await exclusively { storage in
            Result { () throws(StorageError) in
                _ = try storage.readable(after)
                try storage.replay(prefix: prefix, after: after, to: receive)
                return storage.register(prefix: prefix, receive)
            }
        }
    }

    public func snapshotAndWatch(prefix: String, receive: @escaping WatchReceiver) async throws(StorageError) -> (RangeResult, WatchHandle) {
        try await exclusively { storage in
            Result { () throws(StorageError) in
                let revision = try storage.readable(nil)
                let result = try translate("cannot read \(prefix)") {
                    try storage.database.read { try RevisionLog(db: $0).range(RangeRequest(prefix: prefix), at: revision) }
                }
                return (result, storage.register(prefix: prefix, receive))
            }
        }
    }

    /// Tells a new watcher what has happened since, in portions.
    private func replay(prefix: String, after: Revision, to receive: WatchReceiver) throws(StorageError) {
        let current = state.withLock { $0.current }
        var reached = after
        while reached < current {
            let from = reached
            let events = try translate("cannot read \(prefix)") {
                try database.read { try RevisionLog(db: $0).history(prefix: prefix, after: from, through: current, limit: Self.groupSize) }
            }
            reached = events.count == Self.groupSize ? events[events.count - 1].revision : current
            receive(.events(events, through: reached))
        }
    }

    private func register(prefix: String, _ receive: @escaping WatchReceiver) -> WatchHandle {
        let id = state.withLock { $0.watchers.add(prefix: prefix, receive: receive) }
        return WatchHandle { [weak self] in self?.state.withLock { $0.watchers.remove(id) } }
    }

    // MARK: compaction

    public func compact(to revision: Revision) async throws(StorageError) {
        let start = try state.withLock { state throws(StorageError) in
            guard !state.closed else { throw Self.closedError }
            guard revision <= state.current else {
                throw StorageError(.futureRevision, "cannot compact to revision \(revision), the current one is \(state.current)")
            }
            return state.compacted
        }
        var from = start
        while from < revision {
            // In steps, so that writers wait for one step at most. The horizon moves first: no reader trusts what goes away.
            let (low, high) = (from, min(from + 1000, revision))
            try await exclusively { storage in
                Result { () throws(StorageError) in
                    let proceed = storage.state.withLock { state in
                        guard state.compacted < high else { return false }
                        state.compacted = high
                        return true
                    }
                    guard proceed else { return }
                    try translate("cannot compact") {
                        try storage.database.write { try RevisionLog(db: $0).compact(from: low, to: high) }
                    }
                }
            }
            from = high
        }
    }
}
