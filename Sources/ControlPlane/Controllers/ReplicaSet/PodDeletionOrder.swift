import KubeAPI
import KubeTypes

/// Which of too many pods go first: those whose loss is felt least. The order is upstream's.
struct PodDeletionOrder: Sendable {
    /// How many pods of the workload share each node: crowded nodes give first.
    private let crowds: [String: Int]
    private let now: Time

    /// - Parameter related: the active pods of the whole workload, those of its other replica sets too.
    init(related: [Pod], now: Time) {
        crowds = Dictionary(related.compactMap { $0.spec.nodeName }.map { ($0, 1) }, uniquingKeysWith: +)
        self.now = now
    }

    func sorted(_ pods: [Pod]) -> [Pod] { pods.sorted(by: goesFirst) }

    /// Whether the left pod is deleted rather than the right one.
    func goesFirst(_ left: Pod, _ right: Pod) -> Bool {
        // Unbound, then pending, then unknown, then running; not ready before ready; cheap before dear.
        for rank in [isBound, phase, readiness, cost] where rank(left) != rank(right) { return rank(left) < rank(right) }
        let crowd = (self.crowd(left), self.crowd(right))
        if crowd.0 != crowd.1 { return crowd.0 > crowd.1 }
        if left.isReady, right.isReady, left.readyCondition?.lastTransitionTime != right.readyCondition?.lastTransitionTime {
            return isYounger(left.readyCondition?.lastTransitionTime, right.readyCondition?.lastTransitionTime, left, right)
        }
        let restarts = (self.restarts(left), self.restarts(right))
        if restarts.0 != restarts.1 { return restarts.0 > restarts.1 }
        if left.metadata.creationTimestamp != right.metadata.creationTimestamp {
            return isYounger(left.metadata.creationTimestamp, right.metadata.creationTimestamp, left, right)
        }
        return left.uid < right.uid
    }

    private func isBound(_ pod: Pod) -> Int { (pod.spec.nodeName ?? "").isEmpty ? 0 : 1 }

    private func phase(_ pod: Pod) -> Int {
        switch pod.status.phase {
        case "Running": 2
        case "Unknown": 1
        default: 0
        }
    }

    private func readiness(_ pod: Pod) -> Int { pod.isReady ? 1 : 0 }

    /// `controller.kubernetes.io/pod-deletion-cost` (KEP-2255); what is no number counts as none.
    private func cost(_ pod: Pod) -> Int {
        let text = pod.metadata.annotations["controller.kubernetes.io/pod-deletion-cost"] ?? "0"
        return Int32(text).map(Int.init) ?? 0
    }

    private func crowd(_ pod: Pod) -> Int { pod.spec.nodeName.flatMap { crowds[$0] } ?? 0 }

    private func restarts(_ pod: Pod) -> Int {
        (pod.status.containerStatuses + pod.status.initContainerStatuses).map(\.restartCount).max() ?? 0
    }

    /// Younger pods go first, but ages are compared by their order of magnitude and equal ones decided by chance (the uid), so
    /// that scaling down does not take all pods that were started together (KEP-2185). A pod without a time is youngest.
    private func isYounger(_ left: Time?, _ right: Time?, _ leftPod: Pod, _ rightPod: Pod) -> Bool {
        guard let left else { return true }
        guard let right else { return false }
        let ages = (magnitude(now - left), magnitude(now - right))
        return ages.0 == ages.1 ? leftPod.uid < rightPod.uid : ages.0 < ages.1
    }

    private func magnitude(_ age: Duration) -> Int {
        let (seconds, attoseconds) = age.components
        let nanoseconds = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !nanoseconds.overflow else { return seconds > 0 ? 63 : -1 }
        let total = nanoseconds.partialValue &+ attoseconds / 1_000_000_000
        return total > 0 ? 63 - total.leadingZeroBitCount : -1
    }
}
