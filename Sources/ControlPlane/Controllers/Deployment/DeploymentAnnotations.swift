import KubeTypes

/// The annotations by which deployments and their replica sets remember revisions and sizes.
enum DeploymentAnnotations {
    static let revision = "deployment.kubernetes.io/revision"
    /// Earlier revisions of a replica set that a rollback made the newest again.
    static let revisionHistory = "deployment.kubernetes.io/revision-history"
    /// `spec.replicas` of the deployment when the replica set was last scaled: a difference is a scaling.
    static let desiredReplicas = "deployment.kubernetes.io/desired-replicas"
    /// The same with the surge.
    static let maxReplicas = "deployment.kubernetes.io/max-replicas"

    /// What a replica set does not take over from its deployment.
    private static let own: Set<String> = [
        revision, revisionHistory, desiredReplicas, maxReplicas, "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
    ]

    static func revision(of set: ReplicaSet) -> Int { set.metadata.annotations[revision].flatMap { Int($0) } ?? 0 }

    /// What the newest replica set's annotations should be changed to.
    /// - Parameter revision: the one after all older sets' revisions.
    static func changes(_ set: ReplicaSet, deployment: Deployment, revision new: Int) -> [String: String] {
        var changes = deployment.metadata.annotations.filter { !own.contains($0.key) && set.metadata.annotations[$0.key] != $0.value }
        let old = Self.revision(of: set)
        guard old < new else { return changes }
        changes[revision] = String(new)
        if old > 0 {
            let history = (set.metadata.annotations[revisionHistory] ?? "").split(separator: ",").map(String.init)
            changes[revisionHistory] = (history + [String(old)]).suffix(100).joined(separator: ",")
        }
        return changes
    }

    static func sizes(_ deployment: Deployment) -> [String: String] {
        let replicas = deployment.wantedReplicas
        return [desiredReplicas: String(replicas), maxReplicas: String(replicas + RolloutBounds(deployment).maxSurge)]
    }
}
