import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Keeps the Endpoints object of every Service that selects pods, and removes it with its Service.
final class EndpointsController: Controller {
    private let client: KubeClient
    private let informers: SharedInformers
    private let clock: ControllerClock
    private let logger: Logger
    private let selection = ServiceSelection()
    private let endpoints = ObjectIndex<Endpoints> { _ in [] }

    init(client: KubeClient, informers: SharedInformers, clock: ControllerClock, logger: Logger) {
        (self.client, self.informers, self.clock, self.logger) = (client, informers, clock, logger)
    }

    func run() async {
        let queue = RetryingQueue<ObjectName>(limit: 5, clock: clock, logger: logger)
        let sources = selection.sources(informers, queue) + [
            ChangeSource(informers.endpoints) { [self] change in
                endpoints.apply(change)
                if let endpoints = change.object { queue.add(ObjectName(endpoints)) }
            }
        ]
        await Following.run(sources) { await queue.run(self.sync) }
    }

    private func sync(_ name: ObjectName) async throws -> WorkResult {
        let old = endpoints.object(name)
        guard let service = selection.services.object(name) else {
            // Made by this controller, for a Service that is gone. What others made without a Service is theirs.
            if let old, old.metadata.labels[EndpointsPlanner.managerLabel] == EndpointsPlanner.manager {
                try await ignoringNotFound {
                    _ = try await client.delete(Endpoints.resource, namespace: name.namespace, name: name.name, uid: old.uid)
                }
            }
            return .done
        }
        guard service.selectsPods else { return .done }
        let new = EndpointsPlanner.endpoints(service, pods: selection.pods(of: service), old: old)
        if let old { try await change(old, to: new) } else { try await create(new) }
        return .done
    }

    private func create(_ endpoints: Endpoints) async throws {
        do {
            try await client.create(endpoints)
        } catch let error as KubeError where error.isNamespaceTerminating {
            // Nothing can be made here any more, and nobody misses it.
        }
    }

    private func change(_ old: Endpoints, to new: Endpoints) async throws {
        guard let change = MergePatch.difference(from: Self.content(old), to: Self.content(new)), var patch = change.object else { return }
        var metadata = change["metadata"]?.object ?? [:]
        for (key, value) in MergePatch.condition(old).object ?? [:] { metadata[key] = value }
        patch["metadata"] = .object(metadata)
        try await ignoringNotFound {
            _ = try await client.patch(Endpoints.resource, namespace: old.namespace, name: old.name, .object(patch))
        }
    }

    /// What of the object this controller writes.
    private static func content(_ endpoints: Endpoints) -> JSON {
        let all = endpoints.json
        return [
            "metadata": ["labels": all[path: "metadata", "labels"] ?? [:], "annotations": all[path: "metadata", "annotations"] ?? [:]],
            "subsets": all["subsets"] ?? [],
        ]
    }
}
