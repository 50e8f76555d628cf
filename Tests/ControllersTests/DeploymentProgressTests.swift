import KubeAPI
import KubeTypes
import Testing

@testable import Controllers

@Suite struct DeploymentProgressTests {
    private func look(_ deployment: Deployment, _ sets: [ReplicaSet], after seconds: Int = 0) -> DeploymentPlan {
        DeploymentPlanner.plan(deployment, replicaSets: sets, pods: [], now: start + .seconds(seconds))
    }

    private func condition(_ plan: DeploymentPlan, _ type: String = "Progressing") -> DeploymentCondition? {
        plan.status.conditions.first { $0.type == type }
    }

    private func short(_ plan: DeploymentPlan, _ type: String = "Progressing") -> String? {
        condition(plan, type).map { "\($0.status) \($0.reason ?? "")" }
    }

    private func set(_ replicas: Int, available: Int) -> ReplicaSet {
        replicaSet("new", image: "web:2", replicas: replicas, available: available, revision: 1, desired: 3, max: 4)
    }

    @Test("a new set, progress, then the end are told one after the other, each with its message")
    func stages() {
        var deployment = deployment(3)
        var plan = look(deployment, [])
        #expect(short(plan) == "True NewReplicaSetCreated")
        #expect(short(plan, "Available") == "False MinimumReplicasUnavailable")
        #expect(plan.status.observedGeneration == 2)
        deployment.status = plan.status
        plan = look(deployment, [set(3, available: 1)], after: 5)
        #expect(short(plan) == "True ReplicaSetUpdated")
        #expect(condition(plan)?.message == "ReplicaSet \"new\" is progressing.")
        #expect(condition(plan)?.lastTransitionTime == start, "it was true before")
        #expect(condition(plan)?.lastUpdateTime == start + .seconds(5))
        deployment.status = plan.status
        plan = look(deployment, [set(3, available: 3)], after: 9)
        #expect(short(plan) == "True NewReplicaSetAvailable")
        #expect(condition(plan)?.message == "ReplicaSet \"new\" has successfully progressed.")
        #expect(short(plan, "Available") == "True MinimumReplicasAvailable")
        #expect(plan.status.replicas == 3 && plan.status.updatedReplicas == 3 && plan.status.unavailableReplicas == nil)
        #expect(plan.recheck == nil)
    }

    @Test("a set that was there already is found")
    func found() {
        let empty = replicaSet("new", image: "web:2", replicas: 3, status: 0, available: 0, revision: 1, desired: 3, max: 4)
        #expect(short(look(deployment(3), [empty])) == "True FoundNewReplicaSet")
    }

    @Test("without progress the deadline passes, and the controller looks again by then")
    func deadline() {
        var deployment = deployment(3)
        deployment.status = look(deployment, [set(3, available: 1)]).status
        let waiting = look(deployment, [set(3, available: 1)], after: 100)
        #expect(short(waiting) == "True ReplicaSetUpdated")
        #expect(waiting.recheck == .seconds(501))
        #expect(condition(waiting)?.lastUpdateTime == start, "nothing moved, so nothing is told anew")
        deployment.status = waiting.status
        let late = look(deployment, [set(3, available: 1)], after: 601)
        #expect(short(late) == "False ProgressDeadlineExceeded")
        #expect(condition(late)?.message == "ReplicaSet \"new\" has timed out progressing.")
        #expect(late.recheck == nil)
        deployment.status = late.status
        #expect(short(look(deployment, [set(3, available: 2)], after: 700)) == "True ReplicaSetUpdated", "late progress is progress")
    }

    @Test("a deployment without a deadline has no such condition")
    func noDeadline() {
        #expect(condition(look(deployment(3) { $0.spec.progressDeadlineSeconds = Int(Int32.max) }, [set(3, available: 1)])) == nil)
    }

    @Test("a pause and its end are told, and the deadline does not run meanwhile")
    func pause() {
        var deployment = deployment(3)
        deployment.status = look(deployment, [set(3, available: 1)]).status
        deployment.spec.paused = true
        let paused = look(deployment, [set(3, available: 1)], after: 10_000)
        #expect(short(paused) == "Unknown DeploymentPaused")
        deployment.status = paused.status
        deployment.spec.paused = nil
        #expect(short(look(deployment, [set(3, available: 1)], after: 20_000)) == "Unknown DeploymentResumed")
    }

    @Test("pods that cannot be made show in the deployment, and no longer when they can")
    func failure() {
        var deployment = deployment(3)
        let failing = replicaSet("new", image: "web:2", replicas: 3, status: 0, available: 0, revision: 1, desired: 3, max: 4) {
            $0.status.conditions = [ReplicaSetCondition(message: "no", reason: "FailedCreate", status: "True", type: "ReplicaFailure")]
        }
        let plan = look(deployment, [failing])
        #expect(short(plan, "ReplicaFailure") == "True FailedCreate")
        deployment.status = plan.status
        #expect(condition(look(deployment, [set(3, available: 3)]), "ReplicaFailure") == nil)
    }

    @Test("enough pods are available when no more than may be are missing")
    func available() {
        func short(_ available: Int) -> String? {
            self.short(look(deployment(4), [replicaSet("new", image: "web:2", replicas: 4, available: available, revision: 1, desired: 4, max: 5)]), "Available")
        }
        #expect(short(3) == "True MinimumReplicasAvailable")
        #expect(short(2) == "False MinimumReplicasUnavailable")
    }

    @Test("a look that changes nothing leaves the status as it is")
    func stable() {
        var deployment = deployment(3)
        deployment.status = look(deployment, [set(3, available: 3)]).status
        let again = look(deployment, [set(3, available: 3)], after: 1000)
        #expect(MergePatch.difference(from: deployment.status.json, to: again.status.json) == nil)
    }
}
