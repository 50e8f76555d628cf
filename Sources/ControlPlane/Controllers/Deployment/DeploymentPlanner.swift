import KubeAPI
import KubeTypes

/// Decides what a deployment does next. Pure: a value made for one look, asked once.
///
/// One look makes one kind of step, as upstream does: the newest set grows, or older ones shrink, and the watch of what came of
/// it brings the next look. Every step keeps to the bounds of surge and unavailability on what is known then.
struct DeploymentPlanner {
    let deployment: Deployment
    let bounds: RolloutBounds
    let now: Time
    /// The deployment's sets, oldest first; sizes change as they are planned.
    var sets: [ReplicaSet]
    /// The set of the present template.
    var newest: Int?
    var plan = DeploymentPlan()

    /// - Parameters:
    ///   - replicaSets: those that the deployment owns.
    ///   - pods: those of the replica sets, on their way out or not.
    static func plan(_ deployment: Deployment, replicaSets: [ReplicaSet], pods: [Pod], now: Time) -> DeploymentPlan {
        var planner = DeploymentPlanner(deployment, replicaSets, now: now)
        planner.decide(pods)
        return planner.plan
    }

    init(_ deployment: Deployment, _ replicaSets: [ReplicaSet], now: Time) {
        self.deployment = deployment
        self.now = now
        bounds = RolloutBounds(deployment)
        sets = replicaSets.sorted(by: Self.isOlder)
        let template = TemplateHash.identity(deployment.spec.template)
        // Of several with one template (which cannot be told apart) the oldest is kept.
        newest = sets.firstIndex { $0.spec.template.map(TemplateHash.identity) == template }
    }

    static func isOlder(_ left: ReplicaSet, _ right: ReplicaSet) -> Bool {
        let times = (left.metadata.creationTimestamp ?? Time(seconds: 0), right.metadata.creationTimestamp ?? Time(seconds: 0))
        return times.0 == times.1 ? left.name < right.name : times.0 < times.1
    }

    var wanted: Int { deployment.wantedReplicas }
    var older: [Int] { sets.indices.filter { $0 != newest } }
    var activeOlder: [Int] { older.filter { sets[$0].wantedReplicas > 0 } }
    var total: Int { sets.reduce(0) { $0 + $1.wantedReplicas } }

    private mutating func decide(_ pods: [Pod]) {
        var progress = DeploymentProgress(deployment, now: now)
        if deployment.metadata.deletionTimestamp != nil {
            plan.status = progress.counts(sets, newest: newest, bounds)
            return
        }
        progress.notePause()
        if deployment.spec.paused == true || isScaling {
            keepRevision(&progress)
            scale()
            if deployment.spec.paused == true { cleanUp() }
            plan.status = progress.counts(sets, newest: newest, bounds)
            return
        }
        if deployment.isRolling { roll(&progress) } else { recreate(pods, &progress) }
        plan.status = progress.rollout(sets, newest: newest, bounds)
        if progress.isComplete(plan.status) { cleanUp() }
        plan.recheck = progress.untilDeadline(plan.status)
    }

    /// Whether `spec.replicas` has changed since the sets were last sized.
    private var isScaling: Bool {
        sets.contains { set in
            guard set.wantedReplicas > 0, let desired = set.metadata.annotations[DeploymentAnnotations.desiredReplicas] else { return false }
            return desired != String(wanted)
        }
    }

    // MARK: strategies

    private mutating func roll(_ progress: inout DeploymentProgress) {
        ensureNewest(&progress)
        guard let newest else { return }
        let size = sets[newest].wantedReplicas
        if size != wanted {
            let grown = size > wanted ? wanted : newestSize(size)
            if grown != size { return resize(newest, to: grown) }
        }
        shrinkOlder()
    }

    /// Everything old ends before anything new begins.
    private mutating func recreate(_ pods: [Pod], _ progress: inout DeploymentProgress) {
        keepRevision(&progress)
        let active = activeOlder
        if !active.isEmpty {
            for index in active { resize(index, to: 0) }
            return
        }
        if isOldRunning(pods) { return }
        ensureNewest(&progress)
        if let newest { resize(newest, to: wanted) }
    }

