import KubeAPI
import KubeTypes

extension Pod {
    /// Neither ended nor on its way out: one of the pods that a workload counts.
    var isActive: Bool { !hasEnded && metadata.deletionTimestamp == nil }

    var hasEnded: Bool { status.phase == "Succeeded" || status.phase == "Failed" }

    /// Since when the pod is ready; nil if it is not.
    var readyCondition: PodCondition? { status.conditions.first { $0.type == "Ready" && $0.status == "True" } }

    var isReady: Bool { readyCondition != nil }

    /// Whether the pod has been ready for so many seconds.
    func isAvailable(minReadySeconds: Int, now: Time) -> Bool {
        guard let ready = readyCondition else { return false }
        guard minReadySeconds > 0 else { return true }
        guard let since = ready.lastTransitionTime else { return false }
        return since + .seconds(minReadySeconds) <= now
    }

    /// When a pod that is ready will count as available.
    func availableTime(minReadySeconds: Int) -> Time? {
        guard minReadySeconds > 0, let since = readyCondition?.lastTransitionTime else { return nil }
        return since + .seconds(minReadySeconds)
    }
}
