import KubeAPI
import KubeTypes

/// The status of a deployment, and whether its rollout moves, in upstream's conditions and reasons. Pure.
struct DeploymentProgress {
    let deployment: Deployment
    let now: Time
    private var conditions: [DeploymentCondition]

    init(_ deployment: Deployment, now: Time) {
        self.deployment = deployment
        self.now = now.truncatedToSeconds
        conditions = deployment.status.conditions
    }

    private func condition(_ type: String) -> DeploymentCondition? { conditions.first { $0.type == type } }

    private mutating func remove(_ type: String) { conditions.removeAll { $0.type == type } }

    /// A condition that says the same for the same reason stays as it was told first.
    private mutating func set(_ type: String, _ status: String, _ reason: String, _ message: String) {
        let old = condition(type)
        if let old, old.status == status, old.reason == reason { return }
        remove(type)
        conditions.append(
            DeploymentCondition(
                lastTransitionTime: old?.status == status ? old?.lastTransitionTime : now, lastUpdateTime: now, message: message, reason: reason,
                status: status, type: type))
    }

    // MARK: what the planner notes

    /// Says how the rollout goes, where that is watched at all.
    mutating func set(_ status: String, _ reason: String, _ message: String) {
        if deployment.progressDeadline != nil { set("Progressing", status, reason, message) }
    }

    /// The set of the template was there already.
    mutating func found(_ set: ReplicaSet) {
        if condition("Progressing") == nil { self.set("True", "FoundNewReplicaSet", "Found new replica set \"\(set.name)\"") }
    }

    /// A pause stops the deadline; its end begins it anew.
    mutating func notePause() {
        guard deployment.progressDeadline != nil else { return }
        let reason = condition("Progressing")?.reason
        guard reason != "ProgressDeadlineExceeded" else { return }
        if deployment.spec.paused == true {
            set("Unknown", "DeploymentPaused", "Deployment is paused")
        } else if reason == "DeploymentPaused" {
            set("Unknown", "DeploymentResumed", "Deployment is resumed")
        }
    }

    // MARK: status

    /// The numbers, and whether enough pods are available.
    mutating func counts(_ sets: [ReplicaSet], newest: Int?, _ bounds: RolloutBounds) -> DeploymentStatus {
        let available = sets.reduce(0) { $0 + $1.availableReplicas }
        let total = sets.reduce(0) { $0 + $1.status.replicas }
        if available >= deployment.wantedReplicas - bounds.maxUnavailable {
            set("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            set("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        }
        var status = DeploymentStatus()
        status.observedGeneration = deployment.metadata.generation
        status.replicas = total.nonZero
        status.updatedReplicas = newest.flatMap { sets[$0].status.replicas.nonZero }
        status.readyReplicas = sets.reduce(0) { $0 + ($1.status.readyReplicas ?? 0) }.nonZero
        status.availableReplicas = available.nonZero
        status.unavailableReplicas = max(0, total - available).nonZero
        status.terminatingReplicas = sets.reduce(0) { $0 + ($1.status.terminatingReplicas ?? 0) }
        status.collisionCount = deployment.status.collisionCount
        status.conditions = conditions
        return status
    }

    /// The same while a rollout may be under way.
    mutating func rollout(_ sets: [ReplicaSet], newest: Int?, _ bounds: RolloutBounds) -> DeploymentStatus {
        var status = counts(sets, newest: newest, bounds)
        if deployment.progressDeadline == nil { remove("Progressing") }
        let isOver = status.replicas == status.updatedReplicas && condition("Progressing")?.reason == "NewReplicaSetAvailable"
        if deployment.progressDeadline != nil, !isOver { judge(status, newest.map { sets[$0] }) }
        noteFailures(sets, newest)
        status.conditions = conditions
        return status
    }

    private mutating func judge(_ status: DeploymentStatus, _ newest: ReplicaSet?) {
        let subject = newest.map { "ReplicaSet \"\($0.name)\"" } ?? "Deployment \"\(deployment.name)\""
        if isComplete(status) {
            set("True", "NewReplicaSetAvailable", "\(subject) has successfully progressed.")
        } else if isMoving(status) {
            // Told again each time, since the deadline counts from the last telling.
            let old = condition("Progressing")
            remove("Progressing")
            set("Progressing", "True", "ReplicaSetUpdated", "\(subject) is progressing.")
            if old?.status == "True" { conditions[conditions.count - 1].lastTransitionTime = old?.lastTransitionTime }
        } else if isTimedOut {
            set("False", "ProgressDeadlineExceeded", "\(subject) has timed out progressing.")
        }
    }

    func isComplete(_ status: DeploymentStatus) -> Bool {
        let wanted = deployment.wantedReplicas
        return status.updatedReplicas ?? 0 == wanted && status.replicas ?? 0 == wanted && status.availableReplicas ?? 0 == wanted
            && status.observedGeneration ?? 0 >= deployment.metadata.generation ?? 0
    }

    private func isMoving(_ status: DeploymentStatus) -> Bool {
        let before = deployment.status
        let olderBefore = (before.replicas ?? 0) - (before.updatedReplicas ?? 0)
        let olderNow = (status.replicas ?? 0) - (status.updatedReplicas ?? 0)
        return status.updatedReplicas ?? 0 > before.updatedReplicas ?? 0 || olderNow < olderBefore
            || status.readyReplicas ?? 0 > before.readyReplicas ?? 0 || status.availableReplicas ?? 0 > before.availableReplicas ?? 0
    }

    private var isTimedOut: Bool {
        guard let deadline = deployment.progressDeadline, let told = condition("Progressing") else { return false }
        if told.reason == "NewReplicaSetAvailable" { return false }
        if told.reason == "ProgressDeadlineExceeded" { return true }
        return (told.lastUpdateTime ?? now) + deadline < now
    }

    /// How long until a rollout that does not move is late; nil if it cannot be.
    func untilDeadline(_ status: DeploymentStatus) -> Duration? {
        guard let deadline = deployment.progressDeadline, let told = status.conditions.first(where: { $0.type == "Progressing" }),
            !isComplete(status), told.reason != "ProgressDeadlineExceeded"
        else { return nil }
        // A second more, since times are told in whole seconds.
        return max(.seconds(1), (told.lastUpdateTime ?? now) + deadline - now + .seconds(1))
    }

    /// Pods that cannot be made are the deployment's worry too: the newest set's first.
    private mutating func noteFailures(_ sets: [ReplicaSet], _ newest: Int?) {
        let type = "ReplicaFailure"
        func failure(_ set: ReplicaSet) -> ReplicaSetCondition? { set.status.conditions.first { $0.type == type } }
        guard let found = newest.flatMap({ failure(sets[$0]) }) ?? sets.lazy.compactMap(failure).first else { return remove(type) }
        set(type, found.status, found.reason ?? "", found.message ?? "")
    }
}

extension DeploymentProgress {
    /// The status of a deployment whose new set the server refused.
    mutating func refused(_ message: String) -> DeploymentStatus {
        set("False", "ReplicaSetCreateError", message)
        var status = deployment.status
        status.conditions = conditions
        return status
    }
}
