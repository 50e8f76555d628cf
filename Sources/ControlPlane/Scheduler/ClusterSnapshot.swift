import KubeAPI
import KubeClient
import KubeTypes

/// What the scheduler knows: nodes with what they hold, and the pods that wait. A value: changes in, due pods out.
struct ClusterSnapshot {
    private let scheduler: String
    private var nodes: [String: Node] = [:]
    /// Pods on a node, assumed ones included, by uid.
    private var placed: [String: (pod: Pod, node: String)] = [:]
    /// Pods without a node, by uid.
    private var waiting: [String: Pod] = [:]
    /// What each waiting pod was last told.
    private var told: [String: String] = [:]
    private var isDirty = false

    init(scheduler: String) { self.scheduler = scheduler }

    var nodeInfos: [NodeInfo] {
        var infos = nodes.mapValues { NodeInfo(node: $0) }
        for (pod, node) in placed.values { infos[node]?.add(pod) }
        return Array(infos.values)
    }

    mutating func apply(_ change: Informer<Node>.Change) {
        switch change {
        case .added(let node), .modified(let node, _): nodes[node.name] = node
        case .deleted(let node): nodes[node.name] = nil
        case .synced: return
        }
        isDirty = true
    }

    mutating func apply(_ change: Informer<Pod>.Change) {
        guard let pod = change.object else { return }
        if case .deleted = change { return remove(pod) }
        if pod.status.phase == "Succeeded" || pod.status.phase == "Failed" { return remove(pod) }
        if let node = pod.spec.nodeName, !node.isEmpty {
            waiting[pod.uid] = nil
            told[pod.uid] = nil
            placed[pod.uid] = (pod, node)
        } else if placed[pod.uid] == nil, pod.metadata.deletionTimestamp == nil, pod.spec.schedulingGates.isEmpty,
                  pod.spec.schedulerName ?? scheduler == scheduler {
            if waiting.updateValue(pod, forKey: pod.uid) == nil { isDirty = true }
        }
    }

    private mutating func remove(_ pod: Pod) {
        waiting[pod.uid] = nil
        told[pod.uid] = nil
        // Room became free.
        if placed.removeValue(forKey: pod.uid) != nil { isDirty = true }
    }

    /// The pods to try now, highest priority first, then oldest; empty if nothing changed that could help them.
    mutating func takeDue() -> [Pod] {
        guard isDirty else { return [] }
        isDirty = false
        return waiting.values.sorted { left, right in
            let (l, r) = (left.spec.priority ?? 0, right.spec.priority ?? 0)
            if l != r { return l > r }
            let (a, b) = (left.metadata.creationTimestamp, right.metadata.creationTimestamp)
            return a == b ? left.uid < right.uid : (a ?? .init(seconds: 0)) < (b ?? .init(seconds: 0))
        }
    }

    /// Counts the pod as placed before the watch says so.
    mutating func assume(_ pod: Pod, on node: String) {
        waiting[pod.uid] = nil
        placed[pod.uid] = (pod, node)
    }

    /// The binding failed: the pod waits again.
    mutating func forget(_ pod: Pod) {
        placed[pod.uid] = nil
        waiting[pod.uid] = pod
        isDirty = true
    }

    /// Whether the pod has not been told this yet.
    mutating func isNews(_ pod: Pod, _ message: String) -> Bool {
        told.updateValue(message, forKey: pod.uid) != message
    }
}
