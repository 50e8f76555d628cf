import KubeAPI
import KubeTypes
import Testing

@testable import Controllers

@Suite struct ReplicaSetTests {
    private let set = replicaSet("rs", image: "web:1", replicas: 3)

    private func plan(_ pods: [Pod], _ set: ReplicaSet? = nil) -> ReplicaSetPlanner.Plan {
        ReplicaSetPlanner.plan(set ?? self.set, active: pods, related: pods, now: start + .seconds(1000))
    }

    @Test("as many pods are made as are missing, as many deleted as are too many")
    func counts() {
        #expect(plan([pod("a")]).creations == 2)
        #expect(plan([pod("a"), pod("b"), pod("c")]) == .init())
        #expect(plan([pod("a"), pod("b"), pod("c"), pod("d")]).deletions.count == 1)
        #expect(plan([], replicaSet("rs", image: "a", replicas: 2000)).creations == 500, "a burst at a time")
        #expect(plan([], replicaSet("rs", image: "a", replicas: 3) { $0.metadata.deletionTimestamp = start }) == .init())
    }

    @Test("batches double, so that a refusal is met once and not five hundred times", arguments: [
        (0, []), (1, [1]), (3, [1, 2]), (10, [1, 2, 4, 3]), (500, [1, 2, 4, 8, 16, 32, 64, 128, 245]),
    ])
    func batches(count: Int, expected: [Int]) { #expect(ReplicaSetPlanner.batches(count) == expected) }

    // MARK: who goes first

    private func first(_ pods: [Pod], related: [Pod]? = nil) -> String {
        PodDeletionOrder(related: related ?? pods, now: start + .seconds(1000)).sorted(pods)[0].name
    }

    @Test("unbound before bound, pending before running, not ready before ready")
    func phases() {
        #expect(first([pod("bound", phase: "Pending", ready: nil), pod("unbound", phase: "Pending", ready: nil, node: nil)]) == "unbound")
        #expect(first([pod("running", ready: nil), pod("pending", phase: "Pending", ready: nil)]) == "pending")
        #expect(first([pod("ready"), pod("unready", ready: nil)]) == "unready")
    }

    @Test("the cheaper goes first, whatever follows; what is no number costs nothing")
    func cost() {
        func costly(_ name: String, _ cost: String) -> Pod {
            pod(name) { $0.metadata.annotations["controller.kubernetes.io/pod-deletion-cost"] = cost }
        }
        #expect(first([costly("a", "10"), costly("b", "-10"), pod("c")]) == "b")
        #expect(first([costly("dear", "1"), costly("broken", "lots")]) == "broken")
    }

    @Test("a pod on a node with more pods of the workload goes first, those of other replica sets counted too")
    func crowd() {
        let alone = pod("alone", node: "node-1")
        let crowded = pod("crowded", node: "node-2")
        #expect(first([alone, crowded], related: [alone, crowded, pod("other", node: "node-2")]) == "crowded")
    }

    @Test("the younger goes first, by order of magnitude of its age; then chance, by the uid")
    func age() {
        let old = pod("old", ready: start + .seconds(-100_000))
        let young = pod("young", ready: start + .seconds(990))
        #expect(first([old, young]) == "young")
        let alike = [pod("b", ready: start + .seconds(400)), pod("a", ready: start + .seconds(390))]
        #expect(first(alike) == "a", "both about ten minutes old")
    }

    @Test("more restarts go first, then the younger creation")
    func restarts() {
        func restarted(_ name: String, _ count: Int) -> Pod {
            pod(name) { $0.status.containerStatuses = [ContainerStatus(with: { $0.restartCount = count })] }
        }
        #expect(first([restarted("calm", 0), restarted("wild", 7)]) == "wild")
        #expect(first([pod("old") { $0.metadata.creationTimestamp = start + .seconds(-100_000) }, pod("young")]) == "young")
    }

    // MARK: status

    @Test("ready is not available before it has lasted, and the controller looks again by then")
    func minReadySeconds() {
        let set = replicaSet("rs", image: "web:1", replicas: 3) { $0.spec.minReadySeconds = 30 }
        let pods = [pod("a", ready: start), pod("b", ready: start + .seconds(20)), pod("c", ready: nil)]
        let now = start + .seconds(30)
        let status = ReplicaSetPlanner.status(set, active: pods, terminating: 1, failure: nil, now: now)
        #expect(status.replicas == 3)
        #expect(status.readyReplicas == 2)
        #expect(status.availableReplicas == 1)
        #expect(status.terminatingReplicas == 1)
        #expect(status.observedGeneration == 1)
        #expect(ReplicaSetPlanner.nextAvailability(set, active: pods, now: now) == .seconds(20))
    }

    @Test("pods that lack a label of the template are not fully labelled")
    func fullyLabeled() {
        let full = pod("a", labels: ["app": "web", "pod-template-hash": "rs"])
        #expect(ReplicaSetPlanner.status(set, active: [full, pod("b")], terminating: 0, failure: nil, now: start).fullyLabeledReplicas == 1)
    }

    @Test("a failure is told with its first time and goes when it is over")
    func failure() {
        var set = set
        set.status = ReplicaSetPlanner.status(set, active: [], terminating: 0, failure: .init(reason: "FailedCreate", message: "no"), now: start)
        #expect(set.status.conditions.map(\.reason) == ["FailedCreate"])
        let again = ReplicaSetPlanner.status(
            set, active: [], terminating: 0, failure: .init(reason: "FailedCreate", message: "still no"), now: start + .seconds(9))
        #expect(again.conditions.map(\.lastTransitionTime) == [start])
        #expect(ReplicaSetPlanner.status(set, active: [], terminating: 0, failure: nil, now: start).conditions.isEmpty)
    }

    @Test("a pod is as the template says, and says whose it is")
    func newPod() {
        let pod = ReplicaSetPlanner.pod(set)
        #expect(pod.metadata.generateName == "rs-")
        #expect(pod.metadata.labels == ["app": "web", "pod-template-hash": "rs"])
        #expect(pod.spec.containers.map(\.image) == ["web:1"])
        #expect(pod.metadata.controller?.uid == "rs")
        #expect(pod.metadata.controller?.blockOwnerDeletion == true)
    }
}

@Suite struct ClaimTests {
    private func claim(_ pods: [Pod], isDeleted: Bool = false) -> Claim<Pod> {
        Claim(pods, owner: "me", isDeleted: isDeleted, selector: LabelRequirements(matching: ["app": "web"]))
    }

    private func names(_ claim: Claim<Pod>) -> [[String]] {
        [claim.owned.map(\.name), claim.adopted.map(\.name), claim.released.map(\.name)]
    }

    private let pods = [
        pod("mine", owner: "me"), pod("strayed", owner: "me", labels: [:]), pod("nobodys"), pod("foreign", owner: "other"),
        pod("unlike", labels: [:]), pod("ending") { $0.metadata.deletionTimestamp = start },
    ]

    @Test("own pods that match are kept, nobody's are adopted, own ones that strayed are released, others' are left alone")
    func claims() { #expect(names(claim(pods)) == [["mine"], ["nobodys"], ["strayed"]]) }

    @Test("an owner that is being deleted neither adopts nor releases")
    func deleted() { #expect(names(claim(pods, isDeleted: true)) == [["mine"], [], []]) }
}
