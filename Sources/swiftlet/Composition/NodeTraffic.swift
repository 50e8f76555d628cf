import KubeClient
import Kubelet
import KubeTypes
import Logging
import PodNetwork

/// What decides about the traffic of this node's pods: the network policies.
struct NodeTraffic: PodTraffic {
    private let policies: PolicyEnforcer
    private let policyWatcher: PolicyWatcher

    init(network: PodNetwork, client: KubeClient, logger: Logger) {
        policies = PolicyEnforcer(network: network, logger: logger)
        policyWatcher = PolicyWatcher(client: client, enforcer: policies, logger: logger)
    }

    func prepare(_ pod: Pod, addresses: [String]) async {
        await policies.prepare(PolicyPod(pod, addresses: addresses), uid: pod.uid)
    }

    /// Runs until cancelled. What is in the kernel stays.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await policies.run() }
            group.addTask { await policyWatcher.run() }
        }
    }

    /// Takes everything back, for a node that is given up.
    static func reset(network: PodNetwork) async throws {
        try await PolicyEnforcer.reset(network: network)
    }
}
