import JSONTree
import KubeClient
import KubeTypes
import Logging

/// Every namespace has a service account `default`; if somebody deletes it, it comes back.
struct ServiceAccountController: Controller {
    let client: KubeClient
    let logger: Logger

    func run() async {
        let namespaces = Informer<Namespace>(client, logger: logger)
        let accounts = Informer<ServiceAccount>(client, options: .init(fieldSelector: "metadata.name=default"), logger: logger)
        let queue = RetryingQueue(backoff: .init()) { try await ensure($0, namespaces) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await namespaces.run() }
            group.addTask { await accounts.run() }
            group.addTask {
                await withTaskGroup(of: Void.self) { work in
                    for await change in accounts.changes() {
                        if case .deleted(let account) = change { work.addTask { await queue.work(account.namespace) } }
                    }
                }
            }
            for await change in namespaces.changes() {
                guard case .added(let namespace) = change else { continue }
                group.addTask { await queue.work(namespace.name) }
            }
        }
    }

    private func ensure(_ name: String, _ namespaces: Informer<Namespace>) async throws -> Bool {
        guard let namespace = namespaces.object(name: name), namespace.metadata.deletionTimestamp == nil else { return true }
        do {
            _ = try await client.create(ServiceAccount.resource, namespace: name, [
                "apiVersion": "v1", "kind": "ServiceAccount", "metadata": ["name": "default", "namespace": .string(name)],
            ])
        } catch let error as KubeError where error.isAlreadyExists || error.isNotFound || error.reason == .forbidden {
            return true  // there already, or the namespace is on its way out
        }
        return true
    }
}
