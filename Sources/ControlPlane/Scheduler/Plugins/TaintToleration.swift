public import KubeTypes

/// A `NoSchedule` or `NoExecute` taint keeps off every pod that does not tolerate it.
public struct TaintToleration: FilterPlugin {
    public let name = "TaintToleration"
    public init() {}

    public func filter(_ pod: Pod, on node: NodeInfo) -> String? {
        let tolerations = pod.spec.tolerations
        let taints = node.node.spec.taints.filter { $0.effect == "NoSchedule" || $0.effect == "NoExecute" }
        guard let taint = taints.first(where: { taint in !tolerations.contains { $0.tolerates(taint) } }) else { return nil }
        return "node(s) had untolerated taint {\(taint.key): \(taint.value ?? "")}"
    }
}

extension Toleration {
    /// The rule of core/v1: an empty key with `Exists` matches all taints, an empty effect matches all effects.
    func tolerates(_ taint: Taint) -> Bool {
        if let effect, !effect.isEmpty, effect != taint.effect { return false }
        let key = key ?? ""
        if !key.isEmpty, key != taint.key { return false }
        switch self.operator ?? "Equal" {
        case "Exists": return true
        case "Equal", "": return !key.isEmpty && (value ?? "") == (taint.value ?? "")
        default: return false
        }
    }
}
