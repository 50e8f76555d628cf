import KubeAPI
import LinuxSystem
import Logging
import Netlink
import PodNetwork
import Testing

/// Network policies with real packets: three pods, a node, a world outside.
@Suite(.serialized) struct PolicyKernelTests {
    /// A refused connection is an answer: the packet came there and back.
    private func reach(_ from: NetworkNamespace, _ address: String, port: UInt16 = 9) async throws -> Bool {
        try from.isRefused(by: address, port: port, within: .seconds(30))
    }

    /// A packet that is dropped has no answer to wait for: one that arrives takes far less than this.
    private func blocked(_ from: NetworkNamespace, _ address: String, port: UInt16 = 9) async throws -> Bool {
        try from.isRefused(by: address, port: port, within: .milliseconds(500)) == false
    }

    private func pod(_ name: String, _ address: String, ports: [PolicyPod.Port] = []) -> PolicyEnforcer.KnownPod {
        PolicyEnforcer.KnownPod(uid: name, pod: PolicyPod(namespace: "default", labels: ["app": name], addresses: [IPAddress(address)!], ports: ports))
    }

    private func labels(_ name: String) -> LabelRequirements { LabelRequirements(matching: ["app": name]) }

    /// Three pods web, client and other at 10.244.0.1 to 3.
    private func withPods(_ body: (NetworkNode, PodNetwork, PolicyEnforcer, [NetworkNamespace], [PolicyEnforcer.KnownPod]) async throws -> Void) async throws {
        let host = try NetworkNode()
        let before = try LeakAudit(network: host.node)
        let network = try host.network()
        _ = try await network.start(sandboxes: [])
        let spaces = try (0..<3).map { _ in try NetworkNamespace() }
        for (index, space) in spaces.enumerated() { _ = try await network.attach(sandbox: "pod\(index)", namespacePath: space.path) }
        let pods = [pod("web", "10.244.0.1", ports: [.init("discard", .tcp, 9)]), pod("client", "10.244.0.2"), pod("other", "10.244.0.3")]
        let enforcer = PolicyEnforcer(network: network, logger: Logger(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { (group) async throws in
            group.addTask { await enforcer.run() }
            try await body(host, network, enforcer, spaces, pods)
            group.cancelAll()
        }
        try await PolicyEnforcer.reset(network: network)
        try await host.reset()
        #expect(try LeakAudit(network: host.node).difference(from: before) == [])
    }

    @Test func ingressLetsOnlyTheNamedIn() async throws {
        try await withPods { (host, _, enforcer, spaces, pods) async throws in
            let policy = TrafficPolicy(namespace: "default", selector: labels("web"), ingress: [
                .init(peers: [.pods(namespaces: nil, labels: labels("client"))], ports: [.init(.tcp, .named("discard"))]),
            ])
            enforcer.update([policy], pods, ["default": [:]])
            await enforcer.synchronize()
            #expect(try await reach(spaces[1], "10.244.0.1"))
            #expect(try await blocked(spaces[1], "10.244.0.1", port: 10), "another port")
            #expect(try await blocked(spaces[2], "10.244.0.1"))
            #expect(try await reach(spaces[2], "10.244.0.2"), "a pod that no policy is about")
            #expect(try await reach(spaces[0], "10.244.0.3"), "what goes out is not restricted, and the answer comes in")
            #expect(try await reach(host.node, "10.244.0.1"), "the node always reaches its pods")
            // Labels change: one element more.
            var moved = pods
            moved[2].pod.labels = ["app": "client"]
            enforcer.update([policy], moved, ["default": [:]])
            await enforcer.synchronize()
            #expect(try await reach(spaces[2], "10.244.0.1"))
            enforcer.update([], pods, ["default": [:]])
            await enforcer.synchronize()
            #expect(try await reach(spaces[2], "10.244.0.1", port: 10))
        }
    }

    @Test func egressCoversPodsTheNodeAndTheWorld() async throws {
        try await withPods { (host, _, enforcer, spaces, pods) async throws in
            let policy = TrafficPolicy(namespace: "default", selector: labels("client"), egress: [
                .init(peers: [.pods(namespaces: nil, labels: labels("web"))]),
                .init(peers: [.block(IPPrefix("192.0.2.0/24")!, except: [IPPrefix("192.0.2.1/32")!])], ports: [.init(.tcp, .range(1...9))]),
            ])
            enforcer.update([policy], pods, ["default": [:]])
            await enforcer.synchronize()
            #expect(try await reach(spaces[1], "10.244.0.1"))
            #expect(try await blocked(spaces[1], "10.244.0.3"))
            #expect(try await reach(spaces[1], "192.0.2.2"))
            #expect(try await blocked(spaces[1], "192.0.2.2", port: 10))
            #expect(try await blocked(spaces[1], "192.0.2.1"), "the node itself")
            #expect(try await reach(spaces[2], "10.244.0.2"), "what comes in is not restricted, and the answer goes out")
            let ping = try spaces[1].run("bash", "-c", "ping -c1 -W1 10.244.0.3 >/dev/null 2>&1 && echo yes || echo no")
            #expect(ping == "no\n", "every protocol")
            _ = host
        }
    }

    @Test func aNewPodIsIsolatedBeforeTheAPITellsOfIt() async throws {
        try await withPods { (_, network, enforcer, spaces, pods) async throws in
            enforcer.update([TrafficPolicy(namespace: "default", ingress: [])], pods, ["default": [:]])
            let space = try NetworkNamespace()
            let address = try await network.attach(sandbox: "new", namespacePath: space.path)[0]
            await enforcer.prepare(pod("new", address).pod, uid: "new")
            #expect(try await blocked(spaces[1], address))
        }
    }

    @Test func aForeignFlushIsRepairedAndAnotherAgentGoesOn() async throws {
        try await withPods { (host, network, enforcer, spaces, pods) async throws in
            enforcer.update([TrafficPolicy(namespace: "default", ingress: [])], pods, ["default": [:]])
            await enforcer.synchronize()
            try host.node.run("nft", "delete", "table", "inet", "swiftlet-policy")
            #expect(try await reach(spaces[1], "10.244.0.1"))
            enforcer.repair()
            await enforcer.synchronize()
            #expect(try await blocked(spaces[1], "10.244.0.1"))
            // A new agent knows nothing until the API has told it: what is in the kernel holds.
            let next = PolicyEnforcer(network: network, logger: Logger(label: "test"))
            try await withThrowingTaskGroup(of: Void.self) { (group) async throws in
                group.addTask { await next.run() }
                #expect(try await blocked(spaces[1], "10.244.0.1"))
                next.update([], pods, ["default": [:]])
                await next.synchronize()
                #expect(try await reach(spaces[1], "10.244.0.1"))
                group.cancelAll()
            }
        }
    }
}
