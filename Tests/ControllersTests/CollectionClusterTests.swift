import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Testing

@testable import Controllers

/// Owners, dependents and namespaces against the API server.
@Suite(.timeLimit(.minutes(2))) struct CollectionClusterTests {
    private func owner(_ object: JSON, blocking: Bool = true) -> JSON {
        [
            "apiVersion": object["apiVersion"] ?? "", "kind": object["kind"] ?? "", "name": object[path: "metadata", "name"] ?? "",
            "uid": object[path: "metadata", "uid"] ?? "", "blockOwnerDeletion": .bool(blocking),
        ]
    }

    private func make(_ cluster: TestCluster, _ map: JSON) async throws -> JSON {
        try await cluster.client.create(ConfigMap.resource, namespace: "default", map)
    }

    private func names(_ maps: [ConfigMap]) -> [String] { maps.map(\.name).filter { $0 != "kube-root-ca.crt" } }

    @Test("what a deleted deployment leaves behind goes with it")
    func background() async throws {
        try await TestCluster.run { cluster in
            _ = try await cluster.client.create(Deployment.resource, namespace: "default", .deployment("web", replicas: 2))
            await cluster.wait(Pod.self) { $0.count(where: \.isReady) == 2 }
            try await cluster.delete(Deployment.resource, "web")
            await cluster.wait(ReplicaSet.self, until: \.isEmpty)
            await cluster.wait(Pod.self, until: \.isEmpty)
        }
    }

    @Test("an owner deleted in the foreground stays until its dependents are gone")
    func foreground() async throws {
        try await TestCluster.run { cluster in
            cluster.node.set { $0.ends = false }
            _ = try await cluster.client.create(
                ReplicaSet.resource, namespace: "default", .replicaSet("rs", replicas: 2, metadata: ["finalizers": ["foregroundDeletion"]]))
            await cluster.wait(Pod.self) { $0.count(where: \.isReady) == 2 }
            try await cluster.delete(ReplicaSet.resource, "rs", propagation: "Foreground")
            await cluster.wait(Pod.self) { $0.count { $0.metadata.deletionTimestamp != nil } == 2 }
            let waiting = try await cluster.client.get(ReplicaSet.self, namespace: "default", name: "rs")
            #expect(waiting.metadata.finalizers == ["foregroundDeletion"])
            cluster.node.set { $0.ends = true }
            await cluster.wait(ReplicaSet.self, until: \.isEmpty)
            #expect(try await cluster.client.list(Pod.self, namespace: "default").items.isEmpty)
        }
    }

    @Test("an owner that orphans lets its dependents go, and they stay")
    func orphan() async throws {
        try await TestCluster.run { cluster in
            let parent = try await make(cluster, .configMap("parent", metadata: ["finalizers": ["orphan"]]))
            _ = try await make(cluster, .configMap("child", metadata: ["ownerReferences": [owner(parent)]]))
            try await cluster.delete(ConfigMap.resource, "parent", propagation: "Orphan")
            let left = await cluster.wait(ConfigMap.self) { names($0) == ["child"] }
            #expect(left.first { $0.name == "child" }?.metadata.ownerReferences.isEmpty == true)
        }
    }

    @Test("an object whose owner never was, or was another one by that name, is deleted; one of two owners is enough to stay")
    func absentOwners() async throws {
        try await TestCluster.run { cluster in
            let real = try await make(cluster, .configMap("real"))
            var never = owner(real)
            never["name"] = "never"
            never["uid"] = "00000000-0000-4000-8000-000000000001"
            var replaced = owner(real)
            replaced["uid"] = "00000000-0000-4000-8000-000000000002"
            _ = try await make(cluster, .configMap("lost", metadata: ["ownerReferences": [never]]))
            _ = try await make(cluster, .configMap("late", metadata: ["ownerReferences": [replaced]]))
            _ = try await make(cluster, .configMap("shared", metadata: ["ownerReferences": [owner(real), never]]))
            let left = await cluster.wait(ConfigMap.self) { maps in
                names(maps) == ["real", "shared"] && maps.first { $0.name == "shared" }?.metadata.ownerReferences.count == 1
            }
            #expect(left.first { $0.name == "shared" }?.metadata.ownerReferences.map(\.name) == ["real"])
        }
    }

    @Test("a circle of owners does not hold itself")
    func circle() async throws {
        try await TestCluster.run { cluster in
            var maps: [JSON] = []
            for name in ["a", "b", "c"] { maps.append(try await make(cluster, .configMap(name))) }
            for index in 0..<3 {
                try await cluster.patch(ConfigMap.resource, ["a", "b", "c"][index], ["metadata": ["ownerReferences": [owner(maps[(index + 2) % 3])]]])
            }
            try await cluster.delete(ConfigMap.resource, "a")
            await cluster.wait(ConfigMap.self) { names($0).isEmpty }
        }
    }

    @Test("a namespace goes with everything in it, and says what holds it back")
    func namespace() async throws {
        try await TestCluster.run { cluster in
            _ = try await cluster.client.create(Namespace.resource, ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "doomed"]])
            _ = try await cluster.client.create(Deployment.resource, namespace: "doomed", .deployment("web", replicas: 2))
            _ = try await cluster.client.create(ConfigMap.resource, namespace: "doomed", .configMap("held", metadata: ["finalizers": ["example.com/hold"]]))
            await cluster.wait(Pod.self, in: "doomed") { $0.count(where: \.isReady) == 2 }
            try await cluster.delete(Namespace.resource, "doomed", namespace: nil)
            let held = try await cluster.wait(Namespace.self, named: "doomed", in: nil) { namespace in
                namespace.status.conditions.contains { $0.type == "NamespaceFinalizersRemaining" && $0.status == "True" }
                    && namespace.status.conditions.first { $0.type == "NamespaceContentRemaining" }?.message == "Some resources are remaining: configmaps. has 1 resource instances"
            }
            #expect(held.status.phase == "Terminating")
            #expect(held.status.conditions.first { $0.type == "NamespaceFinalizersRemaining" }?.message == "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances")
            try await cluster.patch(ConfigMap.resource, "held", namespace: "doomed", ["metadata": ["finalizers": []]])
            await cluster.wait(Namespace.self, in: nil) { !$0.contains { $0.name == "doomed" } }
        }
    }

    @Test("every namespace has its account and the root certificate; they come back, and a changed one is set right")
    func namespaceObjects() async throws {
        try await TestCluster.run { cluster in
            _ = try await cluster.client.create(Namespace.resource, ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "new"]])
            try await cluster.wait(ServiceAccount.self, named: "default", in: "new") { _ in true }
            let map = try await cluster.wait(ConfigMap.self, named: "kube-root-ca.crt", in: "new") { $0.data == ["ca.crt": "pem"] }
            try await cluster.patch(ConfigMap.resource, "kube-root-ca.crt", namespace: "new", ["data": ["ca.crt": "false", "more": "x"]])
            try await cluster.wait(ConfigMap.self, named: "kube-root-ca.crt", in: "new") { $0.data == ["ca.crt": "pem"] && $0.metadata.resourceVersion != map.metadata.resourceVersion }
            try await cluster.delete(ConfigMap.resource, "kube-root-ca.crt", namespace: "new")
            try await cluster.wait(ConfigMap.self, named: "kube-root-ca.crt", in: "new") { $0.uid != map.uid && $0.data == ["ca.crt": "pem"] }
            let account = try await cluster.client.get(ServiceAccount.self, namespace: "new", name: "default")
            try await cluster.delete(ServiceAccount.resource, "default", namespace: "new")
            try await cluster.wait(ServiceAccount.self, named: "default", in: "new") { $0.uid != account.uid }
        }
    }
}
