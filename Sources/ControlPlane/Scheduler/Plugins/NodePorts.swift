public import KubeTypes

/// Two pods cannot take one host port of a node.
public struct NodePorts: FilterPlugin {
    public let name = "NodePorts"
    public init() {}

    public func filter(_ pod: Pod, on node: NodeInfo) -> String? {
        let taken = HostPort.all(of: pod).contains { wanted in node.hostPorts.contains { $0.conflicts(with: wanted) } }
        return taken ? "node(s) didn't have free ports for the requested pod ports" : nil
    }
}
