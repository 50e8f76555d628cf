import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Testing

@testable import Controllers

/// Services and their endpoints against the API server.
@Suite(.timeLimit(.minutes(2))) struct EndpointsClusterTests {
    private let service: JSON = [
        "apiVersion": "v1", "kind": "Service", "metadata": ["name": "web"],
        "spec": ["selector": ["app": "web"], "ports": [["name": "http", "port": 80, "targetPort": 8080]]],
    ]

    private func conditions(_ slices: [EndpointSlice]) -> [String] {
        slices.flatMap(\.endpoints).map { "\($0.conditions?.ready ?? false) \($0.conditions?.serving ?? false) \($0.conditions?.terminating ?? false)" }.sorted()
    }

    @Test("pods come into the slices when they are ready, leave readiness the moment they are deleted, and go when they end")
    func life() async throws {
        try await TestCluster.run { cluster in
            _ = try await cluster.client.create(Service.resource, namespace: "default", service)
            let empty = await cluster.wait(EndpointSlice.self) { $0.count { $0.metadata.labels["kubernetes.io/service-name"] == "web" } == 1 }
            #expect(empty.first { $0.metadata.labels["kubernetes.io/service-name"] == "web" }?.endpoints.isEmpty == true)
            cluster.node.set {
                $0.readies = { _ in false }
                $0.ends = false
            }
            for name in ["a", "b"] { _ = try await cluster.client.create(Pod.resource, namespace: "default", .pod(name, app: "web")) }
            await cluster.wait(EndpointSlice.self) { conditions($0) == ["false false false", "false false false"] }
            cluster.node.set { $0.readies = { _ in true } }
            await cluster.wait(EndpointSlice.self) { conditions($0) == ["true true false", "true true false"] }
            await cluster.wait(Endpoints.self) { $0.first { $0.name == "web" }?.subsets.first?.addresses.count == 2 }

            try await cluster.delete(Pod.resource, "a")
            await cluster.wait(EndpointSlice.self) { conditions($0) == ["false true true", "true true false"] }
            await cluster.wait(Endpoints.self) { $0.first { $0.name == "web" }?.subsets.first?.addresses.map(\.targetRef?.name) == ["b"] }
            cluster.node.set { $0.ends = true }
            let slices = await cluster.wait(EndpointSlice.self) { conditions($0) == ["true true false"] }
            #expect(slices.count { $0.metadata.labels["kubernetes.io/service-name"] == "web" } == 1, "the same slice all along")

            try await cluster.delete(Service.resource, "web")
            await cluster.wait(EndpointSlice.self) { !$0.contains { $0.metadata.labels["kubernetes.io/service-name"] == "web" } }
            await cluster.wait(Endpoints.self) { !$0.contains { $0.name == "web" } }
        }
    }

    @Test("many pods at once never make a slice twice")
    func many() async throws {
        try await TestCluster.run { cluster in
            _ = try await cluster.client.create(Service.resource, namespace: "default", service)
            _ = try await cluster.client.create(ReplicaSet.resource, namespace: "default", .replicaSet("web", replicas: 130))
            let slices = await cluster.wait(EndpointSlice.self) { conditions($0).count == 130 && Set(conditions($0)) == ["true true false"] }
                .filter { $0.metadata.labels["kubernetes.io/service-name"] == "web" }
            #expect(slices.allSatisfy { $0.endpoints.count <= 100 })
            #expect(slices.count == 2)
            #expect(Set(slices.flatMap(\.endpoints).compactMap(\.targetRef?.uid)).count == 130)
        }
    }

    @Test("endpoints of a Service without a selector, and slices of others, are left alone")
    func foreign() async throws {
        try await TestCluster.run { cluster in
            var plain = service
            plain["metadata"]?["name"] = "plain"
            plain["spec"]?["selector"] = nil
            _ = try await cluster.client.create(Service.resource, namespace: "default", plain)
            let subsets: JSON = [["addresses": [["ip": "192.0.2.1"]], "ports": [["port": 80]]]]
            _ = try await cluster.client.create(Endpoints.resource, namespace: "default", [
                "apiVersion": "v1", "kind": "Endpoints", "metadata": ["name": "plain"], "subsets": subsets,
            ])
            _ = try await cluster.client.create(EndpointSlice.resource, namespace: "default", [
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": ["name": "mine", "labels": ["kubernetes.io/service-name": "web"]], "addressType": "IPv4",
                "endpoints": [["addresses": ["192.0.2.2"]]],
            ])
            // The work on a later Service shows that the earlier events have been worked on.
            _ = try await cluster.client.create(Service.resource, namespace: "default", service)
            await cluster.wait(EndpointSlice.self) { $0.contains { $0.metadata.labels["endpointslice.kubernetes.io/managed-by"] == EndpointSlicePlanner.manager } }
            await cluster.wait(Endpoints.self) { $0.contains { $0.name == "web" } }
            let endpoints = try await cluster.client.get(Endpoints.self, namespace: "default", name: "plain")
            #expect(endpoints.subsets.map(\.addresses[0].ip) == ["192.0.2.1"])
            let slice = try await cluster.client.get(EndpointSlice.self, namespace: "default", name: "mine")
            #expect(slice.endpoints.map(\.addresses) == [["192.0.2.2"]])

            // Readers of slices alone find them too, as long as they are there.
            func mirrors(_ slices: [EndpointSlice]) -> [[String]] {
                slices.filter { $0.metadata.labels["kubernetes.io/service-name"] == "plain" }.flatMap(\.endpoints).map(\.addresses)
            }
            await cluster.wait(EndpointSlice.self) { mirrors($0) == [["192.0.2.1"]] }
            try await cluster.patch(Endpoints.resource, "plain", ["subsets": [["addresses": [["ip": "192.0.2.7"]], "ports": [["port": 80]]]]])
            await cluster.wait(EndpointSlice.self) { mirrors($0) == [["192.0.2.7"]] }
            try await cluster.delete(Endpoints.resource, "plain")
            await cluster.wait(EndpointSlice.self) { mirrors($0) == [] }
        }
    }
}
