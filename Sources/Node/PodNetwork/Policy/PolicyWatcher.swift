public import KubeClient
internal import KubeTypes
public import Logging

/// Follows the cluster's policies, pods and namespaces and tells the enforcer.
public struct PolicyWatcher: Sendable {
    private let policies: Informer<NetworkPolicy>
    private let pods: Informer<Pod>
    private let namespaces: Informer<Namespace>
    private let enforcer: PolicyEnforcer

    public init(client: KubeClient, enforcer: PolicyEnforcer, logger: Logger) {
        policies = Informer(client, logger: logger)
        pods = Informer(client, logger: logger)
        namespaces = Informer(client, logger: logger)
        self.enforcer = enforcer
    }

    /// Runs until cancelled.
    public func run() async {
        let (moved, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        await withDiscardingTaskGroup { group in
            group.addTask { [policies] in await policies.run() }
            group.addTask { [pods] in await pods.run() }
            group.addTask { [namespaces] in await namespaces.run() }
            group.addTask { [policies] in for await _ in policies.changes() { signal.yield() } }
            group.addTask { [pods] in
                // Most changes of a pod are of its status; only those that policies see matter.
                for await change in pods.changes() where Self.matters(change) { signal.yield() }
            }
            group.addTask { [namespaces] in for await _ in namespaces.changes() { signal.yield() } }
            group.addTask {
                for await _ in moved { tell() }
            }
        }
    }

    private static func matters(_ change: Informer<Pod>.Change) -> Bool {
        guard case .modified(let new, let old) = change else { return true }
        return PolicyEnforcer.KnownPod(new) != PolicyEnforcer.KnownPod(old)
    }

    private func tell() {
        guard policies.hasSynced, pods.hasSynced, namespaces.hasSynced else { return }
        enforcer.update(
            policies.objects.map { TrafficPolicy($0) }, pods.objects.compactMap { PolicyEnforcer.KnownPod($0) },
            Dictionary(namespaces.objects.map { ($0.name, $0.metadata.labels) }) { first, _ in first })
    }
}
