import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Keeps as many pods of a replica set as it says.
final class ReplicaSetController: Controller {
    static let component = "replicaset-controller"

    private let client: KubeClient
    private let informers: SharedInformers
    private let events: EventRecorder
    private let clock: ControllerClock
    private let logger: Logger
    private let adoption: Adoption
    private let pods = ObjectIndex<Pod> { [ReplicaSetController.podKey($0)] }
    private let sets = ObjectIndex<ReplicaSet> { set in
        [set.uid, "in/\(set.namespace)"] + (set.metadata.controller.map { ["of/\($0.uid)"] } ?? [])
    }
    private let assumed: AssumedObjects<Pod>

    init(client: KubeClient, informers: SharedInformers, events: EventRecorder, clock: ControllerClock, logger: Logger) {
        (self.client, self.informers, self.events, self.clock, self.logger) = (client, informers, events, clock, logger)
        adoption = Adoption(client: client)
        assumed = AssumedObjects(clock: clock)
    }

    /// Pods are found by whose they are; those of nobody by their namespace.
    private static func podKey(_ pod: Pod) -> String { pod.metadata.controller.map { "of/\($0.uid)" } ?? orphans(pod.namespace) }
    private static func orphans(_ namespace: String) -> String { "orphans/\(namespace)" }

    func run() async {
        let queue = RetryingQueue<ObjectName>(limit: 8, clock: clock, logger: logger)
        let sources = [
            ChangeSource(informers.replicaSets) { [self] change in
                sets.apply(change)
                if case .deleted(let set) = change { assumed.forget(owner: set.uid) }
                if let set = change.object { queue.add(ObjectName(set)) }
            },
            ChangeSource(informers.pods) { [self] change in
                pods.apply(change)
                assumed.apply(change)
                for name in concerned(change) { queue.add(name) }
            },
        ]
        await Following.run(sources) { await queue.run(self.sync) }
    }

    /// The sets that a change of a pod may matter to.
    private func concerned(_ change: Informer<Pod>.Change) -> [ObjectName] {
        guard let pod = change.object else { return [] }
        var names = owner(pod)
        if case .modified(_, let previous) = change { names += owner(previous) }
        if case .deleted = change { return names }
        guard pod.metadata.controller == nil else { return names }
        // Nobody's pod: whoever selects it may adopt it.
        return names + sets.objects("in/\(pod.namespace)", where: { selector($0)?.matches(pod.metadata.labels) == true }).map(ObjectName.init)
    }

    private func owner(_ pod: Pod) -> [ObjectName] { pod.metadata.controller.map { sets.objects($0.uid).map(ObjectName.init) } ?? [] }

    /// Nil for a selector that selects nothing or cannot be read.
    private func selector(_ set: ReplicaSet) -> LabelRequirements? {
        guard let selector = try? LabelRequirements(selector: set.spec.selector.json), !selector.isEmpty else { return nil }
        return selector
    }

    private func sync(_ name: ObjectName) async throws -> WorkResult {
        guard let set = sets.object(name), let selector = selector(set) else { return .done }
        let isDeleted = set.metadata.deletionTimestamp != nil
        try await assumed.verify(owner: set.uid, client: client)
        let candidates = pods.objects("of/\(set.uid)") + pods.objects(Self.orphans(set.namespace), where: \.isActive)
        let claim = Claim(candidates, owner: set.uid, isDeleted: isDeleted, selector: selector)
        let owned = try await adoption.settle(claim, owner: set)
        let active = assumed.overlay(owned.filter(\.isActive), owner: set.uid)
        let plan = ReplicaSetPlanner.plan(set, active: active, related: relatedPods(set), now: clock.now())
        let failure = await carryOut(plan, set)
        let now = clock.now()
        let after = assumed.overlay(active, owner: set.uid)
        let terminating = owned.count { $0.metadata.deletionTimestamp != nil && !$0.hasEnded }
        let status = ReplicaSetPlanner.status(set, active: after, terminating: terminating, failure: failure, now: now)
        if let patch = MergePatch.status(of: set, from: set.status, to: status) {
            try await ignoringNotFound {
                _ = try await client.patch(ReplicaSet.resource, namespace: set.namespace, name: set.name, subresource: "status", patch)
            }
        }
        if failure != nil { return .retry }
        return .at(ReplicaSetPlanner.nextAvailability(set, active: after, now: now), assumed.nextCheck(owner: set.uid))
    }

    /// The active pods of all sets of the workload that this one belongs to.
    private func relatedPods(_ set: ReplicaSet) -> [Pod] {
        let related = set.metadata.controller.map { sets.objects("of/\($0.uid)") } ?? [set]
        return related.flatMap { pods.objects("of/\($0.uid)") }.filter(\.isActive)
    }

    private func carryOut(_ plan: ReplicaSetPlanner.Plan, _ set: ReplicaSet) async -> ReplicaSetPlanner.Failure? {
        do {
            if plan.creations > 0 { try await create(plan.creations, set) }
        } catch let error as KubeError where error.isNamespaceTerminating {
            return nil  // Nothing can be made here any more, and nobody misses it.
        } catch {
            return .init(reason: "FailedCreate", message: "\(error)")
        }
        do {
            if !plan.deletions.isEmpty { try await delete(plan.deletions, set) }
        } catch {
            return .init(reason: "FailedDelete", message: "\(error)")
        }
        return nil
    }

    private func create(_ count: Int, _ set: ReplicaSet) async throws {
        let pod = ReplicaSetPlanner.pod(set)
        for size in ReplicaSetPlanner.batches(count) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<size { group.addTask { try await self.createOne(pod, set) } }
                try await settle(&group)
            }
        }
    }

    private func createOne(_ pod: Pod, _ set: ReplicaSet) async throws {
        do {
            let created = try await client.create(pod)
            assumed.created(created, owner: set.uid, seen: pods.object(ObjectName(created)))
            events.record(set, .normal, component: Self.component, reason: "SuccessfulCreate", "Created pod: \(created.name)")
        } catch {
            if !Task.isCancelled {
                events.record(set, .warning, component: Self.component, reason: "FailedCreate", "Error creating: \(error)")
            }
            throw error
        }
    }

    private func delete(_ doomed: [Pod], _ set: ReplicaSet) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for pod in doomed { group.addTask { try await self.deleteOne(pod, set) } }
            try await settle(&group)
        }
    }

    private func deleteOne(_ pod: Pod, _ set: ReplicaSet) async throws {
        do {
            _ = try await client.delete(Pod.resource, namespace: pod.namespace, name: pod.name, uid: pod.uid)
            assumed.deleted(pod, owner: set.uid, seen: pods.object(ObjectName(pod)))
            events.record(set, .normal, component: Self.component, reason: "SuccessfulDelete", "Deleted pod: \(pod.name)")
        } catch let error as KubeError where error.isNotFound || error.isConflict {
            // Gone, or another pod by that name: what was asked for has happened.
            assumed.deleted(pod, owner: set.uid, seen: pods.object(ObjectName(pod)))
        } catch {
            events.record(set, .warning, component: Self.component, reason: "FailedDelete", "Error deleting: \(error)")
            throw error
        }
    }

    /// Lets every task of the batch end, then throws the first error: what the others have done must be known.
    private func settle(_ group: inout ThrowingTaskGroup<Void, any Error>) async throws {
        var first: (any Error)?
        while let result = await group.nextResult() {
            if case .failure(let error) = result { first = first ?? error }
        }
        if let first { throw first }
    }
}
