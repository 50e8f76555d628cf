import KubeAPI
import KubeTypes
import Testing

@testable import Controllers

@Suite struct DeploymentPlannerTests {
    private func steps(_ deployment: Deployment, _ sets: [ReplicaSet], pods: [Pod] = []) -> [String] {
        DeploymentPlanner.plan(deployment, replicaSets: sets, pods: pods, now: start).actions.map { action in
            if case .create(let set) = action { "create with \(set.wantedReplicas)" } else { action.description }
        }
    }

    private func old(_ replicas: Int, status: Int? = nil, available: Int? = nil, age: Int = 100) -> ReplicaSet {
        replicaSet("old", image: "web:1", replicas: replicas, status: status, available: available, revision: 1, desired: 10, max: 13, age: age)
    }

    private func new(_ replicas: Int, status: Int? = nil, available: Int? = nil) -> ReplicaSet {
        replicaSet("new", image: "web:2", replicas: replicas, status: status, available: available, revision: 2, desired: 10, max: 13, age: 10)
    }

    // MARK: rolling update

    @Test("a deployment without sets makes one of full size")
    func first() { #expect(steps(deployment(3), []) == ["create with 3"]) }

    @Test("a new template gets a set of the size of the surge, and the old one gives what may be unavailable")
    func begin() { #expect(steps(deployment(10), [old(10)]) == ["create with 3", "scale old from 10 to 8"]) }

    @Test("the newest grows into the room that the older left, and nothing shrinks in the same look")
    func grow() { #expect(steps(deployment(10), [old(8), new(3, available: 0)]) == ["scale new from 3 to 5"]) }

    @Test("the older shrinks by as many as are available beyond the minimum")
    func shrink() { #expect(steps(deployment(10), [old(8), new(5, available: 3)]) == ["scale old from 8 to 5"]) }

    @Test("new pods that do not become available hold everything")
    func stuck() { #expect(steps(deployment(10), [old(8), new(5, available: 0)]) == []) }

    @Test("of the older pods those that do not work go first, and none that works is needed for it")
    func unhealthy() {
        let sick = replicaSet("sick", image: "web:0", replicas: 4, available: 0, revision: 0, desired: 10, max: 13, age: 50)
        // 8 work, 8 must; the allowance of 17 - 8 - 5 is spent on the sick ones.
        #expect(steps(deployment(10), [old(8), sick, new(5, available: 0)]) == ["scale sick from 4 to 0"])
    }

    @Test("a set whose status lags behind its size does not make it shrink twice")
    func staleStatus() { #expect(steps(deployment(10), [old(8, status: 10, available: 10), new(5, available: 0)]) == []) }

    @Test("pods that a smaller set has not lost yet are no reason to take others")
    func staleAvailability() {
        #expect(steps(deployment(10), [old(8, status: 10, available: 10), new(5, available: 2)]) == ["scale old from 8 to 6"])
    }

    @Test("the last old pod goes when all new ones are available")
    func end() { #expect(steps(deployment(10), [old(1), new(10)]) == ["scale old from 1 to 0"]) }

    @Test("a finished rollout changes nothing")
    func done() { #expect(steps(deployment(10), [old(0), new(10)]) == []) }

    @Test("rollover: a third template begins while the second is on its way")
    func rollover() {
        let steps = steps(deployment(10, image: "web:3"), [old(8), new(5, available: 0)])
        #expect(steps == ["create with 0", "scale new from 5 to 0"])
    }

    @Test("a paused deployment makes no set and moves none")
    func paused() {
        #expect(steps(deployment(10) { $0.spec.paused = true }, [old(10)]) == [])
        #expect(steps(deployment(12) { $0.spec.paused = true }, [old(10)]) == ["scale old from 10 to 12"], "but it is scaled")
    }

    @Test("a deployment that is being deleted does nothing")
    func deleted() { #expect(steps(deployment(10) { $0.metadata.deletionTimestamp = start }, [old(10)]) == []) }

    // MARK: Recreate

    @Test("Recreate ends the old, waits for its last pod, then begins the new")
    func recreate() {
        let deployment = deployment(3, recreate: true)
        func old(_ replicas: Int, status: Int? = nil) -> ReplicaSet {
            replicaSet("old", image: "web:1", replicas: replicas, status: status, revision: 1, desired: 3, max: 3, age: 100)
        }
        #expect(steps(deployment, [old(3)]) == ["scale old from 3 to 0"])
        #expect(steps(deployment, [old(0, status: 1)]) == [], "the status still counts one")
        let ending = pod("p", owner: "old") { $0.metadata.deletionTimestamp = start }
        #expect(steps(deployment, [old(0)], pods: [ending]) == [], "a pod on its way out still runs")
        #expect(steps(deployment, [old(0)], pods: [pod("p", owner: "old", phase: "Failed")]) == ["create with 3"])
        #expect(steps(deployment, [old(0)]) == ["create with 3"])
    }

    // MARK: scaling

    @Test("a size that changes in the middle of a rollout is shared in proportion, the largest takes the rest", arguments: [
        (15, ["scale old from 8 to 12", "scale new from 5 to 7"]), (5, ["scale old from 8 to 4", "scale new from 5 to 3"]),
        (0, ["scale old from 8 to 0", "scale new from 5 to 0"]), (30, ["scale old from 8 to 23", "scale new from 5 to 15"]),
    ])
    func proportional(replicas: Int, expected: [String]) {
        #expect(steps(deployment(replicas), [old(8), new(5, available: 2)]) == expected)
    }

    @Test("the only set that runs is scaled as a whole")
    func scaleOne() { #expect(steps(deployment(20), [old(0), new(10)]) == ["scale new from 10 to 20"]) }

    @Test("a size noted for another number of replicas is noted anew, and then is no scaling any more")
    func noteSizes() throws {
        let plan = DeploymentPlanner.plan(deployment(10), replicaSets: [replicaSet("new", image: "web:2", replicas: 10, revision: 1, desired: 7, max: 9)], pods: [], now: start)
        guard case .update(_, let change)? = plan.actions.first else { throw Unexpected("\(plan.actions)") }
        #expect(change.replicas == nil)
        #expect(change.annotations == [DeploymentAnnotations.desiredReplicas: "10", DeploymentAnnotations.maxReplicas: "13"])
    }

    // MARK: revisions and history

    @Test("a new set has the next revision, its labels, selector and owner")
    func newSet() throws {
        let deployment = deployment(3) { $0.metadata.annotations = ["note": "n", "kubectl.kubernetes.io/last-applied-configuration": "{}"] }
        let plan = DeploymentPlanner.plan(deployment, replicaSets: [old(0)], pods: [], now: start)
        guard case .create(let set)? = plan.actions.first else { throw Unexpected("\(plan.actions)") }
        let hash = try #require(set.metadata.labels["pod-template-hash"])
        #expect(set.name == "web-\(hash)")
        #expect(set.spec.selector.matchLabels == ["app": "web", "pod-template-hash": hash])
        #expect(set.spec.template?.metadata.labels == ["app": "web", "pod-template-hash": hash])
        #expect(set.metadata.annotations == ["note": "n", "deployment.kubernetes.io/revision": "2", "deployment.kubernetes.io/desired-replicas": "3", "deployment.kubernetes.io/max-replicas": "4"])
        #expect(set.metadata.ownerReferences.map(\.uid) == ["deployment"])
        #expect(set.metadata.ownerReferences[0].controller == true && set.metadata.ownerReferences[0].blockOwnerDeletion == true)
        #expect(plan.revision == "2")
    }

    @Test("a rollback makes the older set the newest: it gets the next revision and remembers its own")
    func rollback() throws {
        let plan = DeploymentPlanner.plan(deployment(10, image: "web:1"), replicaSets: [old(0), new(10)], pods: [], now: start)
        guard case .update(let set, let change)? = plan.actions.first else { throw Unexpected("\(plan.actions)") }
        #expect(set.name == "old")
        #expect(change.annotations["deployment.kubernetes.io/revision"] == "3")
        #expect(change.annotations["deployment.kubernetes.io/revision-history"] == "1")
        #expect(change.replicas == 3, "it grows by the same write")
        #expect(plan.revision == "3")
    }

    @Test("only as many empty older sets are kept as the history limit says, the lowest revisions go")
    func history() {
        let sets = (1...4).map { replicaSet("r\($0)", image: "web:0\($0)", replicas: 0, revision: $0, age: 100 - $0) }
        let full = replicaSet("new", image: "web:2", replicas: 3, revision: 5, desired: 3, max: 4)
        #expect(steps(deployment(3) { $0.spec.revisionHistoryLimit = 2 }, sets + [full]) == ["delete r1", "delete r2"])
        let halfDone = replicaSet("new", image: "web:2", replicas: 3, available: 1, revision: 5, desired: 3, max: 4)
        #expect(steps(deployment(3) { $0.spec.revisionHistoryLimit = 2 }, sets + [halfDone]) == [], "not before the rollout is over")
        let unseen = replicaSet("r1", image: "web:01", replicas: 0, revision: 1, age: 99) { $0.metadata.generation = 2 }
        #expect(steps(deployment(3) { $0.spec.revisionHistoryLimit = 0 }, [unseen, full]) == [], "not a set whose change nobody has seen")
    }

    @Test("the hash is a DNS label, depends on the template and the collision count only, and equal templates have one set")
    func hash() {
        let one = TemplateHash.hash(template("a"), collisionCount: 0)
        #expect(one.count == 10 && one.allSatisfy { "bcdfghjklmnpqrstvwxz2456789".contains($0) })
        #expect(one != TemplateHash.hash(template("b"), collisionCount: 0))
        #expect(one != TemplateHash.hash(template("a"), collisionCount: 1))
        var labelled = template("a")
        labelled.metadata.labels["pod-template-hash"] = "x"
        #expect(one == TemplateHash.hash(labelled, collisionCount: 0))
    }
}

struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ found: String) { description = "expected something else, found \(found)" }
}
