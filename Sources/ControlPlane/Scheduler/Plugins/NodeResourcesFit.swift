import KubeAPI
public import KubeTypes

/// What the pod asks for must fit into what the node has left.
public struct NodeResourcesFit: FilterPlugin {
    public let name = "NodeResourcesFit"
    public init() {}

    public func filter(_ pod: Pod, on node: NodeInfo) -> String? {
        if let pods = node.allocatable("pods")?.value, Int64(node.podCount) + 1 > pods { return "Too many pods" }
        let short = PodResources(of: pod).amounts.sorted { $0.key < $1.key }.first { name, amount in
            guard amount > 0 else { return false }
            let have = node.allocatable(name).map { PodResources.units($0, of: name) } ?? 0
            return amount > have - node.requested.amounts[name, default: 0]
        }
        return short.map { "Insufficient \($0.key)" }
    }
}

/// Prefers the node with the most CPU and memory left, as upstream's default does.
public struct LeastAllocated: ScorePlugin {
    public let name = "NodeResourcesFit"
    public init() {}

    public func score(_ pod: Pod, on node: NodeInfo) -> Int {
        var wanted = node.requested
        wanted.add(PodResources(of: pod))
        let scores = ["cpu", "memory"].map { name -> Int in
            let have = node.allocatable(name).map { PodResources.units($0, of: name) } ?? 0
            let taken = wanted.amounts[name, default: 0]
            guard have > 0, taken <= have else { return 0 }
            return Int(Double(have - taken) / Double(have) * 100)
        }
        return scores.reduce(0, +) / scores.count
    }
}
