import KubeClient
import KubeTypes
import Logging

/// The copies that several controllers follow: one watch and one copy a kind.
struct SharedInformers: Sendable {
    let pods: Informer<Pod>
    let nodes: Informer<Node>
    let namespaces: Informer<Namespace>
    let services: Informer<Service>
    let deployments: Informer<Deployment>
    let replicaSets: Informer<ReplicaSet>
    let endpoints: Informer<Endpoints>
    let endpointSlices: Informer<EndpointSlice>
    let certificateRequests: Informer<CertificateSigningRequest>

    init(client: KubeClient, logger: Logger) {
        pods = Informer(client, logger: logger)
        nodes = Informer(client, logger: logger)
        namespaces = Informer(client, logger: logger)
        services = Informer(client, logger: logger)
        deployments = Informer(client, logger: logger)
        replicaSets = Informer(client, logger: logger)
        endpoints = Informer(client, logger: logger)
        endpointSlices = Informer(client, logger: logger)
        certificateRequests = Informer(client, logger: logger)
    }

    /// Follows the server until cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await pods.run() }
            group.addTask { await nodes.run() }
            group.addTask { await namespaces.run() }
            group.addTask { await services.run() }
            group.addTask { await deployments.run() }
            group.addTask { await replicaSets.run() }
            group.addTask { await endpoints.run() }
            group.addTask { await endpointSlices.run() }
            group.addTask { await certificateRequests.run() }
        }
    }
}
