import KubeAPI
import KubeTypes

/// What a replica set needs. Pure.
enum ReplicaSetPlanner {
    /// How many pods are created or deleted before the controller looks again, as upstream.
    static let burst = 500

    struct Plan: Equatable {
        /// How many pods to create.
        var creations = 0
        /// Which pods to delete.
        var deletions: [Pod] = []
    }

    /// - Parameters:
    ///   - active: the set's pods that run or will run.
    ///   - related: the active pods of all replica sets of the workload; for the order of deletion.
    static func plan(_ set: ReplicaSet, active: [Pod], related: [Pod], now: Time) -> Plan {
        guard set.metadata.deletionTimestamp == nil else { return Plan() }
        let wanted = set.spec.replicas ?? 1
        if active.count < wanted { return Plan(creations: min(wanted - active.count, burst)) }
        let surplus = min(active.count - wanted, burst)
        guard surplus > 0 else { return Plan() }
        // Nobody has to choose when all go.
        if surplus == active.count { return Plan(deletions: active) }
        return Plan(deletions: Array(PodDeletionOrder(related: related, now: now).sorted(active).prefix(surplus)))
    }

    /// Sizes of the batches in which pods are created: one first, twice as many after every batch without an error, so that a
    /// set whose pods are refused does not ask five hundred times.
    static func batches(_ count: Int) -> [Int] {
        var sizes: [Int] = []
        var remaining = count
        var size = 1
        while remaining > 0 {
            sizes.append(min(size, remaining))
            remaining -= size
            size *= 2
        }
        return sizes
    }

    /// Why pods could not be created or deleted.
    struct Failure: Equatable {
        /// `FailedCreate` or `FailedDelete`.
        var reason: String
        var message: String
    }

    /// - Parameter terminating: how many of the set's pods are on their way out.
    static func status(_ set: ReplicaSet, active: [Pod], terminating: Int, failure: Failure?, now: Time) -> ReplicaSetStatus {
        let minReady = set.spec.minReadySeconds ?? 0
        let templateLabels = LabelRequirements(matching: set.spec.template?.metadata.labels ?? [:])
        var status = ReplicaSetStatus()
        status.replicas = active.count
        // Counts of nothing are left out, as upstream leaves them out.
        status.fullyLabeledReplicas = active.count { templateLabels.matches($0.metadata.labels) }.nonZero
        status.readyReplicas = active.count(where: \.isReady).nonZero
        status.availableReplicas = active.count { $0.isAvailable(minReadySeconds: minReady, now: now) }.nonZero
        status.terminatingReplicas = terminating
        status.observedGeneration = set.metadata.generation
        status.conditions = conditions(set.status.conditions, failure, now)
        return status
    }

    private static func conditions(_ old: [ReplicaSetCondition], _ failure: Failure?, _ now: Time) -> [ReplicaSetCondition] {
        let type = "ReplicaFailure"
        let others = old.filter { $0.type != type }
        guard let failure else { return others }
        // The first failure is told until it is over: its time is when it began.
        if let told = old.first(where: { $0.type == type }) { return others + [told] }
        let condition = ReplicaSetCondition(
            lastTransitionTime: now.truncatedToSeconds, message: failure.message, reason: failure.reason, status: "True", type: type)
        return others + [condition]
    }

    /// How long until the next pod becomes available by waiting alone.
    static func nextAvailability(_ set: ReplicaSet, active: [Pod], now: Time) -> Duration? {
        let minReady = set.spec.minReadySeconds ?? 0
        return active.compactMap { $0.availableTime(minReadySeconds: minReady) }.filter { $0 > now }.min().map { $0 - now }
    }

    /// A new pod as the template says.
    static func pod(_ set: ReplicaSet) -> Pod {
        let template = set.spec.template ?? PodTemplateSpec()
        return Pod(with: {
            $0.metadata = ObjectMeta(with: {
                // The server cuts the base to fit; what it adds makes the name.
                $0.generateName = set.name + "-"
                $0.namespace = set.namespace
                $0.labels = template.metadata.labels
                $0.annotations = template.metadata.annotations
                $0.finalizers = template.metadata.finalizers
                $0.ownerReferences = [OwnerReference(controller: set, of: ReplicaSet.resource)]
            })
            $0.spec = template.spec
        })
    }
}

extension Int {
    /// Nil for 0.
    var nonZero: Int? { self == 0 ? nil : self }
}
