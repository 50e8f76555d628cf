internal import JSONTree
internal import KubeAPI
internal import KubeClient
internal import KubeTypes
internal import Logging

/// The API server behind a ``KubeClient``: what the kubelet asks, as requests and informers.
struct APIServerConnection: KubeletAPIClient, PodSource {
    var client: KubeClient
    var nodeName: String
    var logger: Logger

    // MARK: Events

    func createEvent(namespace: String, _ event: JSON) async throws { _ = try await client.create(Event.resource, namespace: namespace, event) }

    func patchEvent(namespace: String, name: String, _ patch: JSON) async throws {
        _ = try await client.patch(Event.resource, namespace: namespace, name: name, patch)
    }

    // MARK: Pods

    func patchPodStatus(namespace: String, name: String, _ patch: JSON) async throws {
        _ = try await client.patch(Pod.resource, namespace: namespace, name: name, subresource: "status", type: .strategic, patch)
    }

    func finishPod(namespace: String, name: String, uid: String) async throws {
        do {
            _ = try await client.delete(Pod.resource, namespace: namespace, name: name, uid: uid, gracePeriodSeconds: 0)
        } catch let error as KubeError where error.isNotFound || error.isConflict {
            // Gone already, or another pod has its name now.
        }
    }

    func pods() -> AsyncStream<PodSourceChange> {
        let informer = Informer<Pod>(client, options: ListOptions(fieldSelector: "spec.nodeName=\(nodeName)"), logger: logger)
        return follow(informer) { change in
            switch change {
            case .added(let pod): [.changed(pod)]
            case .modified(let pod, let previous): previous.uid == pod.uid ? [.changed(pod)] : [.removed(previous), .changed(pod)]
            case .deleted(let pod): [.removed(pod)]
            case .synced: [.synchronized(uids: Set(informer.objects.map(\.uid)))]
            }
        }
    }

    // MARK: Tokens and Services

    func requestToken(_ source: TokenSource) async throws -> JSON {
        try await client.create(ServiceAccount.resource, namespace: source.namespace, name: source.account, subresource: "token", source.request)
    }

    func services() -> AsyncStream<ServiceDirectory.Change> {
        follow(Informer<Service>(client, logger: logger)) { change in
            switch change {
            case .added(let service), .modified(let service, _): [.changed(ServiceRecord(service))]
            case .deleted(let service): [.removed(namespace: service.namespace, name: service.name)]
            case .synced: [.synchronized]
            }
        }
    }

    // MARK: ConfigMaps and Secrets

    func object(_ reference: ConfigReference) async throws -> JSON {
        let resource = reference.kind == .configMap ? ConfigMap.resource : Secret.resource
        return try await client.get(resource, namespace: reference.namespace, name: reference.name)
    }

    func changes(of reference: ConfigReference) -> AsyncStream<JSON?> {
        switch reference.kind {
        case .configMap: changes(ConfigMap.self, namespace: reference.namespace, name: reference.name)
        case .secret: changes(Secret.self, namespace: reference.namespace, name: reference.name)
        }
    }

    /// One object alone: what a node may read of these kinds.
    private func changes<Object: KubeObject>(_ type: Object.Type, namespace: String?, name: String) -> AsyncStream<JSON?> {
        let informer = Informer<Object>(client, namespace: namespace, options: ListOptions(fieldSelector: "metadata.name=\(name)"), logger: logger)
        return follow(informer) { change in
            switch change {
            case .added(let object), .modified(let object, _): [object.json]
            case .deleted: [nil]
            case .synced: informer.objects.isEmpty ? [nil] : []
            }
        }
    }

    /// Runs an informer for as long as someone reads what comes of its changes.
    private func follow<Object: KubeObject, Element: Sendable>(
        _ informer: Informer<Object>, _ convert: @escaping @Sendable (Informer<Object>.Change) -> [Element]
    ) -> AsyncStream<Element> {
        AsyncStream { continuation in
            let changes = informer.changes()
            // Unstructured, since its life is that of the stream's reader; cancelled when the reader goes.
            let task = Task {
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await informer.run() }
                    for await change in changes { for element in convert(change) { continuation.yield(element) } }
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    // MARK: Node and lease

    func node(_ name: String) async throws -> JSON { try await client.get(Node.resource, name: name) }
    func nodeChanges(_ name: String) -> AsyncStream<JSON?> { changes(Node.self, namespace: nil, name: name) }
    func createNode(_ node: JSON) async throws { _ = try await client.create(Node.resource, node) }
    func patchNode(_ name: String, _ patch: JSON) async throws { _ = try await client.patch(Node.resource, name: name, patch) }

    /// Conditions are merged by their type: others may have set some of their own.
    func patchNodeStatus(_ name: String, _ patch: JSON) async throws {
        _ = try await client.patch(Node.resource, name: name, subresource: "status", type: .strategic, patch)
    }

    func createLease(_ lease: JSON) async throws { _ = try await client.create(Lease.resource, namespace: NodeDocument.heartbeatNamespace, lease) }

    func patchLease(_ name: String, _ patch: JSON) async throws {
        _ = try await client.patch(Lease.resource, namespace: NodeDocument.heartbeatNamespace, name: name, patch)
    }
}
