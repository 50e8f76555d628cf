import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Empties a namespace that is being deleted, then lets it go by taking its `kubernetes` finalizer away.
struct NamespaceController: Controller {
    private static let metadataOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

    let client: KubeClient
    let informers: SharedInformers
    let clock: ControllerClock
    let logger: Logger

    func run() async {
        let queue = RetryingQueue<String>(
            limit: 4, backoff: .init(first: .milliseconds(50), limit: .seconds(5)), clock: clock, logger: logger)
        let sources = [
            ChangeSource(informers.namespaces) { change in
                guard let namespace = change.object, namespace.metadata.deletionTimestamp != nil else { return }
                if case .deleted = change { return }
                queue.add(namespace.name)
            },
            // Pods take their time to end, and the rest waits for them.
            ChangeSource(informers.pods) { change in
                guard case .deleted(let pod) = change else { return }
                if informers.namespaces.object(name: pod.namespace)?.metadata.deletionTimestamp != nil { queue.add(pod.namespace) }
            },
        ]
        await Following.run(sources) { await queue.run(empty) }
    }

    private func empty(_ name: String) async throws -> WorkResult {
        let namespace: JSON
        do {
            namespace = try await client.get(Namespace.resource, name: name)
        } catch let error as KubeError where error.isNotFound {
            return .done
        }
        guard namespace[path: "metadata", "deletionTimestamp"] != nil else { return .done }
        let content = try await deleteContent(name)
        do {
            try await tell(content, namespace)
            guard content.isEmpty else { return .retry }
            try await finalize(name)
        } catch let error as KubeError where error.isNotFound {
            return .done
        }
        return .done
    }

    // MARK: content

    private func deleteContent(_ name: String) async throws -> NamespaceContent {
        var content = NamespaceContent()
        let found: [DiscoveredResource]
        do {
            found = try await ResourceDiscovery.resources(client)
        } catch let error as KubeError {
            // Whatever is left cannot be known, so nothing is taken for empty.
            content.discoveryFailure = error.message
            return content
        }
        let resources = found.filter { $0.reference.namespaced && $0.verbs.isSuperset(of: ["delete", "list"]) }
        // Pods first: what they need, their policies above all, outlives them (KEP-5080).
        let pods = resources.filter { $0.reference == Pod.resource }
        for resource in pods { try await delete(resource, name, &content) }
        guard content.isEmpty else { return content }
        for resource in resources where resource.reference != Pod.resource { try await delete(resource, name, &content) }
        return content
    }

    private func delete(_ resource: DiscoveredResource, _ namespace: String, _ content: inout NamespaceContent) async throws {
        let reference = resource.reference
        do {
            var left = try await list(reference, namespace)
            if left.isEmpty { return }
            if resource.verbs.contains("deletecollection") {
                _ = try await client.call(APIRequest(.delete, reference.path(namespace: namespace)))
            } else {
                for object in left {
                    guard let name = object[path: "metadata", "name"]?.string else { continue }
                    try await ignoringNotFound { _ = try await client.delete(reference, namespace: namespace, name: name) }
                }
            }
            left = try await list(reference, namespace)
            if left.isEmpty { return }
            content.remaining[reference.group.isEmpty ? "\(reference.resource)." : reference.groupResource] = left.count
            for object in left {
                for finalizer in object[path: "metadata", "finalizers"]?.array ?? [] {
                    content.finalizers[finalizer.string ?? "", default: 0] += 1
                }
            }
        } catch let error as KubeError where error.isNotFound || error.reason == .methodNotAllowed {
            // The kind went away meanwhile, or its objects are not stored.
        } catch let error as KubeError {
            content.deletionFailures.append("\(reference.groupResource): \(error.message)")
        }
    }

    private func list(_ resource: ResourceReference, _ namespace: String) async throws -> [JSON] {
        try await client.call(APIRequest(.get, resource.path(namespace: namespace), accept: Self.metadataOnly))["items"]?.array ?? []
    }

    // MARK: the namespace

    private func tell(_ content: NamespaceContent, _ namespace: JSON) async throws {
        let old = try Namespace(json: namespace)
        var status = old.status
        // What is empty at the first look goes at once: nobody would read its conditions.
        if content.isEmpty, status.conditions.isEmpty { return }
        status.conditions = content.conditions(status.conditions, now: clock.now())
        guard let change = MergePatch.difference(from: old.status.json, to: status.json) else { return }
        _ = try await client.patch(
            Namespace.resource, name: old.name, subresource: "status", ["metadata": ["uid": .string(old.uid)], "status": change])
    }

    private func finalize(_ name: String) async throws {
        let namespace = try await client.get(Namespace.resource, name: name)
        guard var finalized = namespace.object, var spec = finalized["spec"]?.object else { return }
        let others = (spec["finalizers"]?.array ?? []).filter { $0.string != "kubernetes" }
        spec["finalizers"] = .array(others)
        finalized["spec"] = .object(spec)
        _ = try await client.update(Namespace.resource, name: name, subresource: "finalize", .object(finalized))
    }
}
