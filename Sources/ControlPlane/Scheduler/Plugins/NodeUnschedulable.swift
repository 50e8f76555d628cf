public import KubeTypes

/// `kubectl cordon`: the node takes no new pods unless they tolerate it.
public struct NodeUnschedulable: FilterPlugin {
    public let name = "NodeUnschedulable"
    public init() {}

    public func filter(_ pod: Pod, on node: NodeInfo) -> String? {
        guard node.node.spec.unschedulable == true else { return nil }
        let taint = Taint(effect: "NoSchedule", key: "node.kubernetes.io/unschedulable")
        return pod.spec.tolerations.contains { $0.tolerates(taint) } ? nil : "node(s) were unschedulable"
    }
}
