internal import Synchronization

/// One change of an object, as a picture of many takes it.
struct CacheChange {
    let key: ObjectKey
    /// Nil: removed.
    let object: CachedObject?
}

/// A picture made of all objects of one resource, brought up to date when it is looked at. Until then changes wait in a
/// mailbox, so no acknowledged change is ever missed, and nobody works for a picture that nobody looks at.
final class CacheView<Picture: Sendable>: Sendable {
    private struct State {
        var picture: Picture
        var watcher: Watcher?
    }

    /// What a mailbox holds before it is closed and the picture is made anew: changes that nobody looks at cost memory.
    static var capacity: Int { 1024 }

    private let cache: ResourceCache
    private let empty: Picture
    private let apply: @Sendable (inout Picture, CacheChange) -> Void
    private let state: Mutex<State>

    init(_ cache: ResourceCache, empty: Picture, apply: @escaping @Sendable (inout Picture, CacheChange) -> Void) {
        (self.cache, self.empty, self.apply) = (cache, empty, apply)
        state = Mutex(State(picture: empty))
    }

    deinit {
        if let watcher = state.withLock({ $0.watcher }) { cache.remove(watcher) }
    }

    /// Looks at the picture. The closure holds a lock: it must be short.
    func read<Result: Sendable>(_ body: (Picture) -> Result) -> Result {
        state.withLock { state in
            update(&state)
            return body(state.picture)
        }
    }

    private func update(_ state: inout State) {
        if let watcher = state.watcher, !watcher.overflowed {
            for event in watcher.drain() { apply(&state.picture, CacheChange(key: event.object.key, object: event.deleted ? nil : event.object)) }
            return
        }
        // The first look, or so many changes since the last one that the mailbox was closed.
        let watcher = Watcher(capacity: Self.capacity)
        state.watcher = watcher
        state.picture = empty
        guard case .objects(let objects) = cache.watch(watcher, namespace: "", after: nil, known: 0).0 else { return }
        for object in objects { apply(&state.picture, CacheChange(key: object.key, object: object)) }
    }
}
