internal import JSONTree
internal import KubeAPI
internal import Storage

extension ObjectStore {
    /// Which part of an object a write is about.
    enum Part: Sendable {
        case whole, status
        /// The part of the status that approvers write.
        case approval
        /// The finalizers of a namespace.
        case finalizers
        /// A change that the server makes itself and that needs no judging: a pod's binding.
        case trusted

        /// What owners of fields call the part.
        var subresource: String {
            switch self {
            case .status: "status"
            case .approval: "approval"
            case .whole, .finalizers, .trusted: ""
            }
        }
    }

    /// Changes an object.
    /// - Parameter change: makes the new object of the old one; decoded and defaulted. It is called again when somebody else was
    ///   faster and the client did not say which version it meant.
    func update(
        namespace: String, name: String, part: Part, dryRun: Bool, context: WriteContext, tracking: Tracking = .update,
        change: (JSON) async throws(StatusError) -> JSON
    ) async throws(StatusError) -> Outcome {
        for attempt in 1... {
            let current = try await get(namespace: namespace, name: name)
            let old = definition.served(current)
            var object = try await change(old)
            let stated = nonEmpty(object[path: "metadata", "resourceVersion"]).flatMap { $0 == "0" ? nil : $0 }
            try checkIdentity(object, old: old, namespace: namespace, name: name)
            if let stated, stated != String(current.revision) { throw .modified(resource, name) }
            let errors = prepare(&object, old: old, part: part, now: context.now) { object in
                guard isTracked else {
                    object["metadata"]?["managedFields"] = nil
                    return
                }
                guard tracking == .update else { return }
                fieldManager(context, part.subresource.isEmpty ? context.subresource : part.subresource).update(&object, from: old, schema: definition.schema)
            }
            try await admit(&object, old: old, key: current.key, part: part, user: context.user)
            guard errors.isEmpty else { throw invalid(object, errors) }
            do throws(StatusError) {
                return try await withAllocation(object, old: old, key: current.key) { (object) async throws(StatusError) in
                    try await write(object, over: current, old: old, dryRun: dryRun)
                }
            } catch {
                // With a stated version one more look is enough: it finds that the version is another one now.
                guard error.reason == "Conflict", attempt < (stated == nil ? Self.attempts : 2) else { throw error }
            }
        }
        throw .modified(resource, name)
    }

    private func checkIdentity(_ object: JSON, old: JSON, namespace: String, name: String) throws(StatusError) {
        if let found = nonEmpty(object[path: "metadata", "name"]), found != name {
            throw .badRequest("the name of the object (\(found)) does not match the name on the URL (\(name))")
        }
        if definition.namespaced, let found = nonEmpty(object[path: "metadata", "namespace"]), found != namespace {
            throw .badRequest("the namespace of the object (\(found)) does not match the namespace on the URL (\(namespace))")
        }
        if let uid = nonEmpty(object[path: "metadata", "uid"]), let before = old[path: "metadata", "uid"]?.string, uid != before {
            throw .conflict(resource, name, "Precondition failed: UID in precondition: \(uid), UID in object meta: \(before)")
        }
    }

    /// Keeps what the write may not touch, and tells what is wrong with the rest.
    private func prepare(_ object: inout JSON, old: JSON, part: Part, now: Time, track: (inout JSON) -> Void) -> [FieldError] {
        if !definition.namespaced { object["metadata"]?["namespace"] = nil }
        switch part {
        case .whole:
            definition.prepareForUpdate(&object, from: old)
            track(&object)
            return definition.validateUpdate(object, from: old)
        case .status:
            definition.prepareForStatusUpdate(&object, from: old, now: now)
            track(&object)
            return definition.validateStatusUpdate(object, from: old)
        case .approval:
            definition.prepareForApproval(&object, from: old, now: now)
            track(&object)
            return definition.validateApproval(object, from: old)
        case .finalizers:
            let finalizers = object[path: "spec", "finalizers"]
            object = old
            object["spec"]?["finalizers"] = finalizers
            return definition.validate(object)
        case .trusted:
            return []
        }
    }

    private func write(_ object: JSON, over current: CachedObject, old: JSON, dryRun: Bool) async throws(StatusError) -> Outcome {
        var object = object
        object["metadata"]?["resourceVersion"] = old[path: "metadata", "resourceVersion"]
        // Writing what is there already would wake every watcher for nothing.
        if object == old { return Outcome(object: current) }
        let bytes = ObjectBytes.stored(definition.storedForm(object))
        if dryRun { return Outcome(object: cached(current.key, bytes, current.revision)) }
        let key = current.key
        if isReadyToGo(object) {
            // The last finalizer was taken off: this update is the deletion.
            let event = try await stored(key.name) { () async throws(StorageError) in
                try await storage.delete(key.storageKey, if: .revision(current.revision))
            }
            return Outcome(object: cached(key, bytes, event.revision))
        }
        let written = try await stored(key.name) { () async throws(StorageError) in
            try await storage.update(key.storageKey, bytes, if: .revision(current.revision), ttl: lifecycle.timeToLive)
        }
        return Outcome(object: cached(key, bytes, written.modRevision))
    }

    /// Whether a deleted object has nothing left to wait for.
    func isReadyToGo(_ object: JSON) -> Bool {
        object[path: "metadata", "deletionTimestamp"] != nil && (object[path: "metadata", "finalizers"]?.array ?? []).isEmpty
            && (object[path: "metadata", "deletionGracePeriodSeconds"]?.int ?? 0) == 0 && !lifecycle.isHeldBack(object)
    }
}
