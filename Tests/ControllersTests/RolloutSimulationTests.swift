import KubeAPI
import KubeTypes
import Testing

@testable import Controllers

/// Rolls a model of a deployment to its end under random bounds, with pods that become ready in any order.
@Suite struct RolloutSimulationTests {
    private struct Model {
        var deployment: Deployment
        var sets: [ReplicaSet]
        var created = 0

        mutating func carryOut(_ plan: DeploymentPlan) {
            for action in plan.actions {
                switch action {
                case .create(var set):
                    created += 1
                    set.metadata.uid = "made-\(created)"
                    set.metadata.creationTimestamp = start + .seconds(created)
                    sets.append(set)
                case .update(let set, let change):
                    guard let index = sets.firstIndex(where: { $0.uid == set.uid }) else { continue }
                    if let replicas = change.replicas { sets[index].spec.replicas = replicas }
                    sets[index].metadata.annotations.merge(change.annotations) { _, new in new }
                case .delete(let set): sets.removeAll { $0.uid == set.uid }
                }
            }
            deployment.status = plan.status
        }

        /// Something happens to one set: its pods are made or go, or one becomes available.
        mutating func happen(_ random: inout SeededRandom) {
            let index = Int.random(in: sets.indices, using: &random)
            let wanted = sets[index].wantedReplicas
            if sets[index].status.replicas != wanted {
                let available = min(sets[index].availableReplicas, wanted)
                sets[index].status.replicas = wanted
                sets[index].status.availableReplicas = available
                sets[index].status.readyReplicas = available
            } else if sets[index].availableReplicas < wanted {
                sets[index].status.availableReplicas = sets[index].availableReplicas + 1
                sets[index].status.readyReplicas = sets[index].availableReplicas
            }
        }

        var isRolledOut: Bool {
            let newest = sets.last { $0.spec.template?.spec.containers.first?.image == "web:2" }
            return newest?.availableReplicas == deployment.wantedReplicas && sets.allSatisfy { $0.uid == newest?.uid || $0.status.replicas == 0 }
        }
    }

    @Test("a rolling update always ends, never has more pods than the surge allows, never fewer available than the minimum", arguments: 0..<60)
    func invariants(seed: UInt64) throws {
        var random = SeededRandom(seed)
        let replicas = Int.random(in: 1...12, using: &random)
        let surge = Int.random(in: 0...4, using: &random)
        let unavailable = Int.random(in: surge == 0 ? 1...3 : 0...3, using: &random)
        var model = Model(
            deployment: deployment(replicas, maxSurge: .int(surge), maxUnavailable: .int(unavailable)),
            sets: [replicaSet("old", image: "web:1", replicas: replicas, revision: 1, desired: replicas, max: replicas + surge, age: 100)])
        let bounds = RolloutBounds(model.deployment)
        var looks = 0
        while !model.isRolledOut {
            looks += 1
            try #require(looks < 2000, "the rollout does not end: \(model.sets.map { "\($0.name) \($0.wantedReplicas)" })")
            model.carryOut(DeploymentPlanner.plan(model.deployment, replicaSets: model.sets, pods: [], now: start))
            let total = model.sets.reduce(0) { $0 + $1.wantedReplicas }
            #expect(total <= replicas + bounds.maxSurge)
            // What is available now and will not be taken away: a set that shrinks loses its unavailable pods first.
            let available = model.sets.reduce(0) { $0 + min($1.availableReplicas, $1.wantedReplicas) }
            #expect(available >= replicas - bounds.maxUnavailable)
            model.happen(&random)
        }
        let last = DeploymentPlanner.plan(model.deployment, replicaSets: model.sets, pods: [], now: start)
        #expect(last.status.conditions.first { $0.type == "Progressing" }?.reason == "NewReplicaSetAvailable")
        #expect(last.status.updatedReplicas == replicas)
    }
}

/// Random numbers that are the same in every run.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
