internal import JSONTree
internal import KubeAPI
internal import Storage

extension ObjectStore {
    struct Page: Sendable {
        let objects: [CachedObject]
        let revision: Revision
        var continueToken: ContinueToken?
        /// Not known when a selector decides what remains.
        var remaining: Int?
    }

    /// How many objects are read from the storage at a time while a selector looks for those of a page.
    private static let chunk = 500

    func list(_ selection: Selection, _ options: ListOptions) async throws(StatusError) -> Page {
        try await cache.catchUp()
        if let token = options.continueToken { return try await page(selection, options, token: token) }
        let known = cache.revision
        if let asked = options.resourceVersion, asked > known { throw .tooLargeRevision(asked, known) }
        if options.match == .exact, let asked = options.resourceVersion { return try await page(selection, options, revision: asked) }
        // An exact version is also what a limit without a match means; anything else gets the present.
        if options.match == nil, options.limit != nil, let asked = options.resourceVersion, asked > 0 {
            return try await page(selection, options, revision: asked)
        }
        return present(selection, limit: options.limit, known: known)
    }

    /// From the cache, as of now.
    private func present(_ selection: Selection, limit: Int?, known: Revision) -> Page {
        let (all, last) = objects.snapshot(namespace: definition.namespaced ? selection.namespace : "")
        let revision = max(last, known)
        var found: [CachedObject] = []
        if selection.isEverything, limit == nil { return Page(objects: Array(all), revision: revision) }
        for (offset, object) in all.enumerated() where selection.matches(object) {
            found.append(object)
            guard let limit, found.count == limit, offset + 1 < all.count else { continue }
            let token = ContinueToken(revision: revision, after: relative(object.key))
            return Page(objects: found, revision: revision, continueToken: token, remaining: selection.isEverything ? all.count - offset - 1 : nil)
        }
        return Page(objects: found, revision: revision)
    }

    private func page(_ selection: Selection, _ options: ListOptions, token: ContinueToken) async throws(StatusError) -> Page {
        try await page(selection, options, revision: token.revision, after: token.after)
    }

    /// From the storage, as of a revision of the past.
    private func page(
        _ selection: Selection, _ options: ListOptions, revision: Revision, after: String? = nil
    ) async throws(StatusError) -> Page {
        let root = ObjectKey.prefix(resource)
        let prefix = ObjectKey.prefix(resource, namespace: definition.namespaced ? selection.namespace : "")
        var found: [CachedObject] = []
        var last = after.map { root + $0 }
        while true {
            let wanted = selection.isEverything ? options.limit.map { $0 - found.count } : Self.chunk
            let request = RangeRequest(prefix: prefix, after: last, limit: wanted, revision: revision)
            let result = try await read { () async throws(StorageError) in try await storage.range(request) }
            for (offset, item) in result.items.enumerated() {
                last = item.key
                guard let key = ObjectKey(storageKey: item.key) else { continue }
                let object = CachedObject(key: key, stored: item.value, revision: item.modRevision)
                guard selection.matches(object) else { continue }
                found.append(object)
                let left = result.items.count - offset - 1 + result.remaining
                if let limit = options.limit, found.count == limit, left > 0 {
                    let token = ContinueToken(revision: revision, after: relative(key))
                    return Page(objects: found, revision: revision, continueToken: token, remaining: selection.isEverything ? left : nil)
                }
            }
            if result.remaining == 0 { return Page(objects: found, revision: revision) }
        }
    }

    private func read<T>(_ body: () async throws(StorageError) -> T) async throws(StatusError) -> T {
        do {
            return try await body()
        } catch {
            switch error.code {
            case .compacted:
                throw .expired("The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.")
            case .futureRevision: throw .timeout(error.message)
            default: throw .failure(error)
            }
        }
    }

    private func relative(_ key: ObjectKey) -> String { key.namespace.isEmpty ? key.name : "\(key.namespace)/\(key.name)" }
}
