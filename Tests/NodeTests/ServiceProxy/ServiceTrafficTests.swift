import Glibc
import Netlink
import ServiceProxy
import Testing

/// What a Service does to packets, not what its rules say.
@Suite(.serialized, .privileged) struct ServiceTrafficTests {
    @Test func clusterIPFromPodAndHost() async throws {
        let node = try await ServiceNode()
        let (one, two, client) = (try await node.pod("one"), try await node.pod("two"), try await node.pod("client"))
        try await node.serve([one.endpoint, two.endpoint])
        for transport in [TransportProtocol.tcp, .udp] {
            var servers: Set<String> = []
            for _ in 0..<40 {
                let answer = try client.namespace.call("10.96.0.1", 80, transport)
                servers.insert(try #require(answer.server, "\(transport): \(answer)"))
                #expect(answer.client == client.address.description, "pod to pod keeps its address")
            }
            #expect(servers == ["one", "two"])
            #expect(try ["one", "two"].contains(node.node.call("10.96.0.1", 80, transport).server))
            // A machine outside the cluster that routes to cluster IPs: the answer must come back through this node.
            #expect(try ["one", "two"].contains(node.world.call("10.96.0.1", 80, transport).server))
        }
        try await node.end()
    }

    @Test func hairpin() async throws {
        let node = try await ServiceNode()
        let pod = try await node.pod("self")
        try await node.serve([pod.endpoint])
        for transport in [TransportProtocol.tcp, .udp] {
            let answer = try pod.namespace.call("10.96.0.1", 80, transport)
            #expect(answer.server == "self", "\(transport): \(answer)")
            #expect(answer.client != pod.address.description, "its own address would be answered inside the pod")
        }
        try await node.end()
    }

    @Test func refusedAtOnceWithoutEndpoints() async throws {
        let node = try await ServiceNode()
        let pod = try await node.pod("pod")
        try await node.serve([pod.endpoint(ready: false)]) { $0.ports[0].nodePort = 30080 }
        for place in [pod.namespace, node.node, node.world] {
            for transport in [TransportProtocol.tcp, .udp] {
                let clock = ContinuousClock()
                var answer = Answer.silence
                let time = try clock.measure { answer = try place.call("10.96.0.1", 80, transport, milliseconds: 3000) }
                // A datagram that its own host rejects is refused by sendto(2) already.
                #expect(answer == .refused || transport == .udp && place === node.node && answer == .failed(EPERM), "\(answer)")
                #expect(time < .milliseconds(900), "\(time): before a packet is sent again")
            }
            #expect(try place.call(ServiceNode.address, 30080) == .refused)
            #expect(try place.call("10.96.0.1", 81) == .refused, "a port that the Service does not have")
            #expect(try place.call("10.96.7.7", 80) == .refused, "an address that nobody has")
        }
        // And they are there as soon as there is one.
        try await node.serve([pod.endpoint])
        #expect(try node.node.call("10.96.0.1", 80).server == "pod")
        // A Service that goes takes its address with it.
        node.proxy.submit(.serviceRemoved(ObjectName("test", "web")))
        try await node.proxy.synchronize()
        #expect(try node.node.call("10.96.0.1", 80) == .refused)
        try await node.end()
    }

    @Test func nodePort() async throws {
        let node = try await ServiceNode()
        let (pod, client) = (try await node.pod("pod"), try await node.pod("client"))
        try await node.serve([pod.endpoint]) { service in
            service.ports[0].nodePort = 30080
            service.ports[1].nodePort = 30080
        }
        for transport in [TransportProtocol.tcp, .udp] {
            #expect(try node.world.call(ServiceNode.address, 30080, transport) .server == "pod")
            #expect(try node.world.call(ServiceNode.address, 30080, transport).client != ServiceNode.worldAddress, "masqueraded: the answer comes back through here")
            #expect(try node.node.call(ServiceNode.address, 30080, transport).server == "pod")
            #expect(try client.namespace.call(ServiceNode.address, 30080, transport) == .from("pod", seeing: client.address.description))
            #expect(try pod.namespace.call(ServiceNode.address, 30080, transport).server == "pod", "hairpin")
        }
        #expect(try node.world.call(ServiceNode.address, 30081) == .refused)
        try await node.end()
    }

    @Test func externalPolicyLocal() async throws {
        let node = try await ServiceNode()
        let (pod, client) = (try await node.pod("pod"), try await node.pod("client"))
        let far = try TestServer("far", in: node.world, 8080)
        let farAddress = try #require(IPAddress(ServiceNode.worldAddress))
        let farEndpoint = EndpointSliceDescription.Endpoint(farAddress, nodeName: "elsewhere")
        func local(_ service: inout ServiceDescription) {
            service.externalTrafficPolicy = .local
            service.ports[0].nodePort = 30080
            service.externalIPs = IPAddress("198.51.100.7").map { [$0] } ?? []
        }
        try await node.serve([pod.endpoint, farEndpoint], local)
        for _ in 0..<20 {
            #expect(try node.world.call(ServiceNode.address, 30080) == .from("pod", seeing: ServiceNode.worldAddress), "only here, and the client's address is kept")
            #expect(try node.world.call("198.51.100.7", 80) == .from("pod", seeing: ServiceNode.worldAddress))
        }
        // Pods and the node itself reach all endpoints through the same addresses.
        for (place, name) in [(client.namespace, "pod"), (node.node, "node")] {
            for (address, port) in [(ServiceNode.address, UInt16(30080)), ("198.51.100.7", 80)] {
                let servers = try Set((0..<30).map { _ in try place.call(address, port).server })
                #expect(servers == ["pod", "far"], "\(name) to \(address): \(servers)")
            }
        }
        // Without an endpoint here the world hears nothing: a load balancer must not take the node for a good one.
        try await node.serve([farEndpoint], local)
        #expect(try node.world.call(ServiceNode.address, 30080, milliseconds: 300) == .silence)
        #expect(try client.namespace.call(ServiceNode.address, 30080).server == "far")
        #expect(try node.node.call("198.51.100.7", 80).server == "far")
        // A load balancer may give the node its address: the node then calls from it, and the answer must not go elsewhere.
        try node.node.run("ip", "address", "add", "198.51.100.7/32", "dev", "lo")
        try node.world.run("ip", "route", "delete", "198.51.100.0/24")
        #expect(try node.node.call("198.51.100.7", 80) == .from("far", seeing: ServiceNode.address))
        try node.node.run("ip", "address", "delete", "198.51.100.7/32", "dev", "lo")
        // Without one anywhere it is told.
        try await node.serve([], local)
        #expect(try node.world.call(ServiceNode.address, 30080) == .refused)
        #expect(try client.namespace.call("198.51.100.7", 80) == .refused)
        _ = far
        try await node.end()
    }

    @Test func internalPolicyLocal() async throws {
        let node = try await ServiceNode()
        let pod = try await node.pod("pod")
        let far = try TestServer("far", in: node.world, 8080)
        let farEndpoint = EndpointSliceDescription.Endpoint(try #require(IPAddress(ServiceNode.worldAddress)), nodeName: "elsewhere")
        try await node.serve([pod.endpoint, farEndpoint]) { $0.internalTrafficPolicy = .local }
        #expect(try Set((0..<20).map { _ in try node.node.call("10.96.0.1", 80).server }) == ["pod"])
        try await node.serve([farEndpoint]) { $0.internalTrafficPolicy = .local }
        #expect(try pod.namespace.call("10.96.0.1", 80, milliseconds: 300) == .silence)
        try await node.serve([farEndpoint])
        #expect(try pod.namespace.call("10.96.0.1", 80).server == "far")
        _ = far
        try await node.end()
    }

    @Test func loadBalancerSourceRanges() async throws {
        let node = try await ServiceNode()
        let (pod, client) = (try await node.pod("pod"), try await node.pod("client"))
        let (address, world) = (try #require(IPAddress("198.51.100.9")), try #require(IPPrefix("192.0.2.2/32")))
        func guarded(_ ranges: [IPPrefix]) -> (inout ServiceDescription) -> Void {
            { service in
                service.loadBalancerIPs = [address]
                service.sourceRanges = ranges
            }
        }
        let (pair, podRange) = (try #require(IPPrefix("192.0.2.2/31")), try #require(IPPrefix("10.244.0.0/16")))
        try await node.serve([pod.endpoint], guarded([world, pair]))
        #expect(try node.world.call("198.51.100.9", 80).server == "pod")
        #expect(try client.namespace.call("198.51.100.9", 80, milliseconds: 300) == .silence)
        #expect(try client.namespace.call("10.96.0.1", 80).server == "pod", "the cluster IP is not guarded")
        try await node.serve([pod.endpoint], guarded([podRange]))
        #expect(try node.world.call("198.51.100.9", 80, milliseconds: 300) == .silence)
        #expect(try client.namespace.call("198.51.100.9", 80).server == "pod")
        try await node.serve([pod.endpoint], guarded([]))
        #expect(try node.world.call("198.51.100.9", 80).server == "pod")
        try await node.end()
    }

    @Test func endpointsThatEnd() async throws {
        let node = try await ServiceNode()
        let (one, two) = (try await node.pod("one"), try await node.pod("two"))
        let ending = two.endpoint(ready: false, serving: true, terminating: true)
        try await node.serve([one.endpoint, ending])
        #expect(try Set((0..<20).map { _ in try node.node.call("10.96.0.1", 80).server }) == ["one"])
        try await node.serve([one.endpoint(ready: false), ending])
        #expect(try Set((0..<20).map { _ in try node.node.call("10.96.0.1", 80).server }) == ["two"], "better than nobody")
        try await node.serve([one.endpoint(ready: false), two.endpoint(ready: false, serving: false, terminating: true)])
        #expect(try node.node.call("10.96.0.1", 80) == .refused)
        try await node.end()
    }

    /// Pearson's statistic for two degrees of freedom is above 18.4 once in ten thousand runs.
    @Test func aThousandConnectionsAreSpreadEvenly() async throws {
        let node = try await ServiceNode()
        let (pods, client) = (try await node.pods("a", "b", "c"), try await node.pod("client"))
        try await node.serve(pods.map(\.endpoint))
        var counts: [String: Double] = [:]
        for _ in 0..<1000 { counts[try client.namespace.call("10.96.0.1", 80).server ?? "none", default: 0] += 1 }
        #expect(counts.keys.sorted() == ["a", "b", "c"])
        let expected = 1000.0 / 3
        let statistic = counts.values.reduce(0) { $0 + ($1 - expected) * ($1 - expected) / expected }
        #expect(statistic < 18.4, "\(counts)")
        print("a thousand connections over three endpoints: \(counts), chi-squared \(statistic)")
        try await node.end()
    }

    /// On the node alone: its pods have no IPv6 addresses yet.
    @Test func ipv6OnTheNode() async throws {
        let node = try await ServiceNode()
        for address in ["fd00:1::a", "fd00:1::b"] { try node.node.run("ip", "address", "add", address + "/128", "dev", "lo", "nodad") }
        let (a, b) = (try TestServer("a", in: node.node, 8080, address: "fd00:1::a"), try TestServer("b", in: node.node, 8080, address: "fd00:1::b"))
        let endpoints = try ["fd00:1::a", "fd00:1::b"].map { EndpointSliceDescription.Endpoint(try #require(IPAddress($0)), nodeName: "here") }
        let clusterIP = "fd00:10:96::1"
        try await node.serve(at: clusterIP, endpoints)
        #expect(try Set((0..<40).map { _ in try node.node.call(clusterIP, 80).server }) == ["a", "b"])
        #expect(try node.node.call(clusterIP, 80, .udp).server != nil)
        try await node.serve(at: clusterIP, endpoints) { $0.affinitySeconds = 60 }
        let first = try #require(try node.node.call(clusterIP, 80).server)
        #expect(try Set((0..<20).map { _ in try node.node.call(clusterIP, 80).server }) == [first])
        try await node.serve(at: clusterIP, [])
        #expect(try node.node.call(clusterIP, 80) == .refused)
        _ = (a, b)
        for address in ["fd00:1::a", "fd00:1::b"] { try node.node.run("ip", "address", "delete", address + "/128", "dev", "lo") }
        try await node.end()
    }

    @Test func sctp() async throws {
        let node = try await ServiceNode()
        // Kernels without the module cannot open such a socket at all.
        guard (try? TestSocket(in: node.node, .sctp)) != nil else { return try await node.end() }
        let (pod, client) = (try await node.pod("pod", transports: [.sctp]), try await node.pod("client"))
        let service = ServiceDescription(ObjectName("test", "s"), clusterIPs: [try #require(IPAddress("10.96.0.1"))], ports: [.init(.sctp, 80)])
        node.proxy.submit(.service(service), .slice(.init(ObjectName("test", "s-x"), service: "s", ports: [.init(.sctp, 8080)], endpoints: [pod.endpoint])))
        try await node.proxy.synchronize()
        #expect(try client.namespace.call("10.96.0.1", 80, .sctp).server == "pod")
        try await node.end()
    }
}
