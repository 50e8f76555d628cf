/// The watchers of a store. Only the commit thread adds and feeds them; any thread may cancel one.
struct WatcherTable {
    private struct Watcher {
        let prefix: String
        let receive: WatchReceiver
    }

    private var watchers: [Int: Watcher] = [:]
    private var nextID = 0

    mutating func add(prefix: String, receive: @escaping WatchReceiver) -> Int {
        nextID += 1
        watchers[nextID] = Watcher(prefix: prefix, receive: receive)
        return nextID
    }

    mutating func remove(_ id: Int) { watchers[id] = nil }

    mutating func removeAll() { watchers = [:] }

    /// The calls to make, to be made after the table's lock is released: a receiver may cancel its own watch.
    func deliveries(of events: [StorageEvent], through: Revision) -> [@Sendable () -> Void] {
        watchers.values.map { watcher in
            let mine = events.filter { $0.key.utf8.starts(with: watcher.prefix.utf8) }
            return { watcher.receive(.events(mine, through: through)) }
        }
    }

    func endings(_ error: StorageError) -> [@Sendable () -> Void] {
        watchers.values.map { watcher in { watcher.receive(.ended(error)) } }
    }
}
