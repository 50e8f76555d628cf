import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Keeps the EndpointSlices of Services that select pods.
final class EndpointSliceController: Controller {
    private static let zoneLabel = "topology.kubernetes.io/zone"

    private let client: KubeClient
    private let informers: SharedInformers
    private let clock: ControllerClock
    private let logger: Logger
    private let selection: ServiceSelection
    private let nodes = ObjectIndex<Node> { _ in [] }
    private let slices = ObjectIndex<EndpointSlice> { slice in
        guard slice.metadata.labels[EndpointSlicePlanner.managerLabel] == EndpointSlicePlanner.manager else { return [] }
        return slice.metadata.labels[EndpointSlicePlanner.serviceLabel].map { ["\(slice.namespace)/\($0)"] } ?? []
    }
    private let assumed: AssumedObjects<EndpointSlice>

    init(client: KubeClient, informers: SharedInformers, clock: ControllerClock, logger: Logger) {
        (self.client, self.informers, self.clock, self.logger) = (client, informers, clock, logger)
        assumed = AssumedObjects(clock: clock)
        selection = ServiceSelection()
    }

    func run() async {
        let queue = RetryingQueue<ObjectName>(limit: 5, clock: clock, logger: logger)
        let sources = selection.sources(informers, queue) + [
            ChangeSource(informers.nodes) { [self] change in
                let before = change.object.flatMap { nodes.object(ObjectName($0)) }.flatMap(Self.zone)
                nodes.apply(change)
                guard let node = change.object, Self.zone(node) != before else { return }
                for name in selection.services(onNode: node.name) { queue.add(name) }
            },
            ChangeSource(informers.endpointSlices) { [self] change in
                slices.apply(change)
                assumed.apply(change)
                guard let slice = change.object, let service = slice.metadata.labels[EndpointSlicePlanner.serviceLabel] else { return }
                queue.add(ObjectName(slice.namespace, service))
            },
        ]
        await Following.run(sources) { await queue.run(self.sync) }
    }

    private static func zone(_ node: Node) -> String? { node.metadata.labels[zoneLabel] }

    private func sync(_ name: ObjectName) async throws -> WorkResult {
        // Slices of a Service that is gone go with their owner.
        guard let service = selection.services.object(name), service.selectsPods, service.metadata.deletionTimestamp == nil else { return .done }
        try await assumed.verify(owner: service.uid, client: client)
        let pods = selection.pods(of: service)
        var zones: [String: String] = [:]
        for node in Set(pods.compactMap(\.spec.nodeName)) { zones[node] = nodes.object(ObjectName("", node)).flatMap(Self.zone) }
        let present = assumed.overlay(slices.objects("\(name.namespace)/\(name.name)"), owner: service.uid)
        try await carryOut(EndpointSlicePlanner.plan(service, pods: pods, zones: zones, slices: present), service)
        return .at(assumed.nextCheck(owner: service.uid))
    }

    private func carryOut(_ plan: EndpointSlicePlanner.Plan, _ service: Service) async throws {
        // What is new first, so that no endpoint is missing in between.
        for slice in plan.creations {
            do {
                let created = try await client.create(slice)
                assumed.created(created, owner: service.uid, seen: slices.object(ObjectName(created)))
            } catch let error as KubeError where error.isNamespaceTerminating {
                return
            }
        }
        for (old, new) in plan.updates {
            guard let change = MergePatch.difference(from: Self.content(old), to: Self.content(new)), var patch = change.object else { continue }
            var metadata = MergePatch.condition(old)
            if let labels = change[path: "metadata", "labels"] { metadata["labels"] = labels }
            patch["metadata"] = metadata
            _ = try await client.patch(EndpointSlice.resource, namespace: old.namespace, name: old.name, .object(patch))
        }
        for slice in plan.deletions {
            try await ignoringNotFound {
                _ = try await client.delete(EndpointSlice.resource, namespace: slice.namespace, name: slice.name, uid: slice.uid)
            }
            assumed.deleted(slice, owner: service.uid, seen: slices.object(ObjectName(slice)))
        }
    }

    /// What of a slice this controller writes.
    private static func content(_ slice: EndpointSlice) -> JSON {
        let all = slice.json
        var content: JSON = ["metadata": ["labels": all[path: "metadata", "labels"] ?? [:]]]
        content["endpoints"] = all["endpoints"] ?? []
        content["ports"] = all["ports"] ?? []
        return content
    }
}
