internal import KubeAPI
internal import Storage
internal import Synchronization

/// All objects in memory, kept current by one watch on the storage. Every get, list and watch is served from here.
final class WatchCache: Sendable {
    private struct State {
        var revision: Revision
        var waiting: [(revision: Revision, continuation: CheckedContinuation<Void, Never>)] = []
        var ended: StorageError?
    }

    let storage: any Storage
    /// One for each resource that is served or has objects: whoever defines a resource finds those that are there already.
    private let resources: Mutex<[GroupResource: ResourceCache]> = Mutex([:])
    private let state: Mutex<State>
    private let handle: Mutex<WatchHandle?> = Mutex(nil)

    private init(storage: any Storage) {
        self.storage = storage
        state = Mutex(State(revision: 0))
    }

    deinit { handle.withLock { $0?.cancel() } }

    /// Reads everything there is and goes on from there.
    static func load(_ storage: any Storage, resources: [GroupResource]) async throws(StorageError) -> WatchCache {
        let cache = WatchCache(storage: storage)
        // Changes that come between the snapshot and its being loaded wait here.
        let early = Mutex<[WatchDelivery]?>([])
        let (snapshot, handle) = try await storage.snapshotAndWatch(prefix: ObjectKey.root) { [weak cache] delivery in
            let deliver = early.withLock { early in
                early?.append(delivery)
                return early == nil
            }
            if deliver { cache?.receive(delivery) }
        }
        cache.fill(snapshot, resources)
        cache.handle.withLock { $0 = handle }
        early.withLock { waiting in
            waiting?.forEach(cache.receive)
            waiting = nil
        }
        return cache
    }

    private func fill(_ snapshot: RangeResult, _ known: [GroupResource]) {
        var objects: [GroupResource: [CachedObject]] = [:]
        for item in snapshot.items {
            guard let key = ObjectKey(storageKey: item.key) else { continue }
            objects[key.resource, default: []].append(CachedObject(key: key, stored: item.value, revision: item.modRevision))
        }
        let caches = Set(known).union(objects.keys).map { resource in
            (resource, ResourceCache(resource, objects: objects[resource] ?? [], revision: snapshot.revision))
        }
        resources.withLock { $0 = Dictionary(caches) { first, _ in first } }
        state.withLock { $0.revision = snapshot.revision }
    }

    // MARK: the commit thread's side

    private func receive(_ delivery: WatchDelivery) {
        switch delivery {
        case .events(let events, let through):
            for event in events {
                guard let key = ObjectKey(storageKey: event.key) else { continue }
                ensure(key.resource).apply(event, key: key)
            }
            advance { $0.revision = through }
        case .ended(let error):
            advance { $0.ended = error }
            resources.withLock { Array($0.values) }.forEach { $0.endWatches() }
        }
    }

    private func advance(_ change: (inout State) -> Void) {
        let ready = state.withLock { state in
            change(&state)
            guard !state.waiting.isEmpty else { return [CheckedContinuation<Void, Never>]() }
            let (revision, ended) = (state.revision, state.ended != nil)
            let ready = state.waiting.filter { ended || $0.revision <= revision }
            state.waiting.removeAll { ended || $0.revision <= revision }
            return ready.map(\.continuation)
        }
        ready.forEach { $0.resume() }
    }

    // MARK: the requests' side

    func cache(_ resource: GroupResource) -> ResourceCache? { resources.withLock { $0[resource] } }

    /// The cache of a resource, made if there is none: then it has had no objects.
    func ensure(_ resource: GroupResource) -> ResourceCache {
        let revision = revision
        return resources.withLock { known in
            if let cache = known[resource] { return cache }
            let cache = ResourceCache(resource, objects: [], revision: revision)
            known[resource] = cache
            return cache
        }
    }

    /// The revision up to which every resource is complete.
    var revision: Revision { state.withLock { $0.revision } }

    /// Returns when everything that was acknowledged before the call is in the cache. With a storage that tells its watchers
    /// before it acknowledges, that is at once.
    func catchUp() async throws(StatusError) {
        do throws(StorageError) {
            let current = try await storage.currentRevision()
            await wait(until: current)
            if let ended = state.withLock({ $0.ended }) { throw ended }
        } catch {
            throw .failure(error)
        }
    }

    private func wait(until revision: Revision) async {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state in
                guard state.revision < revision, state.ended == nil else { return true }
                state.waiting.append((revision, continuation))
                return false
            }
            if ready { continuation.resume() }
        }
    }
}
