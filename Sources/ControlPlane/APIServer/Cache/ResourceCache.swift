internal import DequeModule
internal import Storage
internal import Synchronization

/// One change as watchers of a resource see it.
struct CacheEvent: Sendable {
    let revision: Revision
    /// The object after the change; for a deletion its last state, under the revision of the deletion.
    let object: CachedObject
    let previous: CachedObject?
    let deleted: Bool
}

/// All objects of one resource, its latest changes, and who watches.
///
/// The commit thread applies changes, one at a time and in order; request tasks read. A change is in the cache before the
/// write that caused it is acknowledged, so reads need not wait for it.
final class ResourceCache: Sendable {
    private struct State {
        /// Sorted by the bytes of (namespace, name), which is the storage's order.
        var objects: [CachedObject] = []
        var window: Deque<CacheEvent> = []
        /// Changes after this revision are in the window.
        var windowStart: Revision
        /// Of the last change of this resource.
        var revision: Revision
        var watchers: [ObjectIdentifier: Watcher] = [:]
        var observer: Observer?

        /// The objects of one namespace, of all if it is empty.
        func slice(of namespace: String) -> ArraySlice<CachedObject> {
            guard !namespace.isEmpty else { return objects[...] }
            let bounds = (namespace + "/").utf8
            let start = ResourceCache.firstIndex(objects) { !($0.key.namespace + "/").utf8.lexicographicallyPrecedes(bounds) }
            let end = ResourceCache.firstIndex(objects) { bounds.lexicographicallyPrecedes(($0.key.namespace + "/").utf8) }
            return objects[start..<end]
        }
    }

    /// Older changes are read from the storage's log, so the window need only cover clients that reconnect at once.
    private static let windowSize = 256

    let resource: GroupResource
    private let state: Mutex<State>

    init(_ resource: GroupResource, objects: [CachedObject], revision: Revision) {
        self.resource = resource
        self.state = Mutex(State(objects: objects, windowStart: revision, revision: revision))
    }

    // MARK: the commit thread's side

    func apply(_ event: StorageEvent, key: ObjectKey) {
        state.withLock { state in
            let index = Self.position(of: key, in: state.objects)
            let found = index < state.objects.count && state.objects[index].key == key
            let previous = found ? state.objects[index] : nil
            let change: CacheEvent
            if let current = event.current {
                let object = CachedObject(key: key, stored: current.value, revision: event.revision)
                if found { state.objects[index] = object } else { state.objects.insert(object, at: index) }
                change = CacheEvent(revision: event.revision, object: object, previous: previous, deleted: false)
            } else {
                guard found else { return }
                state.objects.remove(at: index)
                let last = CachedObject(key: key, stored: event.previous?.value ?? [], revision: event.revision)
                change = CacheEvent(revision: event.revision, object: last, previous: previous, deleted: true)
            }
            state.revision = event.revision
            state.observer?(change.object, change.deleted)
            state.window.append(change)
            if state.window.count > Self.windowSize, let oldest = state.window.popFirst() { state.windowStart = oldest.revision }
            for (id, watcher) in state.watchers where !watcher.offer(change) { state.watchers[id] = nil }
        }
    }

    /// Called for every change, in order, before the write that caused it is acknowledged; it must be quick.
    typealias Observer = @Sendable (_ object: CachedObject, _ deleted: Bool) -> Void

    /// Tells the observer of all objects there are, then of every change.
    func observe(_ observer: @escaping Observer) {
        state.withLock { state in
            for object in state.objects { observer(object, false) }
            state.observer = observer
        }
    }

    func endWatches() {
        let watchers = state.withLock { state in
            defer { state.watchers = [:] }
            return Array(state.watchers.values)
        }
        watchers.forEach { $0.end() }
    }

    // MARK: reading

    func object(namespace: String, name: String) -> CachedObject? {
        let key = ObjectKey(resource: resource, namespace: namespace, name: name)
        return state.withLock { state in
            let index = Self.position(of: key, in: state.objects)
            return index < state.objects.count && state.objects[index].key == key ? state.objects[index] : nil
        }
    }

    /// The objects of one namespace, or of all if it is empty, and the revision of the last change among all objects.
    func snapshot(namespace: String) -> (objects: ArraySlice<CachedObject>, revision: Revision) {
        state.withLock { ($0.slice(of: namespace), $0.revision) }
    }

    var count: Int { state.withLock { $0.objects.count } }

    // MARK: watching

    /// What a new watcher begins with.
    enum Beginning {
        /// Everything that has happened since the revision asked for.
        case events([CacheEvent])
        /// The revision is older than the window: read the storage's log up to this revision; the watcher has what follows.
        case log(through: Revision)
        /// The objects, if no revision was asked for.
        case objects(ArraySlice<CachedObject>)
    }

    /// Adds a watcher.
    /// - Parameters:
    ///   - after: the revision that the client knows, nil to begin with all objects.
    ///   - known: a revision up to which the cache is known to be complete.
    func watch(_ watcher: Watcher, namespace: String, after: Revision?, known: Revision) -> (Beginning, through: Revision) {
        state.withLock { state in
            state.watchers[ObjectIdentifier(watcher)] = watcher
            let through = max(state.revision, known)
            guard let after else { return (.objects(state.slice(of: namespace)), through) }
            guard after >= state.windowStart else { return (.log(through: through), through) }
            return (.events(state.window.filter { $0.revision > after }), through)
        }
    }

    func remove(_ watcher: Watcher) {
        state.withLock { $0.watchers[ObjectIdentifier(watcher)] = nil }
    }

    // MARK: order

    private static func position(of key: ObjectKey, in objects: [CachedObject]) -> Int {
        firstIndex(objects) { !precedes($0.key, key) }
    }

    /// The storage's order is that of the bytes of its keys, in which the namespace ends with a slash: `a-b/x` comes before `a/x`.
    static func precedes(_ left: ObjectKey, _ right: ObjectKey) -> Bool {
        if left.namespace == right.namespace { return left.name.utf8.lexicographicallyPrecedes(right.name.utf8) }
        return (left.namespace + "/").utf8.lexicographicallyPrecedes((right.namespace + "/").utf8)
    }

    fileprivate static func firstIndex(_ objects: [CachedObject], where holds: (CachedObject) -> Bool) -> Int {
        var low = 0
        var high = objects.count
        while low < high {
            let middle = (low + high) / 2
            if holds(objects[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
