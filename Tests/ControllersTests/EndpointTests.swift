import KubeAPI
import KubeTypes
import Testing

@testable import Controllers

func service(_ configure: (inout Service) -> Void = { _ in }) -> Service {
    Service(with: {
        $0.metadata.name = "web"
        $0.metadata.namespace = "default"
        $0.metadata.uid = "service"
        $0.spec.selector = ["app": "web"]
        $0.spec.clusterIP = "10.96.0.7"
        $0.spec.ipFamilies = ["IPv4"]
        $0.spec.ports = [ServicePort(name: "http", port: 80, protocol: "TCP", targetPort: 8080)]
        configure(&$0)
    })
}

@Suite struct EndpointSlicePlannerTests {
    private func plan(_ service: Service, _ pods: [Pod], _ slices: [EndpointSlice] = []) -> EndpointSliceDistribution.Plan {
        EndpointSlicePlanner.plan(service, pods: pods, zones: ["node-1": "west"], slices: slices)
    }

    private func many(_ range: Range<Int>) -> [Pod] { range.map { pod("p\($0 + 1000)", ip: "10.244.\($0 / 200).\($0 % 200 + 1)") } }

    /// The slices as they would be stored.
    private func stored(_ slices: [EndpointSlice]) -> [EndpointSlice] {
        slices.enumerated().map { index, slice in
            var slice = slice
            slice.metadata.name = "web-\(index)"
            slice.metadata.uid = "slice-\(index)"
            return slice
        }
    }

    @Test("conditions: ready, starting, on its way out, and all of them published", arguments: [
        (true, false, false, "true true false"), (false, false, false, "false false false"), (true, true, false, "false true true"),
        (false, true, false, "false false true"), (false, false, true, "true false false"), (true, true, true, "true true true"),
    ])
    func conditions(isReady: Bool, isEnding: Bool, publishes: Bool, expected: String) throws {
        let pod = pod("a", ready: isReady ? start : nil) { if isEnding { $0.metadata.deletionTimestamp = start } }
        let slices = plan(service { $0.spec.publishNotReadyAddresses = publishes }, [pod]).creations
        let conditions = try #require(slices.first?.endpoints.first?.conditions)
        #expect("\(conditions.ready!) \(conditions.serving!) \(conditions.terminating!)" == expected)
    }

    @Test("a slice names its Service, its manager and its owner; an endpoint its pod, node and zone")
    func content() throws {
        let slice = try #require(plan(service { $0.metadata.labels = ["team": "a"] }, [pod("a")]).creations.first)
        #expect(slice.metadata.labels == ["team": "a", "kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"])
        #expect(slice.metadata.generateName == "web-")
        #expect(slice.metadata.controller?.uid == "service")
        #expect(slice.addressType == "IPv4")
        #expect(slice.ports.map(\.port) == [8080] && slice.ports[0].name == "http" && slice.ports[0].protocol == "TCP")
        let endpoint = slice.endpoints[0]
        #expect(endpoint.addresses == ["10.244.0.9"])
        #expect(endpoint.targetRef?.uid == "a" && endpoint.targetRef?.kind == "Pod")
        #expect(endpoint.nodeName == "node-1" && endpoint.zone == "west")
    }

    @Test("pods without an address and pods that have ended are no endpoints")
    func excluded() {
        let plan = plan(service(), [pod("new", ip: nil), pod("done", phase: "Succeeded"), pod("failed", phase: "Failed")])
        #expect(plan.creations.count == 1, "one empty slice says that there are none")
        #expect(plan.creations[0].endpoints.isEmpty)
    }

    @Test("a named port is each pod's own: other numbers, other slices; a pod without it has no such port")
    func namedPorts() {
        func named(_ name: String, _ port: Int?) -> Pod {
            pod(name) { pod in
                pod.spec.containers = [Container(with: { $0.ports = port.map { [ContainerPort(containerPort: $0, name: "web", protocol: "TCP")] } ?? [] })]
            }
        }
        let service = service { $0.spec.ports = [ServicePort(name: "http", port: 80, targetPort: "web")] }
        let slices = plan(service, [named("a", 8080), named("b", 9090), named("c", 8080), named("d", nil)]).creations
        let found = slices.map { "\($0.ports.map { $0.port ?? 0 }) \($0.endpoints.compactMap(\.targetRef?.name))" }
        #expect(found == ["[] [\"d\"]", "[8080] [\"a\", \"c\"]", "[9090] [\"b\"]"])
    }

    @Test("a headless Service gives its pods their names and says that it is headless")
    func headless() {
        let service = service {
            $0.spec.clusterIP = "None"
            $0.spec.ports = []
        }
        let named = pod("a") {
            $0.spec.hostname = "first"
            $0.spec.subdomain = "web"
        }
        let other = pod("b") {
            $0.spec.hostname = "second"
            $0.spec.subdomain = "elsewhere"
        }
        let slice = plan(service, [named, other]).creations[0]
        #expect(slice.endpoints.map(\.hostname) == ["first", nil])
        #expect(slice.metadata.labels["service.kubernetes.io/headless"] == "")
        #expect(slice.ports.isEmpty)
    }

