public import KubeTypes

/// `nodeSelector` and the required part of `nodeAffinity`.
public struct NodeAffinityFilter: FilterPlugin {
    public let name = "NodeAffinity"
    static let reason = "node(s) didn't match Pod's node affinity/selector"
    public init() {}

    public func filter(_ pod: Pod, on node: NodeInfo) -> String? {
        let labels = node.node.metadata.labels
        for (key, value) in pod.spec.nodeSelector where labels[key] != value { return Self.reason }
        guard let terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms else { return nil }
        return terms.contains { $0.matches(node) } ? nil : Self.reason
    }
}

extension NodeSelectorTerm {
    /// All requirements of a term hold; an empty term matches nothing (core/v1).
    func matches(_ node: NodeInfo) -> Bool {
        guard !matchExpressions.isEmpty || !matchFields.isEmpty else { return false }
        let labels = node.node.metadata.labels
        return matchExpressions.allSatisfy { $0.matches(labels[$0.key]) }
            && matchFields.allSatisfy { $0.key == "metadata.name" && $0.matches(node.name) }
    }
}

extension NodeSelectorRequirement {
    func matches(_ value: String?) -> Bool {
        switch self.operator {
        case "In": return value.map(values.contains) ?? false
        case "NotIn": return value.map { !values.contains($0) } ?? true
        case "Exists": return value != nil
        case "DoesNotExist": return value == nil
        case "Gt": return compare(value, >)
        case "Lt": return compare(value, <)
        default: return false
        }
    }

    private func compare(_ value: String?, _ holds: (Int64, Int64) -> Bool) -> Bool {
        guard let have = value.flatMap(Int64.init), let wanted = values.first.flatMap(Int64.init) else { return false }
        return holds(have, wanted)
    }
}
