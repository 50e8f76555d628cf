internal import JSONTree
internal import KubeClient
internal import Logging

/// ConfigMaps and Secrets that pods of this node refer to: read when needed, watched while a pod depends on them.
///
/// One watch for each object, however many pods want it; nothing is watched that no pod refers to.
actor ConfigObjects {
    private struct Watch {
        var listeners: [String: @Sendable (ConfigReference) -> Void]
        var task: Task<Void, Never>
    }
    private let client: any KubeletAPIClient
    private var watches: [ConfigReference: Watch] = [:]
    /// The resource versions that pods have been given: what a watch begins with is news only if it differs.
    private var versions: [ConfigReference: String] = [:]

    init(client: any KubeletAPIClient) { self.client = client }

    func get(_ reference: ConfigReference) async throws -> JSON {
        let object = try await client.object(reference)
        versions[reference] = object[path: "metadata", "resourceVersion"]?.string
        return object
    }

    /// The object, nil if it is optional and missing; a missing one that is needed is an error in Kubernetes' words.
    func find(_ reference: ConfigReference, optional: Bool) async throws -> JSON? {
        do {
            return try await get(reference)
        } catch let error as KubeError where error.isNotFound {
            if optional { return nil }
            throw KubeletError(.createContainerConfig, "\(reference.kind.rawValue.lowercased()) \"\(reference.name)\" not found")
        }
    }

    /// Calls `changed` after each change of one of `references`, from now on. More references of one pod add up.
    func watch(_ references: Set<ConfigReference>, for uid: String, _ changed: @escaping @Sendable (ConfigReference) -> Void) {
        for reference in references {
            if watches[reference] != nil {
                watches[reference]?.listeners[uid] = changed
                continue
            }
            let changes = client.changes(of: reference)
            // Unstructured, since it ends when the last pod that wants it does; cancelled in `forget`.
            let task = Task { [weak self] in
                var isFirst = true
                for await object in changes {
                    await self?.announce(reference, object, isFirst: isFirst)
                    isFirst = false
                }
            }
            watches[reference] = Watch(listeners: [uid: changed], task: task)
        }
    }

    /// Ends what was watched for a pod.
    func forget(_ uid: String) {
        for (reference, watch) in watches where watch.listeners[uid] != nil {
            watches[reference]?.listeners[uid] = nil
            if watch.listeners.count == 1 {
                watch.task.cancel()
                watches[reference] = nil
                versions[reference] = nil
            }
        }
    }

    func shutdown() {
        for watch in watches.values { watch.task.cancel() }
        watches = [:]
    }

    private func announce(_ reference: ConfigReference, _ object: JSON?, isFirst: Bool) {
        if isFirst, object?[path: "metadata", "resourceVersion"]?.string == versions[reference] { return }
        for listener in (watches[reference]?.listeners ?? [:]).values { listener(reference) }
    }
}