    @Test("both families have slices of their own")
    func dualStack() {
        let pod = pod("a") { $0.status.podIPs = [PodIP(ip: "10.244.0.9"), PodIP(ip: "fd00::9")] }
        let slices = plan(service { $0.spec.ipFamilies = ["IPv4", "IPv6"] }, [pod]).creations
        #expect(slices.map { "\($0.addressType) \($0.endpoints[0].addresses)" } == ["IPv4 [\"10.244.0.9\"]", "IPv6 [\"fd00::9\"]"])
    }

    @Test("a hundred endpoints a slice, every pod once")
    func many() {
        let slices = plan(service(), many(0..<250)).creations
        #expect(slices.map(\.endpoints.count) == [100, 100, 50])
        #expect(Set(slices.flatMap(\.endpoints).compactMap(\.targetRef?.name)).count == 250)
    }

    @Test("what is as it should be is not written")
    func stable() { #expect(plan(service(), many(0..<150), stored(plan(service(), many(0..<150)).creations)).isEmpty) }

    @Test("one more endpoint is one write, into the fullest slice with room")
    func oneMore() {
        let slices = stored(plan(service(), many(0..<150)).creations)
        let next = plan(service(), many(0..<151), slices)
        #expect(next.creations.isEmpty && next.deletions.isEmpty)
        #expect(next.updates.map { "\($0.old.name) \($0.new.endpoints.count)" } == ["web-1 51"])
    }

    @Test("a pod that begins to end is one write, and stays in its place")
    func oneEnds() throws {
        let slices = stored(plan(service(), many(0..<3)).creations)
        var pods = many(0..<3)
        pods[1].metadata.deletionTimestamp = start
        let next = plan(service(), pods, slices)
        let update = try #require(next.updates.first)
        #expect(next.updates.count == 1 && next.creations.isEmpty)
        #expect(update.new.endpoints.map(\.conditions?.ready) == [true, false, true])
        #expect(update.new.endpoints.map(\.conditions?.serving) == [true, true, true])
    }

    @Test("when all pods are replaced the slice is reused")
    func replaced() {
        let slices = stored(plan(service(), many(0..<3)).creations)
        let next = plan(service(), many(3..<6), slices)
        #expect(next.creations.isEmpty && next.deletions.isEmpty)
        #expect(next.updates.map { $0.new.endpoints.count } == [3])
    }

    @Test("slices of another Service by that name, and of a family that is gone, are deleted")
    func foreign() {
        var slices = stored(plan(service { $0.spec.ipFamilies = ["IPv6"] }, []).creations + plan(service(), [pod("a")]).creations)
        slices[1].metadata.ownerReferences[0].uid = "another"
        let next = plan(service(), [pod("a")], slices)
        #expect(next.deletions.map(\.name) == ["web-0", "web-1"])
        #expect(next.creations.map(\.endpoints.count) == [1])
    }

    @Test("the last endpoint leaves one empty slice, which is then kept")
    func emptied() {
        let slices = stored(plan(service(), [pod("a")]).creations)
        let next = plan(service(), [], slices)
        #expect(next.creations.map(\.endpoints.count) == [0])
        #expect(next.deletions.map(\.name) == ["web-0"])
        #expect(plan(service(), [], stored(next.creations)).isEmpty)
    }

    @Test("a changed label of the Service is written to its slices")
    func labels() {
        let slices = stored(plan(service(), [pod("a")]).creations)
        #expect(plan(service { $0.metadata.labels = ["new": "1"] }, [pod("a")], slices).updates.map(\.new.metadata.labels["new"]) == ["1"])
    }
}

@Suite struct EndpointsPlannerTests {
    private func subsets(_ service: Service, _ pods: [Pod]) -> [String] {
        EndpointsPlanner.endpoints(service, pods: pods, old: nil).subsets.map { subset in
            let ready = subset.addresses.map(\.ip).joined(separator: ",")
            let notReady = subset.notReadyAddresses.map(\.ip).joined(separator: ",")
            return "\(ready)|\(notReady)|\(subset.ports.map { "\($0.name ?? "-"):\($0.port)" }.joined(separator: ","))"
        }
    }

    @Test("ready and not ready apart, ending ones nowhere")
    func readiness() {
        let pods = [pod("a", ip: "10.0.0.1"), pod("b", ready: nil, ip: "10.0.0.2"), pod("c", ip: "10.0.0.3") { $0.metadata.deletionTimestamp = start }]
        #expect(subsets(service(), pods) == ["10.0.0.1|10.0.0.2|http:8080"])
        #expect(subsets(service { $0.spec.publishNotReadyAddresses = true }, pods) == ["10.0.0.1,10.0.0.2,10.0.0.3||http:8080"])
        #expect(subsets(service(), []) == [])
    }

