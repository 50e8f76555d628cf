import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Moves deployments from one template to the next by sizing replica sets; `DeploymentPlanner` says how.
final class DeploymentController: Controller {
    static let component = "deployment-controller"

    private let client: KubeClient
    private let informers: SharedInformers
    private let events: EventRecorder
    private let clock: ControllerClock
    private let logger: Logger
    private let adoption: Adoption
    private let deployments = ObjectIndex<Deployment> { [$0.uid, "in/\($0.namespace)"] }
    private let sets = ObjectIndex<ReplicaSet> { set in
        [set.metadata.controller.map { "of/\($0.uid)" } ?? "orphans/\(set.namespace)", "uid/\(set.uid)"]
    }
    private let pods = ObjectIndex<Pod> { pod in pod.metadata.controller.map { ["of/\($0.uid)"] } ?? [] }

    init(client: KubeClient, informers: SharedInformers, events: EventRecorder, clock: ControllerClock, logger: Logger) {
        (self.client, self.informers, self.events, self.clock, self.logger) = (client, informers, events, clock, logger)
        adoption = Adoption(client: client)
    }

    func run() async {
        let queue = RetryingQueue<ObjectName>(limit: 5, clock: clock, logger: logger)
        let sources = [
            ChangeSource(informers.deployments) { [self] change in
                deployments.apply(change)
                if let deployment = change.object { queue.add(ObjectName(deployment)) }
            },
            ChangeSource(informers.replicaSets) { [self] change in
                sets.apply(change)
                for name in concerned(change) { queue.add(name) }
            },
            ChangeSource(informers.pods) { [self] change in
                pods.apply(change)
                for name in awaiting(change) { queue.add(name) }
            },
        ]
        await Following.run(sources) { await queue.run(self.sync) }
    }

    /// The deployments that a change of a replica set may matter to.
    private func concerned(_ change: Informer<ReplicaSet>.Change) -> [ObjectName] {
        guard let set = change.object else { return [] }
        var owners = [set.metadata.controller?.uid]
        if case .modified(_, let previous) = change { owners.append(previous.metadata.controller?.uid) }
        let names = owners.compactMap { $0 }.flatMap { deployments.objects($0) }.map(ObjectName.init)
        if case .deleted = change { return names }
        guard set.metadata.controller == nil else { return names }
        return names + deployments.objects("in/\(set.namespace)").filter { selector($0)?.matches(set.metadata.labels) == true }.map(ObjectName.init)
    }

    /// The deployments that may wait for this pod's end before they begin anew.
    private func awaiting(_ change: Informer<Pod>.Change) -> [ObjectName] {
        guard let pod = change.object, let owner = pod.metadata.controller else { return [] }
        if case .deleted = change {} else if !pod.hasEnded { return [] }
        let found = sets.objects("uid/\(owner.uid)").compactMap(\.metadata.controller?.uid).flatMap { deployments.objects($0) }
        return found.filter { !$0.isRolling }.map(ObjectName.init)
    }

    private func selector(_ deployment: Deployment) -> LabelRequirements? {
        guard let selector = try? LabelRequirements(selector: deployment.spec.selector.json), !selector.isEmpty else { return nil }
        return selector
    }

    private func sync(_ name: ObjectName) async throws -> WorkResult {
        guard let deployment = deployments.object(name), let selector = selector(deployment) else { return .done }
        let candidates = sets.objects("of/\(deployment.uid)") + sets.objects("orphans/\(deployment.namespace)")
        let isDeleted = deployment.metadata.deletionTimestamp != nil
        let claim = Claim(candidates, owner: deployment.uid, isDeleted: isDeleted, selector: selector)
        let owned = try await adoption.settle(claim, owner: deployment)
        let plan = DeploymentPlanner.plan(
            deployment, replicaSets: owned, pods: owned.flatMap { pods.objects("of/\($0.uid)") }, now: clock.now())
        for action in plan.actions {
            if let result = try await carryOut(action, deployment) { return result }
        }
        try await publish(plan.status, revision: plan.revision, deployment)
        return .at(plan.recheck)
    }

