internal import JSONTree
internal import KubeAPI
internal import Storage

/// One watch: what it begins with, then changes, bookmarks in between, until its time is over.
///
/// It decides what the client is told; how that is written is the business of whoever runs it.
struct WatchSession: Sendable {
    /// What the client is told.
    enum Message: Sendable {
        case added(CachedObject)
        case modified(CachedObject)
        case deleted(CachedObject)
        case bookmark(Revision, endOfInitialEvents: Bool)
        case error(StatusError)
    }

    let store: ObjectStore
    let selection: Selection
    let options: ListOptions
    let watcher: Watcher
    private let beginning: ResourceCache.Beginning
    private let through: Revision

    /// Registers the watch. What happens from now on is not lost, even if nobody reads for a while.
    static func open(_ store: ObjectStore, _ selection: Selection, _ options: ListOptions) async throws(StatusError) -> WatchSession {
        try options.checkWatch()
        try await store.cache.catchUp()
        let known = store.cache.revision
        let asked = options.resourceVersion ?? 0
        if asked > known { throw .tooLargeRevision(asked, known) }
        let fromObjects = asked == 0 || options.sendInitialEvents == true
        let watcher = Watcher()
        let (beginning, through) = store.objects.watch(
            watcher, namespace: store.definition.namespaced ? selection.namespace : "", after: fromObjects ? nil : asked, known: known)
        return WatchSession(store: store, selection: selection, options: options, watcher: watcher, beginning: beginning, through: through)
    }

    private init(
        store: ObjectStore, selection: Selection, options: ListOptions, watcher: Watcher, beginning: ResourceCache.Beginning, through: Revision
    ) {
        self.store = store
        self.selection = selection
        self.options = options
        self.watcher = watcher
        self.beginning = beginning
        self.through = through
    }

    /// So often a client that wants bookmarks gets one.
    private static let bookmarkInterval = Duration.seconds(60)
    /// The longest watch when the client does not say how long: between 30 and 60 minutes, so that not all come back at once.
    private static let longest = 1800..<3600

    /// Runs until the client is gone, the time is over or the server ends it.
    func run(_ send: @escaping @Sendable ([Message]) async throws -> Void) async throws {
        defer { store.objects.remove(watcher) }
        do {
            try await begin(send)
        } catch is WatchOver {
            return
        }
        let seconds = options.timeoutSeconds ?? Self.longest.lowerBound + store.environment.random(Self.longest.count)
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(seconds)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [watcher, options] in
                // Wakes the reader for bookmarks and at the end; a cancelled sleep ends the timer.
                while clock.now < deadline {
                    let next = min(deadline, clock.now + Self.bookmarkInterval)
                    guard (try? await clock.sleep(until: next)) != nil else { return }
                    if options.allowBookmarks || clock.now >= deadline { watcher.tick() }
                }
            }
            defer { group.cancelAll() }
            try await follow(until: { clock.now >= deadline }, send)
        }
    }

    private func begin(_ send: ([Message]) async throws -> Void) async throws {
        switch beginning {
        case .objects(let objects):
            let wanted = options.sendInitialEvents != false
            let initial = wanted ? objects.filter(selection.matches).map(Message.added) : []
            for start in stride(from: 0, to: initial.count, by: 100) { try await send(Array(initial[start..<min(start + 100, initial.count)])) }
            if options.sendInitialEvents == true, options.allowBookmarks { try await send([.bookmark(through, endOfInitialEvents: true)]) }
        case .events(let events):
            let messages = events.compactMap(message)
            if !messages.isEmpty { try await send(messages) }
        case .log(let through):
            try await replay(through: through, send)
        }
    }

    /// Tells what is older than the cache's window from the storage's log.
    private func replay(through: Revision, _ send: ([Message]) async throws -> Void) async throws {
        var after = options.resourceVersion ?? 0
        while after < through {
            let events: [StorageEvent]
            do throws(StorageError) {
                events = try await store.storage.history(prefix: ObjectKey.prefix(store.resource), after: after, through: through, limit: 500)
            } catch {
                let oldest = error.compactedRevision ?? through
                let expired = error.code == .compacted
                try await send([.error(expired ? .expired("too old resource version: \(options.resourceVersion ?? 0) (\(oldest))") : .failure(error))])
                throw WatchOver()
            }
            let messages = events.compactMap(cacheEvent).compactMap(message)
            if !messages.isEmpty { try await send(messages) }
            after = events.count < 500 ? through : events[events.count - 1].revision
        }
    }

    private func cacheEvent(_ event: StorageEvent) -> CacheEvent? {
        guard let key = ObjectKey(storageKey: event.key), let value = (event.current ?? event.previous)?.value else { return nil }
        return CacheEvent(
            revision: event.revision, object: CachedObject(key: key, stored: value, revision: event.revision),
            previous: event.previous.map { CachedObject(key: key, stored: $0.value, revision: $0.modRevision) }, deleted: event.current == nil)
    }

    private func follow(until isOver: () -> Bool, _ send: ([Message]) async throws -> Void) async throws {
        // A bookmark never says less than the events before it did.
        var told = through
        while !Task.isCancelled {
            switch await watcher.next() {
            case .events(let events):
                told = max(told, events.last?.revision ?? 0)
                let messages = events.compactMap(message)
                if !messages.isEmpty { try await send(messages) }
            case .tick:
                // The revision is read before the mailbox: then every change up to it is in there.
                told = max(told, store.cache.revision)
                let late = watcher.drain()
                told = max(told, late.last?.revision ?? 0)
                let messages = late.compactMap(message)
                if !messages.isEmpty { try await send(messages) }
                if options.allowBookmarks { try await send([.bookmark(told, endOfInitialEvents: false)]) }
                if isOver() { return }
            case .ended:
                return
            }
        }
    }

    /// What a change means to this watch: an object may enter or leave its selector.
    private func message(_ event: CacheEvent) -> Message? {
        if !selection.namespace.isEmpty, event.object.key.namespace != selection.namespace { return nil }
        let before = event.previous.map(selection.matches) ?? false
        let after = !event.deleted && selection.matches(event.object)
        switch (before, after) {
        case (false, false): return nil
        case (false, true): return .added(event.object)
        case (true, true): return .modified(event.object)
        case (true, false): return .deleted(event.deleted ? event.object : (event.previous ?? event.object).at(event.revision))
        }
    }
}

/// The watch ended well, with an error message to the client as its last word.
struct WatchOver: Error {}
