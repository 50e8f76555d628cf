public import KubeClient
public import Logging

/// A loop that brings what is closer to what should be. A client like any other.
public protocol Controller: Sendable {
    /// Runs until cancelled.
    func run() async
}

/// Runs all controllers side by side, on shared copies of what they watch. One that ends takes nothing with it.
public struct ControllerManager: Sendable {
    private let controllers: [any Controller]
    private let informers: SharedInformers
    private let events: EventRecorder

    /// - Parameters:
    ///   - client: for what all controllers share: the copies that they follow, and events.
    ///   - controller: the client of one controller, which acts as the service account of this name in kube-system.
    ///   - rootCertificate: the authority of the API server's certificate, as PEM; every namespace gets it.
    public init(client: KubeClient, controller: (_ name: String) -> KubeClient, rootCertificate: String, logger: Logger) {
        self.init(client: client, controller: controller, rootCertificate: rootCertificate, clock: .system, logger: logger)
    }

    init(client: KubeClient, controller: (_ name: String) -> KubeClient, rootCertificate: String, clock: ControllerClock, logger: Logger) {
        let informers = SharedInformers(client: client, logger: logger)
        let events = EventRecorder(client: client, clock: clock, logger: logger)
        (self.informers, self.events) = (informers, events)
        controllers = [
            NamespaceController(client: controller("namespace-controller"), informers: informers, clock: clock, logger: logger),
            ServiceAccountController(client: controller("service-account-controller"), informers: informers, clock: clock, logger: logger),
            RootCertificateController(client: controller("root-ca-cert-publisher"), informers: informers, certificate: rootCertificate, clock: clock, logger: logger),
            NodeLifecycleController(client: controller("node-controller"), informers: informers, clock: clock, logger: logger),
            PodCollectionController(client: controller("pod-garbage-collector"), informers: informers, clock: clock, logger: logger),
            DeploymentController(client: controller("deployment-controller"), informers: informers, events: events, clock: clock, logger: logger),
            ReplicaSetController(client: controller("replicaset-controller"), informers: informers, events: events, clock: clock, logger: logger),
            EndpointSliceController(client: controller("endpointslice-controller"), informers: informers, clock: clock, logger: logger),
            EndpointsController(client: controller("endpoint-controller"), informers: informers, clock: clock, logger: logger),
            GarbageCollector(client: controller("generic-garbage-collector"), clock: clock, logger: logger),
        ]
    }

    /// Runs until cancelled.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await informers.run() }
            group.addTask { await events.run() }
            for controller in controllers { group.addTask { await controller.run() } }
        }
    }
}
