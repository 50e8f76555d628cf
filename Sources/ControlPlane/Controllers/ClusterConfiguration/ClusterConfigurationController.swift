import JSONTree
import KubeClient
import KubeTypes
import Logging

/// Keeps the ConfigMaps that nodes join by: they come back when they are deleted, and `cluster-info` follows the server's
/// address and authority.
struct ClusterConfigurationController: Controller {
    let client: KubeClient
    let configuration: ClusterConfiguration
    let clock: ControllerClock
    let logger: Logger

    func run() async {
        let queue = RetryingQueue<ObjectName>(clock: clock, logger: logger)
        let informers = configuration.maps.map { map in
            Informer<ConfigMap>(client, namespace: map.namespace, options: .init(fieldSelector: "metadata.name=\(map.name)"), logger: logger)
        }
        let names = configuration.maps.map { ObjectName($0.namespace, $0.name) }
        for name in names { queue.add(name) }
        let sources = zip(informers, names).map { informer, name in ChangeSource(informer) { _ in queue.add(name) } }
        await withTaskGroup(of: Void.self) { group in
            for informer in informers { group.addTask { await informer.run() } }
            group.addTask {
                await Following.run(sources) {
                    await queue.run { name in
                        guard let index = names.firstIndex(of: name) else { return .done }
                        return try await ensure(index, informers[index])
                    }
                }
            }
        }
    }

    private func ensure(_ index: Int, _ informer: Informer<ConfigMap>) async throws -> WorkResult {
        let wanted = configuration.maps[index]
        do {
            if let map = informer.object(namespace: wanted.namespace, name: wanted.name) {
                guard wanted.isKept, map.data[wanted.key] != wanted.text else { return .done }
                _ = try await client.patch(ConfigMap.resource, namespace: wanted.namespace, name: wanted.name, [
                    "metadata": MergePatch.condition(map), "data": .object([wanted.key: .string(wanted.text)]),
                ])
            } else {
                _ = try await client.create(ConfigMap.resource, namespace: wanted.namespace, [
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": .string(wanted.name), "namespace": .string(wanted.namespace)],
                    "data": .object([wanted.key: .string(wanted.text)]),
                ])
            }
        } catch let error as KubeError where error.isAlreadyExists || error.isNotFound {
            return .retry  // The copy lags behind: look again.
        }
        return .done
    }
}
