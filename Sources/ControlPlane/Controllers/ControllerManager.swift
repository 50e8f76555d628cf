public import KubeAPI
public import KubeClient
public import Logging

/// A loop that brings what is closer to what should be. A client like any other.
public protocol Controller: Sendable {
    /// Runs until cancelled.
    func run() async
}

/// Runs all controllers side by side. One that ends takes nothing with it.
public struct ControllerManager: Sendable {
    private let controllers: [any Controller]

    /// - Parameters:
    ///   - client: the client of a controller, which acts as the service account of this name in kube-system.
    ///   - rootCertificate: PEM; what pods know the API server by.
    public init(client: (_ controller: String) -> KubeClient, resources: [ResourceReference], rootCertificate: String, logger: Logger) {
        controllers = [
            NamespaceController(client: client("namespace-controller"), resources: resources, logger: logger),
            ServiceAccountController(client: client("service-account-controller"), logger: logger),
            RootCertificateController(client: client("root-ca-cert-publisher"), certificate: rootCertificate, logger: logger),
            NodeLifecycleController(client: client("node-controller"), logger: logger),
            PodCollectionController(client: client("pod-garbage-collector"), logger: logger),
        ]
    }

    /// Runs until cancelled.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            for controller in controllers { group.addTask { await controller.run() } }
        }
    }
}
