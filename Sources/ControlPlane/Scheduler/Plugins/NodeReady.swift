public import KubeTypes

/// Keeps pods off nodes whose kubelet has not said that it is ready.
///
/// Upstream does this with the `not-ready` taint of its node lifecycle controller; the condition itself is the same truth.
public struct NodeReady: FilterPlugin {
    public let name = "NodeReady"
    public init() {}

    public func filter(_ pod: Pod, on node: NodeInfo) -> String? {
        let ready = node.node.status.conditions.first { $0.type == "Ready" }
        return ready?.status == "True" ? nil : "node(s) were not ready"
    }
}
