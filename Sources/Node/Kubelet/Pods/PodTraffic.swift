public import KubeTypes

/// What the node's network does for a pod before its first instruction: policies and Services are in the kernel.
public protocol PodTraffic: Sendable {
    /// Returns when all that concerns the pod is in force. Called for a sandbox with a network of its own, before its first
    /// container starts.
    func prepare(_ pod: Pod, addresses: [String]) async
}

/// A node without policies and Services.
public struct OpenTraffic: PodTraffic {
    public init() {}
    public func prepare(_ pod: Pod, addresses: [String]) async {}
}
