import KubeAPI
import KubeTypes

/// What the control plane thinks of a node, from its own words and the age of its heartbeat. Pure.
enum NodeHealth {
    /// Upstream's `node-monitor-grace-period` since v1.32.
    static let gracePeriod = Duration.seconds(50)

    enum Verdict: Equatable {
        case fine
        /// No heartbeat for too long: its conditions are no longer known.
        case silent
        /// A heartbeat may still come: look again then.
        case watch(until: Time)
    }

    /// - Parameter lastSeen: the later of the lease's renewal and the time the controller first saw the node.
    static func judge(_ node: Node, lastSeen: Time, now: Time) -> Verdict {
        let deadline = lastSeen + gracePeriod
        guard now >= deadline else { return .watch(until: deadline) }
        let ready = node.status.conditions.first { $0.type == "Ready" }
        return ready == nil || ready?.status == "Unknown" ? .fine : .silent
    }

    /// The conditions a silent node gets: what it last said is no longer known.
    static func unknownConditions(_ node: Node, now: Time) -> [NodeCondition] {
        ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"].map { type in
            let old = node.status.conditions.first { $0.type == type }
            return NodeCondition(with: {
                $0.type = type
                $0.status = "Unknown"
                $0.reason = old == nil ? "NodeStatusNeverUpdated" : "NodeStatusUnknown"
                $0.message = old == nil ? "Kubelet never posted node status." : "Kubelet stopped posting node status."
                $0.lastHeartbeatTime = old?.lastHeartbeatTime ?? node.metadata.creationTimestamp
                $0.lastTransitionTime = old?.status == "Unknown" ? old?.lastTransitionTime : now
            })
        }
    }
}
