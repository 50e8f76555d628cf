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

    public init(client: KubeClient, resources: [ResourceReference], logger: Logger) {
        controllers = [
            NamespaceController(client: client, resources: resources, logger: logger),
            ServiceAccountController(client: client, logger: logger),
            NodeLifecycleController(client: client, logger: logger),
            PodCollectionController(client: client, logger: logger),
        ]
    }

    /// Runs until cancelled.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            for controller in controllers { group.addTask { await controller.run() } }
        }
    }
}
