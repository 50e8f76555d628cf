internal import JSONTree
internal import KubeAPI
internal import Storage

/// The body or the query of a delete.
struct DeleteOptions: Sendable, Hashable {
    var gracePeriodSeconds: Int64?
    var uid: String?
    var resourceVersion: String?
    /// What becomes of dependents: `Background`, `Foreground` or `Orphan`. The latter two are finalizers, which the garbage
    /// collector takes off when it has done what they say.
    var propagationPolicy: String?
    var dryRun = false
}

extension ObjectStore {
    enum Deletion: Sendable {
        /// The object is gone; this is its last state.
        case removed(CachedObject)
        /// The object goes on for its grace period or its finalizers.
        case pending(CachedObject)
    }

    func delete(namespace: String, name: String, options: DeleteOptions, context: WriteContext) async throws(StatusError) -> Deletion {
        for attempt in 1... {
            let current = try await get(namespace: namespace, name: name)
            do throws(StatusError) {
                return try await delete(current, options: options, context: context)
            } catch {
                // Without preconditions a delete means the object as it is then.
                guard error.reason == "Conflict", options.resourceVersion == nil, attempt < Self.attempts, isRace(error) else { throw error }
            }
        }
        throw .modified(resource, name)
    }

    private func isRace(_ error: StatusError) -> Bool { error.message.hasSuffix("try again") }

    private func delete(_ current: CachedObject, options: DeleteOptions, context: WriteContext) async throws(StatusError) -> Deletion {
        let object = current.json()
        try check(options, object, current)
        try await admitDelete(of: object, key: current.key, user: context.user)
        let marked = mark(object, options: options, context: context)
        if isReadyToGo(marked) {
            if options.dryRun { return .removed(current) }
            let event = try await stored(current.key.name) { () async throws(StorageError) in
                try await storage.delete(current.key.storageKey, if: .revision(current.revision))
            }
            return .removed(cached(current.key, ObjectBytes.stored(object), event.revision))
        }
        if marked == object { return .pending(current) }
        let bytes = ObjectBytes.stored(marked)
        if options.dryRun { return .pending(cached(current.key, bytes, current.revision)) }
        let written = try await stored(current.key.name) { () async throws(StorageError) in
            try await storage.update(current.key.storageKey, bytes, if: .revision(current.revision), ttl: lifecycle.timeToLive)
        }
        return .pending(cached(current.key, bytes, written.modRevision))
    }

    private func check(_ options: DeleteOptions, _ object: JSON, _ current: CachedObject) throws(StatusError) {
        let name = current.key.name
        if let uid = options.uid, let found = object[path: "metadata", "uid"]?.string, uid != found {
            throw .conflict(resource, name, "Precondition failed: UID in precondition: \(uid), UID in object meta: \(found)")
        }
        if let version = options.resourceVersion, version != String(current.revision) {
            throw .conflict(
                resource, name,
                "Precondition failed: ResourceVersion in precondition: \(version), ResourceVersion in object meta: \(current.revision)")
        }
    }

    /// The object with its deletion begun, or brought forward: a second delete may shorten the grace period, never lengthen it.
    private func mark(_ object: JSON, options: DeleteOptions, context: WriteContext) -> JSON {
        var marked = object
        let period = lifecycle.gracePeriod(object, requested: options.gracePeriodSeconds)
        if let text = object[path: "metadata", "deletionTimestamp"]?.string {
            let existing = object[path: "metadata", "deletionGracePeriodSeconds"]?.int ?? 0
            setFinalizers(&marked, options)
            guard options.gracePeriodSeconds != nil || period == 0, period < existing else { return marked }
            let begun = (try? Time(text)).map { $0.seconds &- existing } ?? context.now.seconds
            setDeletion(&marked, at: Time(seconds: begun &+ period), period: period)
        } else {
            setDeletion(&marked, at: Time(seconds: context.now.seconds &+ period), period: period)
            lifecycle.markDeleted(&marked)
        }
        setFinalizers(&marked, options)
        if definition.strategy.hasGeneration {
            marked["metadata"]?["generation"] = JSON((object[path: "metadata", "generation"]?.int ?? 0) &+ 1)
        }
        return marked
    }

    private func setFinalizers(_ object: inout JSON, _ options: DeleteOptions) {
        let (orphan, foreground): (JSON, JSON) = ("orphan", "foregroundDeletion")
        let before = object[path: "metadata", "finalizers"]?.array ?? []
        var finalizers = before
        guard let policy = options.propagationPolicy else { return }
        finalizers.removeAll { $0 == orphan || $0 == foreground }
        if policy == "Orphan" { finalizers.append(orphan) }
        if policy == "Foreground" { finalizers.append(foreground) }
        if finalizers != before { object["metadata"]?["finalizers"] = finalizers.isEmpty ? JSON?.none : .array(finalizers) }
    }

    private func setDeletion(_ object: inout JSON, at time: Time, period: Int64) {
        object["metadata"]?["deletionTimestamp"] = .string(time.description)
        object["metadata"]?["deletionGracePeriodSeconds"] = JSON(period)
    }
}
