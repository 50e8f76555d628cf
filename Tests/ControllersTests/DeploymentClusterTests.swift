import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Synchronization
import Testing

@testable import Controllers

/// Deployments and replica sets against the API server.
@Suite(.timeLimit(.minutes(2))) struct DeploymentClusterTests {
    private func isComplete(_ deployment: Deployment, _ replicas: Int) -> Bool {
        let status = deployment.status
        return status.observedGeneration == deployment.metadata.generation && status.updatedReplicas == replicas
            && status.replicas == replicas && status.availableReplicas == replicas
    }

    private func newImage(_ image: String) -> JSON { ["spec": ["template": ["spec": ["containers": [["name": "main", "image": .string(image)]]]]]] }

    @Test("a deployment brings its set and its pods, tells of them, and is available")
    func create() async throws {
        try await TestCluster.run { cluster in
            _ = try await cluster.client.create(Deployment.resource, namespace: "default", .deployment("web", replicas: 3))
            let deployment = try await cluster.wait(Deployment.self, named: "web") { isComplete($0, 3) }
            #expect(deployment.metadata.annotations["deployment.kubernetes.io/revision"] == "1")
            #expect(deployment.status.conditions.map { "\($0.type) \($0.reason ?? "")" }.sorted() == ["Available MinimumReplicasAvailable", "Progressing NewReplicaSetAvailable"])
            let sets = try await cluster.client.list(ReplicaSet.self, namespace: "default").items
            let set = try #require(sets.first)
            #expect(sets.count == 1 && set.metadata.controller?.uid == deployment.uid)
            let pods = try await cluster.client.list(Pod.self, namespace: "default").items
            #expect(pods.count == 3)
            for pod in pods {
                #expect(pod.name.hasPrefix(set.name + "-"))
                #expect(pod.metadata.labels["pod-template-hash"] == set.metadata.labels["pod-template-hash"])
            }
            await cluster.wait(Event.self) { $0.count { $0.reason == "SuccessfulCreate" } == 3 }
            #expect(try await cluster.events("ScalingReplicaSet") == ["Scaled up replica set \(set.name) from 0 to 3"])
            #expect(try await cluster.events("SuccessfulCreate") == pods.map { "Created pod: \($0.name)" }.sorted())
        }
    }

    @Test("a rolling update never has fewer ready pods nor more pods than allowed; a rollback uses the old set again")
    func rollingUpdate() async throws {
        try await TestCluster.run { cluster in
            let strategy: JSON = ["strategy": ["rollingUpdate": ["maxSurge": 1, "maxUnavailable": 0]]]
            _ = try await cluster.client.create(Deployment.resource, namespace: "default", .deployment("web", replicas: 4, strategy))
            try await cluster.wait(Deployment.self, named: "web") { isComplete($0, 4) }
            let first = try #require(try await cluster.client.list(ReplicaSet.self, namespace: "default").items.first)

            try await cluster.patch(Deployment.resource, "web", newImage("web:2"))
            let worst = Mutex((ready: 4, active: 4))
            await cluster.wait(Pod.self) { pods in
                let ready = pods.count { $0.isActive && $0.isReady }
                let active = pods.count(where: \.isActive)
                worst.withLock { $0 = (min($0.ready, ready), max($0.active, active)) }
                return pods.count == 4 && ready == 4 && pods.allSatisfy { $0.spec.containers[0].image == "web:2" }
            }
            #expect(worst.withLock { $0.ready } == 4)
            #expect(worst.withLock { $0.active } == 5)
            let rolled = try await cluster.wait(Deployment.self, named: "web") { isComplete($0, 4) }
            #expect(rolled.metadata.annotations["deployment.kubernetes.io/revision"] == "2")

            try await cluster.patch(Deployment.resource, "web", newImage("web:1"))
            let back = try await cluster.wait(Deployment.self, named: "web") { isComplete($0, 4) && $0.metadata.annotations["deployment.kubernetes.io/revision"] == "3" }
            #expect(back.status.replicas == 4)
            let sets = try await cluster.client.list(ReplicaSet.self, namespace: "default").items
            #expect(sets.count == 2)
            let again = try #require(sets.first { $0.uid == first.uid })
            #expect(again.spec.replicas == 4)
            #expect(again.metadata.annotations["deployment.kubernetes.io/revision-history"] == "1")
        }
    }

    @Test("Recreate has no pod of the new version beside one of the old")
    func recreate() async throws {
        try await TestCluster.run { cluster in
            _ = try await cluster.client.create(Deployment.resource, namespace: "default", .deployment("web", replicas: 3, ["strategy": ["type": "Recreate"]]))
            try await cluster.wait(Deployment.self, named: "web") { isComplete($0, 3) }
            try await cluster.patch(Deployment.resource, "web", newImage("web:2"))
            let mixed = Mutex(false)
            await cluster.wait(Pod.self) { pods in
                let images = Set(pods.compactMap { $0.spec.containers[0].image })
                if images.count > 1 { mixed.withLock { $0 = true } }
                return images == ["web:2"] && pods.count == 3
            }
            #expect(mixed.withLock { $0 } == false)
        }
    }

    @Test("a version that does not become ready stops the rollout at the surge, and is late in the end")
    func stuck() async throws {
        let time = TestClock()
        try await TestCluster.run(clock: time.clock(realBelow: .seconds(2))) { cluster in
            let spec: JSON = ["strategy": ["rollingUpdate": ["maxSurge": 1, "maxUnavailable": 0]], "progressDeadlineSeconds": 300]
            _ = try await cluster.client.create(Deployment.resource, namespace: "default", .deployment("web", replicas: 3, spec))
            try await cluster.wait(Deployment.self, named: "web") { isComplete($0, 3) }
            cluster.node.set { $0.readies = { $0.spec.containers[0].image == "web:1" } }
            try await cluster.patch(Deployment.resource, "web", newImage("web:2"))
            try await cluster.wait(Deployment.self, named: "web") { $0.status.updatedReplicas == 1 && $0.status.replicas == 4 }
            await time.sleeper(for: .seconds(299))
            time.advance(.seconds(400))
            let late = try await cluster.wait(Deployment.self, named: "web") { $0.status.conditions.contains { $0.reason == "ProgressDeadlineExceeded" } }
            #expect(late.status.availableReplicas == 3, "the old version still serves")
            #expect(try await cluster.client.list(Pod.self, namespace: "default").items.count == 4)
        }
    }

    @Test("a set makes exactly as many pods as it says, however often it is woken meanwhile")
    func neverTooMany() async throws {
        try await TestCluster.run { cluster in
            let made = SeenPods()
            _ = try await cluster.client.create(ReplicaSet.resource, namespace: "default", .replicaSet("rs", replicas: 30))
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for number in 0..<60 { try await cluster.patch(ReplicaSet.resource, "rs", ["metadata": ["annotations": ["n": .string("\(number)")]]]) }
                }
                group.addTask {
                    await cluster.wait(Pod.self) { pods in
                        made.uids.withLock { $0.formUnion(pods.map(\.uid)) }
                        return pods.count { $0.isReady } == 30
                    }
                }
                try await group.waitForAll()
            }
            try await cluster.wait(ReplicaSet.self, named: "rs") { $0.status.availableReplicas == 30 }
            #expect(made.uids.withLock { $0.count } == 30)
            try await cluster.patch(ReplicaSet.resource, "rs", ["spec": ["replicas": 12]])
            try await cluster.wait(ReplicaSet.self, named: "rs") { $0.status.replicas == 12 && $0.status.observedGeneration == $0.metadata.generation }
            let left = await cluster.wait(Pod.self) { $0.count <= 12 }
            #expect(left.count == 12)
        }
    }

    @Test("a set adopts what matches and is nobody's, and lets go and replaces what no longer matches")
    func adoption() async throws {
        try await TestCluster.run { cluster in
            let pod = try await cluster.client.create(Pod.resource, namespace: "default", .pod("mine", app: "rs"))
            let set = try await cluster.client.create(ReplicaSet.resource, namespace: "default", .replicaSet("rs", replicas: 2))
            let owner = set[path: "metadata", "uid"]?.string
            await cluster.wait(Pod.self) { $0.count { $0.metadata.controller?.uid == owner } == 2 }
            let adopted = try await cluster.client.get(Pod.self, namespace: "default", name: "mine")
            #expect(adopted.uid == pod[path: "metadata", "uid"]?.string)
            #expect(try await cluster.client.list(Pod.self, namespace: "default").items.count == 2, "only one was missing")

            try await cluster.patch(Pod.resource, "mine", ["metadata": ["labels": ["app": "strayed"]]])
            let pods = await cluster.wait(Pod.self) { pods in pods.count == 3 && pods.contains { $0.name == "mine" && $0.metadata.ownerReferences.isEmpty } }
            #expect(pods.count { $0.metadata.controller?.uid == owner } == 2)
        }
    }

    @Test("pods that are refused show in the set's condition and in events, and no longer when they are made")
    func failure() async throws {
        try await TestCluster.run { cluster in
            cluster.refusals.set { $0.method == .post && $0.path.hasSuffix("/pods") }
            _ = try await cluster.client.create(ReplicaSet.resource, namespace: "default", .replicaSet("rs", replicas: 20))
            let failing = try await cluster.wait(ReplicaSet.self, named: "rs") { !$0.status.conditions.isEmpty }
            #expect(failing.status.conditions.map { "\($0.type) \($0.status) \($0.reason ?? "")" } == ["ReplicaFailure True FailedCreate"])
            #expect(failing.status.conditions.first?.message == "refused for a test")
            await cluster.wait(Event.self) { $0.contains { $0.reason == "FailedCreate" && $0.message == "Error creating: refused for a test" } }
            #expect(cluster.refusals.count < 20, "a batch that fails is the last one of its try")
            cluster.refusals.set { _ in false }
            let set = try await cluster.wait(ReplicaSet.self, named: "rs") { $0.status.availableReplicas == 20 && $0.status.conditions.isEmpty }
            #expect(set.status.replicas == 20)
        }
    }
}

/// Pods by uid, told by several tasks.
private final class SeenPods: Sendable {
    let uids = Mutex<Set<String>>([])
}
