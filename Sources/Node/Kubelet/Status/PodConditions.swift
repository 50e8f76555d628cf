internal import JSONTree

/// One condition of a pod, without its times.
struct PodCondition: Sendable, Hashable {
    var type: String
    var status: Bool
    var reason = ""
    var message = ""
}

/// The conditions that the kubelet owns. `PodScheduled` and those of readiness gates belong to others and are kept.
enum PodConditions {
    static let owned: Set<String> = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"]

    struct Input {
        var phase: PodPhase
        var hasSandbox: Bool
        var isInitialized: Bool
        /// Names in their order.
        var incompleteInitContainers: [String]
        var unreadyContainers: [String]
        /// `(condition type, its status as others have set it)`; nil if nobody has.
        var readinessGates: [(type: String, status: String?)]
    }

    static func build(_ input: Input) -> [PodCondition] {
        let containersReady = containersReady(input, type: "ContainersReady")
        return [
            PodCondition(type: "PodReadyToStartContainers", status: input.hasSandbox),
            initialized(input),
            ready(input, containersReady),
            containersReady,
        ]
    }

    private static func initialized(_ input: Input) -> PodCondition {
        if input.phase == .succeeded { return PodCondition(type: "Initialized", status: true, reason: "PodCompleted") }
        if input.isInitialized || input.incompleteInitContainers.isEmpty { return PodCondition(type: "Initialized", status: true) }
        return PodCondition(
            type: "Initialized", status: false, reason: "ContainersNotInitialized",
            message: "containers with incomplete status: [\(input.incompleteInitContainers.joined(separator: " "))]")
    }

    private static func containersReady(_ input: Input, type: String) -> PodCondition {
        switch input.phase {
        case .succeeded: return PodCondition(type: type, status: false, reason: "PodCompleted")
        case .failed: return PodCondition(type: type, status: false, reason: "PodFailed")
        case .pending, .running: break
        }
        guard !input.unreadyContainers.isEmpty else { return PodCondition(type: type, status: true) }
        return PodCondition(
            type: type, status: false, reason: "ContainersNotReady",
            message: "containers with unready status: [\(input.unreadyContainers.joined(separator: " "))]")
    }

    private static func ready(_ input: Input, _ containersReady: PodCondition) -> PodCondition {
        guard containersReady.status else {
            var condition = containersReady
            condition.type = "Ready"
            return condition
        }
        let unready = input.readinessGates.compactMap { gate -> String? in
            switch gate.status {
            case "True": nil
            case nil: "corresponding condition of pod readiness gate \"\(gate.type)\" does not exist."
            case let status?: "the status of pod readiness gate \"\(gate.type)\" is not \"True\", but \(status)"
            }
        }
        guard unready.isEmpty else {
            return PodCondition(type: "Ready", status: false, reason: "ReadinessGatesNotReady", message: unready.joined(separator: ", "))
        }
        return PodCondition(type: "Ready", status: true)
    }

    /// The conditions as JSON: times move only when the status does; those of others come from `current`.
    static func json(_ conditions: [PodCondition], published: JSON?, generation: Int64?, now: WallTime) -> [JSON] {
        let before = published?["conditions"]?.array ?? []
        return conditions.map { condition in
            let status = condition.status ? "True" : "False"
            let old = before.first { $0["type"]?.string == condition.type }
            let time = old?["status"]?.string == status ? old?["lastTransitionTime"] : nil
            var object: JSONObject = ["type": JSON(condition.type), "status": JSON(status)]
            object["lastTransitionTime"] = time ?? JSON(now.rfc3339)
            if !condition.reason.isEmpty { object["reason"] = JSON(condition.reason) }
            if !condition.message.isEmpty { object["message"] = JSON(condition.message) }
            if let generation { object["observedGeneration"] = JSON(generation) }
            return .object(object)
        }
    }
}