    @Test("ports at the same addresses share a subset, others do not")
    func ports() {
        func named(_ name: String, _ ip: String, _ ports: [String: Int]) -> Pod {
            pod(name, ip: ip) { pod in
                pod.spec.containers = [Container(with: { $0.ports = ports.map { ContainerPort(containerPort: $0.value, name: $0.key, protocol: "TCP") } })]
            }
        }
        let service = service { $0.spec.ports = [ServicePort(name: "a", port: 1, targetPort: "a"), ServicePort(name: "b", port: 2, targetPort: "b")] }
        #expect(subsets(service, [named("x", "10.0.0.1", ["a": 1, "b": 2]), named("y", "10.0.0.2", ["a": 1, "b": 2])]) == ["10.0.0.1,10.0.0.2||a:1,b:2"])
        #expect(subsets(service, [named("x", "10.0.0.1", ["a": 1, "b": 2]), named("y", "10.0.0.2", ["a": 1])]) == ["10.0.0.1,10.0.0.2||a:1", "10.0.0.1||b:2"])
    }

    @Test("more than a thousand addresses are cut, the ready ones stay, and an annotation tells")
    func overCapacity() {
        let pods = (0..<1100).map { pod("p\($0)", ready: $0 < 200 ? nil : start, ip: "10.\($0 / 250).0.\($0 % 250 + 1)") }
        let cut = EndpointsPlanner.endpoints(service(), pods: pods, old: nil)
        #expect(cut.subsets[0].addresses.count == 900)
        #expect(cut.subsets[0].notReadyAddresses.count == 100)
        #expect(cut.metadata.annotations["endpoints.kubernetes.io/over-capacity"] == "truncated")
        let later = EndpointsPlanner.endpoints(service(), pods: Array(pods.prefix(3)), old: cut)
        #expect(later.metadata.annotations["endpoints.kubernetes.io/over-capacity"] == nil)
    }
}

@Suite struct EndpointSliceMirrorTests {
    private func endpoints(_ configure: (inout Endpoints) -> Void = { _ in }) -> Endpoints {
        Endpoints(with: {
            $0.metadata.name = "outside"
            $0.metadata.namespace = "default"
            $0.metadata.uid = "endpoints"
            $0.subsets = [EndpointSubset(
                addresses: [EndpointAddress(ip: "192.0.2.1"), EndpointAddress(ip: "2001:db8::1")], notReadyAddresses: [EndpointAddress(ip: "192.0.2.2")],
                ports: [EndpointPort(name: "db", port: 5432, protocol: "TCP")])]
            configure(&$0)
        })
    }

    @Test("each family and each set of ports is a slice of its own, ready or not as written")
    func mirrored() {
        let slices = EndpointSliceMirror.plan(endpoints(), slices: []).creations
        let found = slices.map { "\($0.addressType) \($0.endpoints.map { "\($0.addresses[0]) \($0.conditions?.ready ?? false)" }) \($0.ports.map { $0.port ?? 0 })" }
        #expect(found == ["IPv4 [\"192.0.2.1 true\", \"192.0.2.2 false\"] [5432]", "IPv6 [\"2001:db8::1 true\"] [5432]"])
        #expect(slices.allSatisfy { $0.metadata.labels["endpointslice.kubernetes.io/managed-by"] == "endpointslicemirroring-controller.k8s.io" })
        #expect(slices.allSatisfy { $0.metadata.labels["kubernetes.io/service-name"] == "outside" && $0.metadata.controller?.kind == "Endpoints" })
    }

    @Test("without addresses there is no slice")
    func empty() { #expect(EndpointSliceMirror.plan(endpoints { $0.subsets = [] }, slices: []).isEmpty) }

    @Test("what pods are selected for, what asks not to be mirrored and what the endpoints controller made is not mirrored")
    func skipped() {
        let plain = service { $0.spec.selector = [:] }
        #expect(EndpointSliceMirror.isMirrored(endpoints(), plain))
        #expect(!EndpointSliceMirror.isMirrored(endpoints(), service()))
        #expect(!EndpointSliceMirror.isMirrored(endpoints { $0.metadata.labels["endpointslice.kubernetes.io/skip-mirror"] = "true" }, plain))
        #expect(!EndpointSliceMirror.isMirrored(endpoints { $0.metadata.labels["endpoints.kubernetes.io/managed-by"] = "endpoint-controller" }, plain))
        #expect(!EndpointSliceMirror.isMirrored(endpoints { $0.metadata.annotations["control-plane.alpha.kubernetes.io/leader"] = "{}" }, plain))
    }
}
