import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Keeps slices that mirror the Endpoints of Services without a selector.
final class EndpointSliceMirroringController: Controller {
    private let client: KubeClient
    private let informers: SharedInformers
    private let clock: ControllerClock
    private let logger: Logger
    private let services = ObjectIndex<Service> { _ in [] }
    private let endpoints = ObjectIndex<Endpoints> { _ in [] }
    private let slices = ObjectIndex<EndpointSlice> { slice in
        guard slice.metadata.labels[EndpointSliceDistribution.managerLabel] == EndpointSliceMirror.manager else { return [] }
        return slice.metadata.labels[EndpointSliceDistribution.serviceLabel].map { ["\(slice.namespace)/\($0)"] } ?? []
    }
    private let assumed: AssumedObjects<EndpointSlice>

    init(client: KubeClient, informers: SharedInformers, clock: ControllerClock, logger: Logger) {
        (self.client, self.informers, self.clock, self.logger) = (client, informers, clock, logger)
        assumed = AssumedObjects(clock: clock)
    }

    func run() async {
        let queue = RetryingQueue<ObjectName>(limit: 5, clock: clock, logger: logger)
        let sources = [
            ChangeSource(informers.services) { [self] change in
                services.apply(change)
                if let service = change.object { queue.add(ObjectName(service)) }
            },
            ChangeSource(informers.endpoints) { [self] change in
                endpoints.apply(change)
                if let endpoints = change.object { queue.add(ObjectName(endpoints)) }
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

    private func sync(_ name: ObjectName) async throws -> WorkResult {
        let present = slices.objects("\(name.namespace)/\(name.name)")
        let writer = EndpointSliceWriter(client: client, seen: slices, assumed: assumed)
        guard let service = services.object(name), let endpoints = endpoints.object(name), EndpointSliceMirror.isMirrored(endpoints, service) else {
            // Those of an Endpoints object that is gone, or no longer made by hand.
            if !present.isEmpty { try await writer.carryOut(.init(deletions: present), owner: "") }
            return .done
        }
        try await assumed.verify(owner: endpoints.uid, client: client)
        let plan = EndpointSliceMirror.plan(endpoints, slices: assumed.overlay(present, owner: endpoints.uid))
        try await writer.carryOut(plan, owner: endpoints.uid)
        return .at(assumed.nextCheck(owner: endpoints.uid))
    }
}
