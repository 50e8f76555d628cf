import KubeClient
import KubeTypes
import Synchronization

/// What this controller has created, changed and deleted and its watch has not told yet.
///
/// A decision counts these as done, so that a copy that lags behind never makes a controller create twice or delete twice.
/// It takes the place of upstream's counted expectations: identities cannot be miscounted, and need no time-out to be safe.
final class AssumedObjects<Object: KubeObject>: Sendable {
    private struct Entry {
        var created: [String: (object: Object, since: Duration)] = [:]
        /// As the server answered.
        var changed: [String: Object] = [:]
        var deleted: Set<String> = []
        var isEmpty: Bool { created.isEmpty && changed.isEmpty && deleted.isEmpty }

        func contains(_ uid: String) -> Bool { created[uid] != nil || changed[uid] != nil || deleted.contains(uid) }
    }

    private struct State {
        /// By owner.
        var entries: [String: Entry] = [:]
        var owners: [String: String] = [:]

        /// - Parameter seen: what the watch told of; nil if the object is gone.
        mutating func forget(_ uid: String, seen: Object?) {
            guard let owner = owners[uid], var entry = entries[owner] else { return }
            entry.created[uid] = nil
            if let change = entry.changed[uid], seen.map({ AssumedObjects.isAtLeast($0, change) }) ?? true { entry.changed[uid] = nil }
            if seen == nil || seen?.metadata.deletionTimestamp != nil { entry.deleted.remove(uid) }
            if !entry.contains(uid) { owners[uid] = nil }
            entries[owner] = entry.isEmpty ? .none : entry
        }
    }

    /// Whether one state of an object is no older than another. Versions that are no numbers cannot be told apart: what is seen
    /// counts then.
    private static func isAtLeast(_ seen: Object, _ other: Object) -> Bool {
        guard let seen = seen.metadata.resourceVersion.flatMap({ UInt64($0) }), let other = other.metadata.resourceVersion.flatMap({ UInt64($0) })
        else { return true }
        return seen >= other
    }

    /// How long a created object may stay unseen before the server is asked whether it still exists.
    static var patience: Duration { .seconds(10) }

    private let state = Mutex(State())
    private let clock: ControllerClock

    init(clock: ControllerClock) { self.clock = clock }

    /// - Parameter seen: what the controller's view holds under the object's name now: the watch may have been faster.
    func created(_ object: Object, owner: String, seen: Object?) {
        guard seen?.uid != object.uid else { return }
        let since = clock.uptime()
        state.withLock { state in
            state.entries[owner, default: Entry()].created[object.uid] = (object, since)
            state.owners[object.uid] = owner
        }
    }

    /// - Parameter object: the object as the server answered the change.
    func changed(_ object: Object, owner: String, seen: Object?) {
        if let seen, seen.uid == object.uid, Self.isAtLeast(seen, object) { return }
        state.withLock { state in
            // Neither seen nor made here: it is gone already, and nobody will tell of it again.
            guard seen?.uid == object.uid || state.entries[owner]?.created[object.uid] != nil else { return }
            state.entries[owner, default: Entry()].changed[object.uid] = object
            state.owners[object.uid] = owner
        }
    }

    func deleted(_ object: Object, owner: String, seen: Object?) {
        guard let seen, seen.uid == object.uid, seen.metadata.deletionTimestamp == nil else { return }
        state.withLock { state in
            state.entries[owner, default: Entry()].deleted.insert(object.uid)
            state.owners[object.uid] = owner
        }
    }

    /// Must be told every change, after the view that `created` and `deleted` are shown.
    func apply(_ change: Informer<Object>.Change) {
        guard let object = change.object else { return }
        var seen: Object? = object
        if case .deleted = change { seen = .none }
        state.withLock { $0.forget(object.uid, seen: seen) }
    }

    /// What the owner's objects are when everything that was asked for has happened.
    func overlay(_ objects: [Object], owner: String) -> [Object] {
        state.withLock { state in
            guard let entry = state.entries[owner] else { return objects }
            let known = Set(objects.map(\.uid))
            let missing = entry.created.values.map(\.object).filter { !known.contains($0.uid) && !entry.deleted.contains($0.uid) }
            let present = objects.filter { !entry.deleted.contains($0.uid) } + missing.sorted { $0.name < $1.name }
            return present.map { object in
                guard let change = entry.changed[object.uid], !Self.isAtLeast(object, change) else { return object }
                return change
            }
        }
    }

    /// How long until an object that nobody has seen should be looked for; nil if there is none.
    func nextCheck(owner: String) -> Duration? {
        let now = clock.uptime()
        return state.withLock { state in
            state.entries[owner]?.created.values.map { max(.milliseconds(1), $0.since + Self.patience - now) }.min()
        }
    }

    /// Forgets objects that came and went unseen: a watch that was begun anew does not tell of them.
    func verify(owner: String, client: KubeClient) async throws {
        let now = clock.uptime()
        let old = state.withLock { $0.entries[owner]?.created.values.filter { now - $0.since >= Self.patience }.map(\.object) ?? [] }
        for object in old {
            do {
                let live = try await client.get(Object.self, namespace: object.namespace, name: object.name)
                guard live.uid == object.uid else { throw KubeError(code: 404, reason: .notFound, message: "replaced by another object") }
                state.withLock { $0.entries[owner]?.created[object.uid]?.since = now }
            } catch let error as KubeError where error.isNotFound {
                state.withLock { $0.forget(object.uid, seen: .none) }
            }
        }
    }

    func forget(owner: String) {
        state.withLock { state in
            guard let entry = state.entries.removeValue(forKey: owner) else { return }
            for uid in Set(entry.created.keys).union(entry.changed.keys).union(entry.deleted) { state.owners[uid] = nil }
        }
    }
}
