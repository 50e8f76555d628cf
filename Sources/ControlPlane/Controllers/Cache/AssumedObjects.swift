import KubeClient
import KubeTypes
import Synchronization

/// What this controller has created and deleted and its watch has not told yet.
///
/// A decision counts these as done, so that a copy that lags behind never makes a controller create twice or delete twice.
/// It takes the place of upstream's counted expectations: identities cannot be miscounted, and need no time-out to be safe.
final class AssumedObjects<Object: KubeObject>: Sendable {
    private struct Entry {
        var created: [String: (object: Object, since: Duration)] = [:]
        var deleted: Set<String> = []
        var isEmpty: Bool { created.isEmpty && deleted.isEmpty }
    }

    private struct State {
        /// By owner.
        var entries: [String: Entry] = [:]
        var owners: [String: String] = [:]

        mutating func forget(_ uid: String, created: Bool, deleted: Bool) {
            guard let owner = owners[uid] else { return }
            if created { entries[owner]?.created[uid] = nil }
            if deleted { entries[owner]?.deleted.remove(uid) }
            if entries[owner]?.created[uid] == nil, entries[owner]?.deleted.contains(uid) != true { owners[uid] = nil }
            if entries[owner]?.isEmpty == true { entries[owner] = nil }
        }
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
        var isGone = object.metadata.deletionTimestamp != nil
        if case .deleted = change { isGone = true }
        state.withLock { $0.forget(object.uid, created: true, deleted: isGone) }
    }

    /// What the owner's objects are when everything that was asked for has happened.
    func overlay(_ objects: [Object], owner: String) -> [Object] {
        state.withLock { state in
            guard let entry = state.entries[owner] else { return objects }
            let known = Set(objects.map(\.uid))
            let missing = entry.created.values.map(\.object).filter { !known.contains($0.uid) && !entry.deleted.contains($0.uid) }
            return objects.filter { !entry.deleted.contains($0.uid) } + missing.sorted { $0.name < $1.name }
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
                state.withLock { $0.forget(object.uid, created: true, deleted: true) }
            }
        }
    }

    func forget(owner: String) {
        state.withLock { state in
            guard let entry = state.entries.removeValue(forKey: owner) else { return }
            for uid in entry.created.keys + Array(entry.deleted) { state.owners[uid] = nil }
        }
    }
}
