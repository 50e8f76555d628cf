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
    ///   - client: the client of a controller, which acts as the service account of this name in kube-system.
    ///   - shared: the client of what all share: it reads everything and writes events.
    ///   - rootCertificate: the authority of the API server's certificate, as PEM; every namespace gets it.
    ///   - dns: how the nodes' DNS servers are found; nil if they serve none.
    ///   - configuration: what nodes that join are told; nil if none can.
    ///   - nodeRanges: the addresses that nodes give to their pods; nil if each node has its own.
    public init(
        client: (_ controller: String) -> KubeClient, shared: KubeClient, rootCertificate: String, dns: ClusterDNSService? = nil,
        configuration: ClusterConfiguration? = nil, nodeRanges: NodeRanges? = nil, logger: Logger
    ) {
        self.init(
            client: client, shared: shared, rootCertificate: rootCertificate, dns: dns, configuration: configuration, nodeRanges: nodeRanges, clock: .system,
            logger: logger)
    }

    init(
        client: (String) -> KubeClient, shared: KubeClient, rootCertificate: String, dns: ClusterDNSService?, configuration: ClusterConfiguration? = nil,
        nodeRanges: NodeRanges? = nil, clock: ControllerClock, logger: Logger
    ) {
        let informers = SharedInformers(client: shared, logger: logger)
        let events = EventRecorder(client: shared, clock: clock, logger: logger)
        (self.informers, self.events) = (informers, events)
        var controllers: [any Controller] = [
            NamespaceController(client: client("namespace-controller"), informers: informers, clock: clock, logger: logger),
            ServiceAccountController(client: client("service-account-controller"), informers: informers, clock: clock, logger: logger),
            RootCertificateController(client: client("root-ca-cert-publisher"), informers: informers, certificate: rootCertificate, clock: clock, logger: logger),
            NodeLifecycleController(client: client("node-controller"), informers: informers, clock: clock, logger: logger),
            PodCollectionController(client: client("pod-garbage-collector"), informers: informers, clock: clock, logger: logger),
            DeploymentController(client: client("deployment-controller"), informers: informers, events: events, clock: clock, logger: logger),
            ReplicaSetController(client: client("replicaset-controller"), informers: informers, events: events, clock: clock, logger: logger),
            EndpointSliceController(client: client("endpointslice-controller"), informers: informers, clock: clock, logger: logger),
            EndpointSliceMirroringController(client: client("endpointslicemirroring-controller"), informers: informers, clock: clock, logger: logger),
            EndpointsController(client: client("endpoint-controller"), informers: informers, clock: clock, logger: logger),
            CertificateApprover(client: client("certificate-controller"), informers: informers, clock: clock, logger: logger),
            CertificateRequestCleaner(client: client("certificate-controller"), informers: informers, clock: clock, logger: logger),
            BootstrapSigner(client: client("bootstrap-signer"), clock: clock, logger: logger),
            BootstrapTokenCleaner(client: client("token-cleaner"), clock: clock, logger: logger),
            GarbageCollector(client: client("generic-garbage-collector"), clock: clock, logger: logger),
        ]
        if let dns {
            controllers.append(ClusterDNSController(client: client("cluster-dns-controller"), informers: informers, configuration: dns, clock: clock, logger: logger))
        }
        if let configuration {
            controllers.append(ClusterConfigurationController(
                client: client("cluster-configuration-controller"), configuration: configuration, clock: clock, logger: logger))
        }
        if let nodeRanges {
            controllers.append(NodeIPAMController(
                client: client("node-controller"), informers: informers, events: events, ranges: nodeRanges, clock: clock, logger: logger))
        }
        self.controllers = controllers
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
