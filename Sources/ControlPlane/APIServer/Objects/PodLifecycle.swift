internal import JSONTree

struct PodLifecycle: ObjectLifecycle {
    var returnsDeletedObject: Bool { true }

    /// What Kubernetes' admission plugins that are always on do to a new pod.
    func admit(_ pod: inout JSON) {
        guard pod["spec"]?.object != nil else { return }
        Self.setPriority(&pod)
        Self.addTolerations(&pod)
    }

    private static func setPriority(_ pod: inout JSON) {
        let priority: JSON =
            switch pod[path: "spec", "priorityClassName"]?.string {
            case "system-cluster-critical": 2_000_000_000
            case "system-node-critical": 2_000_001_000
            default: pod[path: "spec", "priority"] ?? 0
            }
        pod["spec"]?["priority"] = priority
        if pod[path: "spec", "preemptionPolicy"] == nil { pod["spec"]?["preemptionPolicy"] = "PreemptLowerPriority" }
    }

    /// A pod stays for five minutes on a node that is not reachable (DefaultTolerationSeconds).
    private static func addTolerations(_ pod: inout JSON) {
        var tolerations = pod[path: "spec", "tolerations"]?.array ?? []
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let tolerated = tolerations.contains { toleration in
                let matches = toleration["key"]?.string == key || nonEmpty(toleration["key"]) == nil
                return matches && (nonEmpty(toleration["effect"]) ?? "NoExecute") == "NoExecute"
            }
            if !tolerated { tolerations.append(["key": .string(key), "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300]) }
        }
        pod["spec"]?["tolerations"] = .array(tolerations)
    }

    /// A pod that no node has, or that has ended, has nothing to wind down.
    func gracePeriod(_ pod: JSON, requested: Int64?) -> Int64 {
        let phase = pod[path: "status", "phase"]?.string
        if nonEmpty(pod[path: "spec", "nodeName"]) == nil || phase == "Succeeded" || phase == "Failed" { return 0 }
        let period = requested ?? pod[path: "spec", "terminationGracePeriodSeconds"]?.int ?? 30
        // What a spec says is any number; deadlines must stay within what a time can say.
        return period < 0 ? 1 : min(period, Int64(Int32.max))
    }
}
