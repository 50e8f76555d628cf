import KubeClient
import Kubelet
import KubeTypes
import Logging
import Netlink
import PodNetwork
import ServiceProxy

/// What decides about the traffic of this node: Services and network policies.
struct NodeTraffic: PodTraffic {
    private let policies: PolicyEnforcer
    private let policyWatcher: PolicyWatcher
    private let proxy: ServiceProxy
    /// Copies of all Services and EndpointSlices, run here; the cluster's DNS follows them too.
    let services: Informer<Service>
    let slices: Informer<EndpointSlice>
    private let logger: Logger

    /// - Parameter aliases: what this node serves at another port than the one that users know.
    init(network: PodNetwork, node: NodeDescription, aliases: [PortAlias], client: KubeClient, logger: Logger) throws {
        policies = PolicyEnforcer(network: network, aliases: aliases, logger: logger)
        policyWatcher = PolicyWatcher(client: client, enforcer: policies, logger: logger)
        let policies = policies
        proxy = try ServiceProxy(node: node, logger: logger) { event in
            if case .repaired = event {
                // Who flushes one table flushes the others.
                policies.repair()
                logger.warning("\(event)")
            } else {
                logger.info("\(event)")
            }
        }
        services = Informer(client, logger: logger)
        slices = Informer(client, logger: logger)
        self.logger = logger
    }

    func prepare(_ pod: Pod, addresses: [String]) async {
        await policies.prepare(PolicyPod(pod, addresses: addresses), uid: pod.uid)
        do {
            try await proxy.synchronize(services: services, slices: slices)
        } catch {
            // The proxy tries again by itself; the pod need not wait for it.
            logger.error("a pod starts before its Services are in force: \(error)")
        }
    }

    /// Runs until cancelled. What is in the kernel stays.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await policies.run() }
            group.addTask { await policyWatcher.run() }
            group.addTask { await services.run() }
            group.addTask { await slices.run() }
            group.addTask { await proxy.run(services: services, slices: slices) }
        }
    }

    /// Takes everything back, for a node that is given up.
    static func reset(network: PodNetwork) async throws {
        try await PolicyEnforcer.reset(network: network)
        try await ServiceProxy.removeEverything(ServiceProxyConfiguration())
    }
}
