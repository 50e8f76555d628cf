import KubeTypes

/// What a deployment needs: changes of replica sets, in order, then its status.
struct DeploymentPlan: Sendable {
    var actions: [DeploymentAction] = []
    var status = DeploymentStatus()
    /// The newest replica set's revision; the deployment carries it too.
    var revision: String?
    /// How long until the deadline of progress.
    var recheck: Duration?

    /// Adds to what is already planned for the set: one write a set, since a second one would state a version that is past.
    mutating func change(_ set: ReplicaSet, _ change: ReplicaSetChange) {
        for (index, action) in actions.enumerated() {
            guard case .update(let planned, var changes) = action, planned.uid == set.uid else { continue }
            changes.merge(change)
            actions[index] = .update(planned, changes)
            return
        }
        actions.append(.update(set, change))
    }
}

enum DeploymentAction: Sendable, CustomStringConvertible {
    case create(ReplicaSet)
    /// The set as it was seen, and what becomes of it.
    case update(ReplicaSet, ReplicaSetChange)
    case delete(ReplicaSet)

    var description: String {
        switch self {
        case .create(let set): "create \(set.name) with \(set.wantedReplicas)"
        case .update(let set, let change):
            if let replicas = change.replicas, replicas != set.wantedReplicas {
                "scale \(set.name) from \(set.wantedReplicas) to \(replicas)"
            } else {
                "annotate \(set.name)"
            }
        case .delete(let set): "delete \(set.name)"
        }
    }
}

struct ReplicaSetChange: Equatable, Sendable {
    var replicas: Int?
    var minReadySeconds: Int?
    var annotations: [String: String] = [:]

    mutating func merge(_ other: ReplicaSetChange) {
        replicas = other.replicas ?? replicas
        minReadySeconds = other.minReadySeconds ?? minReadySeconds
        annotations.merge(other.annotations) { _, new in new }
    }
}
