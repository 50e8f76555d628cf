import JSONTree
import KubeClient
import KubeTypes
import Logging

/// Every namespace has a service account `default`; if somebody deletes it, it comes back.
struct ServiceAccountController: Controller {
    let client: KubeClient
    let informers: SharedInformers
    let clock: ControllerClock
    let logger: Logger

    func run() async {
        let accounts = Informer<ServiceAccount>(client, options: .init(fieldSelector: "metadata.name=default"), logger: logger)
        let queue = RetryingQueue<String>(clock: clock, logger: logger)
        let sources = [
            ChangeSource(informers.namespaces) { change in
                if let namespace = change.object { queue.add(namespace.name) }
            },
            ChangeSource(accounts) { change in
                if case .deleted(let account) = change { queue.add(account.namespace) }
            },
        ]
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await accounts.run() }
            group.addTask { await Following.run(sources) { await queue.run { try await ensure($0, accounts) } } }
        }
    }

    private func ensure(_ name: String, _ accounts: Informer<ServiceAccount>) async throws -> WorkResult {
        guard let namespace = informers.namespaces.object(name: name), namespace.metadata.deletionTimestamp == nil else { return .done }
        guard accounts.object(namespace: name, name: "default") == nil else { return .done }
        do {
            _ = try await client.create(ServiceAccount.resource, namespace: name, [
                "apiVersion": "v1", "kind": "ServiceAccount", "metadata": ["name": "default", "namespace": .string(name)],
            ])
        } catch let error as KubeError where error.isAlreadyExists || error.isNotFound || error.isNamespaceTerminating {
            // There already, or the namespace is on its way out.
        }
        return .done
    }
}
