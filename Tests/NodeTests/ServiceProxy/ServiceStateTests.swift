import Logging
import Netlink
@testable import ServiceProxy
import Testing

/// What the kernel remembers between packets: affinity and tracked connections.
@Suite(.serialized, .privileged) struct ServiceStateTests {
    /// The clients that the kernel remembers.
    func remembered(_ node: ServiceNode) throws -> [NFTablesElement] {
        try NFTablesSocket(inside: node.node.path).elements(.inet, table: node.configuration.tableName, set: "affinity4")
    }

    @Test func aClientStaysWithItsEndpoint() async throws {
        let node = try await ServiceNode()
        let (pods, clients) = (try await node.pods("a", "b", "c"), try await node.pods("x", "y", "z", "u", "v"))
        func sticky(_ service: inout ServiceDescription) {
            service.affinitySeconds = 10_800
            service.ports[0].nodePort = 30080
        }
        try await node.serve(pods.map(\.endpoint), sticky)
        for client in clients {
            let first = try client.namespace.call("10.96.0.1", 80)
            #expect(first.server != nil)
            let byNodePort = try client.namespace.call(ServiceNode.address, 30080)
            #expect(byNodePort.server != nil)
            for _ in 0..<20 {
                #expect(try client.namespace.call("10.96.0.1", 80) == first)
                #expect(try client.namespace.call(ServiceNode.address, 30080) == byNodePort)
            }
        }
        #expect(try remembered(node).count == 2 * clients.count)
        #expect(try remembered(node).allSatisfy { $0.timeout == 10_800_000 })

        // The endpoint goes: another one is chosen and kept.
        let client = clients[0].namespace
        let gone = try #require(try client.call("10.96.0.1", 80).server)
        try await node.serve(pods.filter { $0.name != gone }.map(\.endpoint), sticky)
        let second = try #require(try client.call("10.96.0.1", 80).server)
        #expect(second != gone)
        for _ in 0..<20 { #expect(try client.call("10.96.0.1", 80).server == second) }
        // More endpoints come, the client stays.
        try await node.serve(pods.map(\.endpoint), sticky)
        for _ in 0..<20 { #expect(try client.call("10.96.0.1", 80).server == second) }

        // Off and on again.
        try await node.serve(pods.map(\.endpoint))
        #expect(try Set((0..<60).map { _ in try client.call("10.96.0.1", 80).server }).count == 3)
        try await node.serve(pods.map(\.endpoint), sticky)
        #expect(try Set((0..<20).map { _ in try client.call("10.96.0.1", 80).server }).count == 1)
        try await node.end()
    }

    @Test func aRestartedProxyKeepsClientsAndTraffic() async throws {
        let node = try await ServiceNode()
        let (pods, client) = (try await node.pods("a", "b", "c"), try await node.pod("client").namespace)
        try await node.serve(pods.map(\.endpoint)) { $0.affinitySeconds = 600 }
        let first = try client.call("10.96.0.1", 80)
        await node.stopProxy()
        #expect(try client.call("10.96.0.1", 80) == first, "nobody runs, and it works")

        let second = try ServiceProxy(configuration: node.configuration, node: ServiceNode.description(), logger: .init(label: "test"))
        let running = Task { await second.run() }
        // It has heard of the Service, but not yet of all slices: nothing may change.
        var service = ServiceDescription(ObjectName("test", "web"), clusterIPs: IPAddress("10.96.0.1").map { [$0] } ?? [], ports: [.init(name: "tcp", .tcp, 80)])
        service.affinitySeconds = 600
        second.submit(.service(service), .servicesComplete)
        #expect(try client.call("10.96.0.1", 80) == first)
        second.submit(
            .slice(.init(ObjectName("test", "web-x"), service: "web", ports: [.init(name: "tcp", .tcp, 8080)], endpoints: pods.map(\.endpoint))), .slicesComplete)
        try await second.synchronize()
        #expect(try remembered(node).count == 1)
        let left = try #require(try remembered(node).first?.expiration)
        #expect(left < 600_000, "its time runs on")
        for _ in 0..<20 { #expect(try client.call("10.96.0.1", 80) == first) }
        #expect(try client.call("10.96.0.1", 80, .udp) == .refused, "a port that went meanwhile")
        running.cancel()
        await running.value
        await #expect(throws: ServiceProxyError.self) { try await second.synchronize() }
        try await node.end()
    }

    /// A datagram flow has no end of its own: it must not stay with an endpoint that is gone.
    @Test func datagramFlowsFollowTheEndpoints() async throws {
        let node = try await ServiceNode()
        let (pods, client) = (try await node.pods("a", "b"), try await node.pod("client").namespace)
        let flow = try client.flow("10.96.0.1", 80)
        try await node.serve(pods.map(\.endpoint))
        let first = try #require(flow.ask().server)
        for _ in 0..<10 { #expect(flow.ask().server == first, "one flow, one endpoint") }
        let other = try #require(pods.first { $0.name != first })
        try await node.serve([other.endpoint])
        #expect(flow.ask().server == other.name)
        // More endpoints do not move it.
        try await node.serve(pods.map(\.endpoint))
        for _ in 0..<10 { #expect(flow.ask().server == other.name) }
        try await node.serve([])
        #expect(flow.ask() == .refused)
        try await node.serve(pods.map(\.endpoint))
        #expect(flow.ask().server != nil)
        node.proxy.submit(.serviceRemoved(ObjectName("test", "web")))
        try await node.proxy.synchronize()
        #expect(flow.ask() == .refused)
        try await node.end()
    }

    /// The node's own stack has the flow; then a Service takes the port.
    @Test func flowsThatBeganBeforeTheService() async throws {
        let node = try await ServiceNode()
        let pod = try await node.pod("pod")
        let flow = try node.world.flow(ServiceNode.address, 30053)
        #expect(flow.ask() == .refused)
        #expect(try ConntrackSocket(inside: node.node.path).entries(.v4).contains { $0.original.destinationPort == 30053 })
        try await node.serve([pod.endpoint]) { $0.ports[1].nodePort = 30053 }
        #expect(flow.ask().server == "pod")
        try await node.end()
    }

    @Test func connectionsAreListedFilteredAndDeleted() async throws {
        let node = try await ServiceNode()
        let (pod, client) = (try await node.pod("pod"), try await node.pod("client"))
        try await node.serve([pod.endpoint])
        let flows = try (0..<3).map { _ in try client.namespace.flow("10.96.0.1", 80) }
        for flow in flows { #expect(flow.ask().server == "pod") }
        #expect(try client.namespace.call(pod.address.description, 8080, .udp).server == "pod")
        let conntrack = try ConntrackSocket(inside: node.node.path)
        let destination = ConntrackSocket.Destination(try #require(IPAddress("10.96.0.1")), .udp, 80)
        let entries = try conntrack.entries(.v4, to: destination)
        #expect(entries.count == 3)
        #expect(entries.allSatisfy { $0.isDestinationTranslated && $0.reply.source == pod.address && $0.reply.sourcePort == 8080 && $0.original.source == client.address })
        #expect(try conntrack.entries(.v4).count > 3)
        #expect(try conntrack.delete(entries[0]))
        #expect(try !conntrack.delete(entries[0]))
        #expect(try conntrack.entries(.v4, to: destination).count == 2)
        try await node.end()
    }
}
