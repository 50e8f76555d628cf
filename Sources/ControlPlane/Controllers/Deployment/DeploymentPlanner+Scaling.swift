import KubeTypes

extension DeploymentPlanner {
    /// Plans a size. The set then carries the sizes that the deployment had.
    mutating func resize(_ index: Int, to replicas: Int) {
        let sizes = DeploymentAnnotations.sizes(deployment)
        let change = ReplicaSetChange(
            replicas: replicas == sets[index].wantedReplicas ? nil : replicas,
            annotations: sizes.filter { sets[index].metadata.annotations[$0.key] != $0.value })
        guard change.replicas != nil || !change.annotations.isEmpty else { return }
        plan.change(sets[index], change)
        sets[index].spec.replicas = replicas
        sets[index].metadata.annotations.merge(sizes) { _, new in new }
    }

    // MARK: rolling

    /// Takes from the older sets what the bounds allow: first pods that do not work anyway, then those that do.
    mutating func shrinkOlder() {
        guard let newest else { return }
        let olderTotal = activeOlder.reduce(0) { $0 + sets[$1].wantedReplicas }
        guard olderTotal > 0 else { return }
        let minimum = wanted - bounds.maxUnavailable
        let newUnavailable = max(0, sets[newest].wantedReplicas - sets[newest].availableReplicas)
        var allowance = total - minimum - newUnavailable
        guard allowance > 0 else { return }
        var spared: [Int: Int] = [:]
        for index in activeOlder {
            let size = sets[index].wantedReplicas
            let broken = min(allowance, size - sets[index].availableReplicas)
            if broken > 0 {
                allowance -= broken
                spared[index] = size - broken
            } else {
                spared[index] = size
            }
        }
        // A set that was made smaller a moment ago still counts pods that are on their way out: they are nobody's spare.
        var spare = sets.reduce(0) { $0 + min($1.availableReplicas, $1.wantedReplicas) } - minimum
        for index in activeOlder {
            guard let size = spared[index] else { continue }
            let taken = max(0, min(size, spare))
            spare -= taken
            // Only what changes is written: the sizes of the deployment are noted when a set is scaled.
            if size - taken != sets[index].wantedReplicas { resize(index, to: size - taken) }
        }
    }

    // MARK: scaling

    /// Follows a change of `spec.replicas`: the only set that runs gets it all; in the middle of a rollout every set gets its
    /// share, so that the risk of a bad version does not grow with the size.
    mutating func scale() {
        let active = sets.indices.filter { sets[$0].wantedReplicas > 0 }
        if active.count <= 1 {
            guard let target = active.first ?? newest ?? sets.indices.last else { return }
            if sets[target].wantedReplicas != wanted { resize(target, to: wanted) } else { noteSizes(target) }
            return
        }
        if let newest, isSaturated(sets[newest]) {
            for index in activeOlder { resize(index, to: 0) }
            return
        }
        if deployment.isRolling { scaleInProportion(active) }
    }

    /// The size is right, but was noted for another one: without this every look would take it for a scaling.
    private mutating func noteSizes(_ index: Int) { resize(index, to: sets[index].wantedReplicas) }

    private func isSaturated(_ set: ReplicaSet) -> Bool {
        set.wantedReplicas == wanted && set.availableReplicas == wanted
            && set.metadata.annotations[DeploymentAnnotations.desiredReplicas] == String(wanted)
    }

    private mutating func scaleInProportion(_ active: [Int]) {
        let allowed = wanted > 0 ? wanted + bounds.maxSurge : 0
        let difference = allowed - active.reduce(0) { $0 + sets[$1].wantedReplicas }
        // The largest first: it takes what rounding leaves. Of equals the newer grows and the older shrinks.
        let order = active.sorted { left, right in
            let sizes = (sets[left].wantedReplicas, sets[right].wantedReplicas)
            guard sizes.0 == sizes.1 else { return sizes.0 > sizes.1 }
            return difference > 0 ? Self.isOlder(sets[right], sets[left]) : Self.isOlder(sets[left], sets[right])
        }
        var given = 0
        var sizes: [Int] = []
        for index in order {
            let share = difference == 0 ? 0 : share(of: sets[index], remaining: difference - given)
            given += share
            sizes.append(sets[index].wantedReplicas + share)
        }
        if !sizes.isEmpty { sizes[0] = max(0, sizes[0] + difference - given) }
        for (index, size) in zip(order, sizes) { resize(index, to: size) }
    }

    private func share(of set: ReplicaSet, remaining: Int) -> Int {
        let size = set.wantedReplicas
        guard remaining != 0 else { return 0 }
        if wanted == 0 { return remaining > 0 ? 0 : max(-size, remaining) }
        let before = set.metadata.annotations[DeploymentAnnotations.maxReplicas].flatMap { Int($0) } ?? deployment.status.replicas ?? 0
        guard before > 0 else { return 0 }
        let scaled = (Double(size) * Double(wanted + bounds.maxSurge) / Double(before)).rounded()
        let fraction = Int(max(0, min(scaled, Double(Int32.max)))) - size
        return remaining > 0 ? min(fraction, remaining) : max(fraction, remaining)
    }
}
