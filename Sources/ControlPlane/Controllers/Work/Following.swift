import KubeClient
import KubeTypes

/// A stream of changes that a controller listens to.
struct ChangeSource: Sendable {
    fileprivate let follow: @Sendable (_ synced: @Sendable () -> Void) async -> Void

    /// Every change of the informer's copy, in order, one at a time.
    init<Object: KubeObject>(_ informer: Informer<Object>, _ handle: @escaping @Sendable (Informer<Object>.Change) -> Void) {
        follow = { synced in
            for await change in informer.changes() {
                if case .synced = change { synced() } else { handle(change) }
            }
        }
    }
}

enum Following {
    /// Listens to all sources, and begins to work when each of them has told all there was: deciding before the copies are
    /// complete would create what is there. Ends when cancelled.
    static func run(_ sources: [ChangeSource], work: @escaping @Sendable () async -> Void) async {
        let (synced, continuation) = AsyncStream<Void>.makeStream()
        await withTaskGroup(of: Void.self) { group in
            for source in sources { group.addTask { await source.follow { continuation.yield() } } }
            group.addTask {
                var missing = sources.count
                for await _ in synced {
                    missing -= 1
                    if missing == 0 { break }
                }
                guard missing == 0, !Task.isCancelled else { return }
                await work()
            }
        }
    }
}