    private func publish(_ status: DeploymentStatus, revision: String?, _ deployment: Deployment) async throws {
        let key = DeploymentAnnotations.revision
        var patch = MergePatch.status(of: deployment, from: deployment.status, to: status)
        if let revision, deployment.metadata.annotations[key] != revision {
            // By the status, so that it is no change of the deployment that asks to be observed.
            if patch == nil { patch = ["metadata": MergePatch.condition(deployment)] }
            patch?["metadata"]?["annotations"] = .object([key: .string(revision)])
        }
        guard let patch else { return }
        try await ignoringNotFound {
            _ = try await client.patch(Deployment.resource, namespace: deployment.namespace, name: deployment.name, subresource: "status", patch)
        }
    }

    /// - Returns: how the work on the deployment ends, if the action does not let it go on.
    private func carryOut(_ action: DeploymentAction, _ deployment: Deployment) async throws -> WorkResult? {
        switch action {
        case .create(let set): return try await create(set, deployment)
        case .update(let set, let change): try await update(set, change, deployment)
        case .delete(let set):
            try await ignoringNotFound {
                _ = try await client.delete(ReplicaSet.resource, namespace: set.namespace, name: set.name, uid: set.uid)
            }
        }
        return nil
    }

    private func update(_ set: ReplicaSet, _ change: ReplicaSetChange, _ deployment: Deployment) async throws {
        var patch: JSON = ["metadata": MergePatch.condition(set)]
        if !change.annotations.isEmpty {
            patch["metadata"]?["annotations"] = .object(JSONObject(change.annotations.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
        }
        var spec = JSONObject()
        if let replicas = change.replicas { spec["replicas"] = JSON(replicas) }
        if let minReady = change.minReadySeconds { spec["minReadySeconds"] = JSON(minReady) }
        if !spec.isEmpty { patch["spec"] = .object(spec) }
        _ = try await client.patch(ReplicaSet.resource, namespace: set.namespace, name: set.name, patch)
        if let replicas = change.replicas { tellScaled(set.name, from: set.wantedReplicas, to: replicas, deployment) }
    }

    private func tellScaled(_ name: String, from old: Int, to new: Int, _ deployment: Deployment) {
        guard old != new else { return }
        events.record(
            deployment, .normal, component: Self.component, reason: "ScalingReplicaSet",
            "Scaled \(new > old ? "up" : "down") replica set \(name) from \(old) to \(new)")
    }

    // MARK: new sets

    private func create(_ set: ReplicaSet, _ deployment: Deployment) async throws -> WorkResult? {
        do {
            try await client.create(set)
            tellScaled(set.name, from: 0, to: set.wantedReplicas, deployment)
            return nil
        } catch let error as KubeError where error.isAlreadyExists {
            return try await resolveCollision(set, deployment)
        } catch let error as KubeError where error.isNamespaceTerminating {
            return .done
        } catch let error as KubeError where !error.isTransient {
            let message = "Failed to create new replica set \"\(set.name)\": \(error)"
            var progress = DeploymentProgress(deployment, now: clock.now())
            try await publish(progress.refused(message), revision: nil, deployment)
            events.record(deployment, .warning, component: Self.component, reason: "ReplicaSetCreateError", message)
            throw error
        }
    }

    /// The name is taken: by our own set that the copy does not show yet, or by another template with the same hash.
    private func resolveCollision(_ set: ReplicaSet, _ deployment: Deployment) async throws -> WorkResult {
        let live = try await client.get(ReplicaSet.self, namespace: set.namespace, name: set.name)
        let isOurs = live.metadata.controller?.uid == deployment.uid
        if isOurs, live.spec.template.map(TemplateHash.identity) == TemplateHash.identity(deployment.spec.template) { return .retry }
        var status = deployment.status
        status.collisionCount = (status.collisionCount ?? 0) + 1
        try await publish(status, revision: nil, deployment)
        return .retry
    }
}
