internal import JSONTree
internal import KubeAPI
internal import Storage

extension ObjectStore {
    /// Makes an object.
    /// - Parameter body: decoded and defaulted.
    func create(
        _ body: JSON, namespace: String, dryRun: Bool, context: WriteContext, tracking: Tracking = .update
    ) async throws(StatusError) -> Outcome {
        var object = body
        if definition.namespaced, let stated = nonEmpty(object[path: "metadata", "namespace"]), stated != namespace {
            throw .badRequest("the namespace of the provided object does not match the namespace sent on the request")
        }
        if !definition.namespaced { object["metadata"]?["namespace"] = nil }
        if let version = nonEmpty(object[path: "metadata", "resourceVersion"]), version != "0" {
            throw .badRequest("resourceVersion should not be set on objects to be created")
        }
        try await checkNamespace(namespace)
        let status = object["status"]
        track(&object, tracking, context)
        definition.prepareForCreate(&object, namespace: definition.namespaced ? namespace : nil, uid: environment.uid(), now: context.now)
        if lifecycle.keepsStatusOnCreate { object["status"] = status }
        lifecycle.admit(&object)
        try await admit(new: &object, namespace: namespace, user: context.user)

        let base = nonEmpty(object[path: "metadata", "name"]) == nil ? nonEmpty(object[path: "metadata", "generateName"]) : nil
        for attempt in 1...Self.attempts {
            if let base {
                var random = SystemRandomNumberGenerator()
                object["metadata"]?["name"] = .string(GeneratedName.make(base: base, using: &random))
                // Some defaults follow from the name.
                definition.applyDefaults(to: &object)
            }
            let errors = definition.validate(object)
            guard errors.isEmpty else { throw invalid(object, errors) }
            do throws(StatusError) {
                let key = key(namespace, object[path: "metadata", "name"]?.string ?? "")
                return try await withAllocation(object, old: nil, key: key) { (object) async throws(StatusError) in
                    try await write(new: object, namespace: namespace, dryRun: dryRun)
                }
            } catch {
                // A generated name that is taken is bad luck, not the client's error.
                guard error.reason == "AlreadyExists", base != nil, attempt < Self.attempts else { throw error }
            }
        }
        throw .alreadyExists(resource, object[path: "metadata", "name"]?.string ?? "")
    }

    /// Enters the maker as the owner of what it said; what the server adds is nobody's.
    private func track(_ object: inout JSON, _ tracking: Tracking, _ context: WriteContext) {
        guard isTracked else {
            object["metadata"]?["managedFields"] = nil
            return
        }
        guard tracking == .update else { return }
        var said = object
        if definition.hasStatus, !definition.strategy.keepsStatusOnCreate { said["status"] = nil }
        fieldManager(context, context.subresource).update(&said, from: nil, schema: definition.schema)
        object["metadata"]?["managedFields"] = said["metadata"]?["managedFields"]
    }

    private func write(new object: JSON, namespace: String, dryRun: Bool) async throws(StatusError) -> Outcome {
        let name = object[path: "metadata", "name"]?.string ?? ""
        let key = key(namespace, name)
        let bytes = ObjectBytes.stored(definition.storedForm(object))
        if dryRun {
            try await cache.catchUp()
            if objects.object(namespace: key.namespace, name: name) != nil { throw .alreadyExists(resource, name) }
            return Outcome(object: cached(key, bytes, 0))
        }
        let written = try await stored(name) { () async throws(StorageError) in
            try await storage.create(key.storageKey, bytes, ttl: lifecycle.timeToLive)
        }
        return Outcome(object: cached(key, bytes, written.modRevision))
    }

    /// New objects need a namespace that exists and is not on its way out.
    private func checkNamespace(_ name: String) async throws(StatusError) {
        guard definition.namespaced else { return }
        try await cache.catchUp()
        guard let namespace = cache.cache(.namespaces)?.object(namespace: "", name: name) else { throw .notFound(.namespaces, name) }
        guard namespace.json()[path: "metadata", "deletionTimestamp"] != nil else { return }
        var error = StatusError.forbidden(resource, "", "unable to create new content in namespace \(name) because it is being terminated")
        error.details["causes"] = [
            ["reason": "NamespaceTerminating", "message": "namespace \(name) is being terminated", "field": "metadata.namespace"]
        ]
        throw error
    }
}
