import JSONTree
import KubeAPI
import KubeClient
import Logging
import Synchronization

/// Deletes what nobody owns any more, and lets owners go when their dependents are gone or free.
///
/// The graph is only where to look. Nothing is deleted before the server was asked for the object, and for every owner that the
/// graph does not show.
final class GarbageCollector: Controller {
    let client: KubeClient
    private let graph = Mutex(OwnershipGraph())
    private let monitors: MonitorSet
    private let queue: RetryingQueue<OwnershipGraph.Errand>

    init(client: KubeClient, clock: ControllerClock, logger: Logger) {
        self.client = client
        monitors = MonitorSet(client: client, clock: clock, logger: logger)
        queue = RetryingQueue(limit: 8, clock: clock, logger: logger)
    }

    func run() async {
        let (complete, continuation) = AsyncStream<Void>.makeStream()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in await monitors.run(complete: { continuation.finish() }, observe) }
            group.addTask { [self] in
                // An owner whose dependents have not been listed yet seems to have none.
                for await _ in complete {}
                guard !Task.isCancelled else { return }
                await queue.run { errand in
                    switch errand {
                    case .collect(let uid): try await self.collect(uid)
                    case .orphan(let uid): try await self.orphan(uid)
                    }
                }
            }
        }
    }

    private func observe(_ resource: ResourceReference, _ change: MetadataMonitor.Change) {
        let errands = graph.withLock { graph in
            switch change {
            case .seen(let node): graph.observe(node)
            case .gone(let uid): graph.forget(uid)
            case .all(let nodes): graph.replace(resource.groupResource, with: nodes)
            }
        }
        for errand in errands { queue.add(errand) }
    }

    // MARK: collecting

    private func collect(_ uid: String) async throws -> WorkResult {
        let known = graph.withLock { graph in graph.node(uid).flatMap { graph.isSettled($0) ? nil : $0 } }
        guard let known, let (live, object) = try await live(known) else { return .done }
        var owners: [String: CollectionDecision.OwnerState] = [:]
        if !live.isDeleted { for owner in live.owners { owners[owner.uid] = try await state(owner, of: live) } }
        let dependents = graph.withLock { $0.dependents(of: uid) }
        switch CollectionDecision.decide(live, owners: owners, dependents: dependents) {
        case .keep: break
        case .finish: try await removeFinalizer(GraphNode.foreground, live, object)
        case .dropOwners(let lost): try await dropOwners(lost, live, object)
        case .delete(let propagation, let unblocking):
            // The second write would state a version that the first has made old: look again.
            if unblocking, try await unblockOwners(live, object) { return .retry }
            try await delete(live, object, propagation)
        case .awaitDependents(let uids):
            for uid in uids { queue.add(.collect(uid)) }
        }
        return owners.values.contains(.unknown) ? .again(after: MonitorSet.rediscovery) : .done
    }

    /// The object as the server has it; nil if it is gone, which the watch tells.
    private func live(_ node: GraphNode) async throws -> (GraphNode, JSON)? {
        do {
            let object = try await client.get(node.resource, namespace: namespace(node), name: node.name)
            guard let live = GraphNode(object, resource: node.resource), live.uid == node.uid else { return nil }
            return (live, object)
        } catch let error as KubeError where error.isNotFound {
            return nil
        }
    }

    private func state(_ owner: GraphNode.Owner, of node: GraphNode) async throws -> CollectionDecision.OwnerState {
        if let known = graph.withLock({ $0.node(owner.uid) }), known.namespace.isEmpty || known.namespace == node.namespace {
            return known.isDeletingDependents ? .waiting : .present
        }
        guard let resource = monitors.resource(apiVersion: owner.apiVersion, kind: owner.kind) else { return .unknown }
        if resource.namespaced, node.namespace.isEmpty { return .unknown }
        let place = GraphNode(resource: resource, namespace: node.namespace, name: owner.name, uid: owner.uid)
        guard let (live, _) = try await live(place) else { return .absent }
        return live.isDeletingDependents ? .waiting : .present
    }

    // MARK: orphaning

    private func orphan(_ uid: String) async throws -> WorkResult {
        guard let known = graph.withLock({ $0.node(uid) }), let (owner, object) = try await live(known), owner.isOrphaningDependents else {
            return .done
        }
        for dependent in graph.withLock({ $0.dependents(of: uid) }) {
            guard let (live, object) = try await live(dependent) else { continue }
            try await dropOwners([uid], live, object)
        }
        try await removeFinalizer(GraphNode.orphan, owner, object)
        return .done
    }
}
