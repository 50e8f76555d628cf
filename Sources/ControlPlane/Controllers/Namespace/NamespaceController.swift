import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Empties a namespace that is being deleted, then lets it go by taking its `kubernetes` finalizer away.
struct NamespaceController: Controller {
    let client: KubeClient
    /// Every namespaced resource that the server stores.
    let resources: [ResourceReference]
    let logger: Logger

    init(client: KubeClient, resources: [ResourceReference], logger: Logger) {
        self.client = client
        self.resources = resources.filter(\.namespaced)
        self.logger = logger
    }

    func run() async {
        let namespaces = Informer<Namespace>(client, logger: logger)
        let queue = RetryingQueue(backoff: .init(first: .milliseconds(50), limit: .seconds(5))) { try await empty($0) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await namespaces.run() }
            for await change in namespaces.changes() {
                guard let namespace = change.object, namespace.metadata.deletionTimestamp != nil else { continue }
                if case .deleted = change { continue }
                group.addTask { await queue.work(namespace.name) }
            }
        }
    }

    /// - Returns: whether nothing is left to do.
    private func empty(_ name: String) async throws -> Bool {
        do {
            let namespace = try await client.get(Namespace.resource, name: name)
            guard namespace[path: "metadata", "deletionTimestamp"] != nil else { return true }
            var remaining = 0
            for resource in resources {
                _ = try await client.call(APIRequest(.delete, resource.path(namespace: name)))
                remaining += try await client.list(resource, namespace: name, options: .init(limit: 1))["items"]?.array?.count ?? 0
            }
            guard remaining == 0 else { return false }
            guard var finalized = namespace.object, var spec = finalized["spec"]?.object else { return true }
            let others = (spec["finalizers"]?.array ?? []).filter { $0.string != "kubernetes" }
            spec["finalizers"] = .array(others)
            finalized["spec"] = .object(spec)
            _ = try await client.update(Namespace.resource, name: name, subresource: "finalize", .object(finalized))
            return true
        } catch let error as KubeError where error.isNotFound {
            return true
        } catch {
            logger.debug("emptying namespace \(name): \(error)")
            throw error
        }
    }
}
