public import KubeTypes

/// One reason to keep a pod off a node. One file a plugin; plugins are pure and see nothing but the snapshot.
///
/// The name and the reasons are upstream's, so that events read as users know them.
public protocol FilterPlugin: Sendable {
    var name: String { get }
    /// - Returns: nil if the node will do, otherwise the reason as it stands in the event.
    func filter(_ pod: Pod, on node: NodeInfo) -> String?
}

/// Ranks the nodes that passed every filter.
public protocol ScorePlugin: Sendable {
    var name: String { get }
    /// - Returns: 0 (worst) to 100 (best).
    func score(_ pod: Pod, on node: NodeInfo) -> Int
}

/// What a decision came to.
public enum SchedulingDecision: Sendable, Equatable {
    case bind(node: String)
    /// The message of the `FailedScheduling` event and of the pod's `PodScheduled` condition.
    case unschedulable(String)
}

/// The plugins in order, and the one function that decides. It has no clock and no I/O.
public struct SchedulingFramework: Sendable {
    var filters: [any FilterPlugin]
    var scores: [any ScorePlugin]

    public init(filters: [any FilterPlugin], scores: [any ScorePlugin]) {
        self.filters = filters
        self.scores = scores
    }

    public static let standard = SchedulingFramework(
        filters: [NodeReady(), NodeUnschedulable(), TaintToleration(), NodeAffinityFilter(), NodePorts(), NodeResourcesFit()],
        scores: [LeastAllocated()])

    /// Picks the best node; among equals the one whose name comes first, so that a decision can be repeated.
    public func decide(_ pod: Pod, nodes: [NodeInfo]) -> SchedulingDecision {
        guard !nodes.isEmpty else { return .unschedulable("no nodes available to schedule pods") }
        var reasons: [String: Int] = [:]
        var feasible: [NodeInfo] = []
        for node in nodes {
            if let reason = firstReason(pod, node) { reasons[reason, default: 0] += 1 } else { feasible.append(node) }
        }
        let best = feasible.max { left, right in
            let (l, r) = (score(pod, left), score(pod, right))
            return l == r ? left.name > right.name : l < r
        }
        if let best { return .bind(node: best.name) }
        let told = reasons.map { "\($0.value) \($0.key)" }.sorted().joined(separator: ", ")
        return .unschedulable("0/\(nodes.count) nodes are available: \(told).")
    }

    private func firstReason(_ pod: Pod, _ node: NodeInfo) -> String? {
        for plugin in filters {
            if let reason = plugin.filter(pod, on: node) { return reason }
        }
        return nil
    }

    private func score(_ pod: Pod, _ node: NodeInfo) -> Int {
        scores.reduce(0) { $0 + $1.score(pod, on: node) }
    }
}
