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
        guard slice.metadata.labels[EndpointSliceDistribution.managerLabel] == EndpointSlicePlanner.manager else { return [] }
        return slice.metadata.labels[EndpointSliceDistribution.serviceLabel].map { ["\(slice.namespace)/\($0)"] } ?? []
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
                guard let slice = change.object, let service = slice.metadata.labels[EndpointSliceDistribution.serviceLabel] else { return }
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
        let plan = EndpointSlicePlanner.plan(service, pods: pods, zones: zones, slices: present)
        try await EndpointSliceWriter(client: client, seen: slices, assumed: assumed).carryOut(plan, owner: service.uid)
        return .at(assumed.nextCheck(owner: service.uid))
    }
}
