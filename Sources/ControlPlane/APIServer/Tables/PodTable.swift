internal import JSONTree
internal import KubeAPI

extension TableDefinition {
    static let pods = TableDefinition(
        columns: [
            name,
            Column(name: "Ready", description: "The number of ready containers and of all containers."),
            Column(name: "Status", description: "The phase, or the reason why the pod is not as it should be."),
            Column(name: "Restarts", description: "How often containers were restarted, and when last."),
            age,
            Column(name: "IP", description: "The address of the pod.", priority: 1),
            Column(name: "Node", description: "The node that the pod is bound to.", priority: 1),
            Column(name: "Nominated Node", description: "The node that the pod may get after a preemption.", priority: 1),
            Column(name: "Readiness Gates", description: "How many of the pod's readiness gates hold.", priority: 1),
        ],
        cells: { pod, now in
            let summary = PodSummary(pod)
            return [
                objectName(pod), .string("\(summary.ready)/\(summary.total)"), .string(summary.reason), .string(summary.restarts(now)),
                age(pod, now),
                orNone(pod[path: "status", "podIP"]), orNone(pod[path: "spec", "nodeName"]), orNone(pod[path: "status", "nominatedNodeName"]),
                .string(readinessGates(pod)),
            ]
        })

    static func orNone(_ value: JSON?) -> JSON {
        guard let text = value?.string, !text.isEmpty else { return "<none>" }
        return .string(text)
    }

    private static func readinessGates(_ pod: JSON) -> String {
        let gates = pod[path: "spec", "readinessGates"]?.array ?? []
        guard !gates.isEmpty else { return "<none>" }
        let met = gates.filter { gate in PodSummary.condition(pod, gate["conditionType"]?.string ?? "") == "True" }
        return "\(met.count)/\(gates.count)"
    }
}

/// What a pod's containers add up to, with the wording of `kubectl get pods`.
struct PodSummary {
    private(set) var ready = 0
    private(set) var total = 0
    private(set) var reason = ""
    private var restartCount: Int64 = 0
    private var lastRestart: Time?

    init(_ pod: JSON) {
        let status = pod["status"]
        reason = nonEmpty(status?["reason"]) ?? nonEmpty(status?["phase"]) ?? ""
        if let scheduled = Self.conditionValue(pod, "PodScheduled"), scheduled["reason"]?.string == "SchedulingGated" { reason = "SchedulingGated" }
        total = pod[path: "spec", "containers"]?.array?.count ?? 0

        let initContainers = pod[path: "spec", "initContainers"]?.array ?? []
        let sidecars = Set(initContainers.filter { $0["restartPolicy"]?.string == "Always" }.compactMap { $0["name"]?.string })
        total += sidecars.count
        let (initializing, sidecarRestarts, sidecarLastRestart) = countInit(status, sidecars: sidecars, count: initContainers.count)
        if !initializing || Self.condition(pod, "Initialized") == "True" {
            restartCount = sidecarRestarts
            lastRestart = sidecarLastRestart
            countContainers(pod)
        }
        if pod[path: "metadata", "deletionTimestamp"] != nil {
            let phase = status?["phase"]?.string
            if status?["reason"]?.string == "NodeLost" {
                reason = "Unknown"
            } else if phase != "Succeeded", phase != "Failed" {
                reason = "Terminating"
            }
        }
    }

    func restarts(_ now: Time) -> String {
        guard restartCount != 0, let lastRestart else { return "\(restartCount)" }
        return "\(restartCount) (\(humanDuration(seconds: now.seconds - lastRestart.seconds)) ago)"
    }

    static func condition(_ pod: JSON, _ type: String) -> String? { conditionValue(pod, type)?["status"]?.string }

    private static func conditionValue(_ pod: JSON, _ type: String) -> JSON? {
        pod[path: "status", "conditions"]?.array?.first { $0["type"]?.string == type }
    }

    /// Goes through the init containers up to the first that is not done.
    private mutating func countInit(_ status: JSON?, sidecars: Set<String>, count: Int) -> (initializing: Bool, restarts: Int64, last: Time?) {
        var sidecarRestarts: Int64 = 0
        var sidecarLastRestart: Time?
        for (index, container) in (status?["initContainerStatuses"]?.array ?? []).enumerated() {
            let isSidecar = sidecars.contains(container["name"]?.string ?? "")
            let restarts = container["restartCount"]?.int ?? 0
            restartCount = Self.sum(restartCount, restarts)
            lastRestart = Self.later(lastRestart, container)
            if isSidecar {
                sidecarRestarts = Self.sum(sidecarRestarts, restarts)
                sidecarLastRestart = Self.later(sidecarLastRestart, container)
            }
            let terminated = container[path: "state", "terminated"]
            let waiting = nonEmpty(container[path: "state", "waiting", "reason"])
            if let terminated, terminated["exitCode"]?.int == 0 { continue }
            if isSidecar, container["started"]?.bool == true {
                if container["ready"]?.bool == true { ready += 1 }
                continue
            }
            if let terminated {
                reason = "Init:" + (nonEmpty(terminated["reason"]) ?? Self.exit(terminated))
            } else if let waiting, waiting != "PodInitializing" {
                reason = "Init:" + waiting
            } else {
                reason = "Init:\(index)/\(count)"
            }
            return (true, sidecarRestarts, sidecarLastRestart)
        }
        return (false, sidecarRestarts, sidecarLastRestart)
    }

    private mutating func countContainers(_ pod: JSON) {
        var running = false
        // From the last to the first, so that the first container's reason is the one that is shown.
        for container in (pod[path: "status", "containerStatuses"]?.array ?? []).reversed() {
            restartCount = Self.sum(restartCount, container["restartCount"]?.int ?? 0)
            lastRestart = Self.later(lastRestart, container)
            let state = container["state"]
            if let waiting = nonEmpty(state?[path: "waiting", "reason"]) {
                reason = waiting
            } else if let terminated = state?["terminated"] {
                reason = nonEmpty(terminated["reason"]) ?? Self.exit(terminated)
            } else if container["ready"]?.bool == true, state?["running"] != nil {
                running = true
                ready += 1
            }
        }
        if reason == "Completed", running { reason = Self.condition(pod, "Ready") == "True" ? "Running" : "NotReady" }
    }

    private static func exit(_ terminated: JSON) -> String {
        if let signal = terminated["signal"]?.int, signal != 0 { return "Signal:\(signal)" }
        return "ExitCode:\(terminated["exitCode"]?.int ?? 0)"
    }

    private static func later(_ time: Time?, _ container: JSON) -> Time? {
        guard let text = container[path: "lastState", "terminated", "finishedAt"]?.string, let other = try? Time(text) else { return time }
        return time.map { max($0, other) } ?? other
    }

    /// Counts come from a client and may be anything.
    private static func sum(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }
}

/// The text of a string that is not empty.
func nonEmpty(_ value: JSON?) -> String? {
    guard let text = value?.string, !text.isEmpty else { return nil }
    return text
}