    private func isOldRunning(_ pods: [Pod]) -> Bool {
        if older.contains(where: { sets[$0].status.replicas > 0 }) { return true }
        let current = newest.map { sets[$0].uid }
        // A pod on its way out still runs; only one that has ended does not.
        return pods.contains { $0.metadata.controller?.uid != current && !$0.hasEnded }
    }

    /// The size of the newest set that the surge has room for.
    func newestSize(_ size: Int) -> Int {
        guard deployment.isRolling else { return wanted }
        let room = wanted + bounds.maxSurge - total
        return room <= 0 ? size : size + min(room, wanted - size)
    }

    // MARK: the newest set

    private mutating func ensureNewest(_ progress: inout DeploymentProgress) {
        if newest != nil { return keepRevision(&progress) }
        let hash = TemplateHash.hash(deployment.spec.template, collisionCount: deployment.status.collisionCount ?? 0)
        var set = ReplicaSet(with: {
            $0.metadata.name = "\(deployment.name)-\(hash)"
            $0.metadata.namespace = deployment.namespace
            $0.metadata.ownerReferences = [OwnerReference(controller: deployment, of: Deployment.resource)]
            $0.spec.minReadySeconds = deployment.spec.minReadySeconds?.nonZero
            $0.spec.replicas = newestSize(0)
            var selector = deployment.spec.selector
            selector.matchLabels[TemplateHash.label] = hash
            $0.spec.selector = selector
            var template = deployment.spec.template
            template.metadata.labels[TemplateHash.label] = hash
            $0.spec.template = template
            $0.metadata.labels = template.metadata.labels
        })
        let revision = nextRevision
        set.metadata.annotations = DeploymentAnnotations.changes(set, deployment: deployment, revision: revision)
        set.metadata.annotations.merge(DeploymentAnnotations.sizes(deployment)) { _, new in new }
        plan.actions.append(.create(set))
        plan.revision = String(revision)
        sets.append(set)
        newest = sets.count - 1
        progress.set("True", "NewReplicaSetCreated", "Created new replica set \"\(set.name)\"")
    }

    private var nextRevision: Int { (older.map { DeploymentAnnotations.revision(of: sets[$0]) }.max() ?? 0) + 1 }

    /// Brings the newest set's revision, annotations and readiness time up to date, if there is one.
    private mutating func keepRevision(_ progress: inout DeploymentProgress) {
        guard let newest else { return }
        var change = ReplicaSetChange()
        change.annotations = DeploymentAnnotations.changes(sets[newest], deployment: deployment, revision: nextRevision)
        let minReady = deployment.spec.minReadySeconds ?? 0
        if sets[newest].spec.minReadySeconds ?? 0 != minReady { change.minReadySeconds = minReady }
        if change != ReplicaSetChange() {
            plan.change(sets[newest], change)
            sets[newest].metadata.annotations.merge(change.annotations) { _, new in new }
        }
        plan.revision = sets[newest].metadata.annotations[DeploymentAnnotations.revision]
        progress.found(sets[newest])
    }

    /// Removes older sets beyond the history that is to be kept.
    private mutating func cleanUp() {
        guard let limit = deployment.spec.revisionHistoryLimit else { return }
        let old = older.map { sets[$0] }.filter { $0.metadata.deletionTimestamp == nil }
        guard old.count > limit else { return }
        let byRevision = old.sorted { DeploymentAnnotations.revision(of: $0) < DeploymentAnnotations.revision(of: $1) }
        for set in byRevision.prefix(old.count - limit) {
            let isSettled = set.status.observedGeneration ?? 0 >= set.metadata.generation ?? 0
            if set.wantedReplicas == 0, set.status.replicas == 0, isSettled { plan.actions.append(.delete(set)) }
        }
    }
}
