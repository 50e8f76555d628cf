import Logging
import Netlink
@testable import ServiceProxy
import Testing

/// Others change the table; the proxy hears of it and makes it good.
@Suite(.serialized, .privileged) struct ServiceRepairTests {
    /// The cause of the next repair.
    func repair(_ events: inout AsyncStream<ServiceProxyEvent>.AsyncIterator) async -> String? {
        while let event = await events.next() { if case .repaired(let cause) = event { return cause } }
        return nil
    }

    @Test(.timeLimit(.minutes(1))) func foreignChangesAreRepairedAndReported() async throws {
        let node = try await ServiceNode()
        let (pod, client) = (try await node.pod("pod"), try await node.pod("client").namespace)
        try await node.serve([pod.endpoint])
        var events = node.events.makeAsyncIterator()
        for (command, words) in [
            (["nft", "flush", "ruleset"], "removed the table"), (["nft", "delete", "table", "inet", "swiftlet-services"], "removed the table"),
            (["nft", "flush", "chain", "inet", "swiftlet-services", "everyone"], "removed rule"),
            (["nft", "delete", "element", "inet", "swiftlet-services", "front4", "{ 10.96.0.1 . tcp . 80 }"], "removed element"),
            (["nft", "add", "element", "inet", "swiftlet-services", "drop4", "{ 10.96.0.1 . tcp . 80 }"], "added element"),
            (["nft", "insert", "rule", "inet", "swiftlet-services", "nat-prerouting", "accept"], "added rule"),
        ] {
            try node.node.run(command)
            let cause = try #require(await repair(&events))
            #expect(cause.contains("nft (pid ") && cause.contains(words), "\(cause)")
            #expect(try client.call("10.96.0.1", 80).server == "pod", "after \(command)")
        }
        // What is not ours is none of our business, and what we do is no foreign change.
        try node.node.run("nft", "add", "table", "inet", "other")
        try await node.serve([])
        try await node.serve([pod.endpoint])
        try node.node.run("nft", "delete", "table", "inet", "swiftlet-services")
        #expect(await repair(&events)?.contains("removed the table") == true, "the next event is this one")
        try node.node.run("nft", "delete", "table", "inet", "other")
        try await node.end()
    }

    /// Two who fight over the table must not keep the machine busy.
    @Test(.timeLimit(.minutes(1))) func aFightIsLimited() async throws {
        let clock = ManualClock()
        let node = try await ServiceNode(clock: clock)
        let pod = try await node.pod("pod")
        try await node.serve([pod.endpoint])
        var events = node.events.makeAsyncIterator()
        for _ in 0..<ServiceProxy.mostRepairs {
            try node.node.run("nft", "delete", "table", "inet", "swiftlet-services")
            #expect(await repair(&events) != nil)
        }
        // The audit, and the end of each repair's while.
        await clock.waitForSleepers(ServiceProxy.mostRepairs + 1)
        try node.node.run("nft", "delete", "table", "inet", "swiftlet-services")
        // News, which wake it: not even they end the pause.
        node.proxy.submit(.serviceRemoved(ObjectName("test", "other")), .service(.init(ObjectName("test", "other"), clusterIPs: [], ports: [])))
        #expect(try !node.node.run("nft", "list", "tables").contains("swiftlet-services"))
        clock.advance(by: .seconds(10))
        #expect(await repair(&events) != nil)
        #expect(try node.node.call("10.96.0.1", 80).server == "pod")
        try await node.end()
    }

    /// Nobody tells of it: the audit does.
    @Test(.timeLimit(.minutes(1))) func auditsGoOnByTheClock() async throws {
        let clock = ManualClock()
        let node = try await ServiceNode(clock: clock)
        try await node.serve([])
        await clock.waitForSleepers(1)
        // The route is watched by nobody else.
        try node.node.run("ip", "link", "delete", "swl-services")
        #expect(try !node.node.run("ip", "route").contains("10.96.0.0/16"))
        clock.advance(by: .seconds(600))
        let links = try NetlinkSocket.open(.route, inside: node.node.path)
        try links.join(group: NetlinkGroup.routes4)
        let routes = try RouteSocket(inside: node.node.path)
        // The route may be there already; else the news of it comes.
        while try !routes.routes(.v4).contains(where: { $0.destination == IPPrefix("10.96.0.0/16") }) { _ = try links.receive() }
        try await node.end()
    }

    /// The change is quicker than the news of it.
    @Test(.timeLimit(.minutes(1))) func aRefusedChangeMakesTheTableAnew() async throws {
        let node = try await ServiceNode()
        let pod = try await node.pod("pod")
        try await node.serve([pod.endpoint])
        let kernel = try KernelTable(configuration: node.configuration)
        // As if by us: the monitor of the other proxy hears it all the same, so both ways may repair it.
        try await kernel.removeEverything()
        try await node.serve([])
        try await node.serve([pod.endpoint])
        #expect(try node.node.call("10.96.0.1", 80).server == "pod")
        let differences = try await kernel.audit(await node.proxy.elements, node: ServiceNode.description())
        #expect(differences == [])
        try await node.end()
    }

    @Test func auditsFindWhatDiffers() async throws {
        let namespace = try NetworkNamespace()
        let kernel = try KernelTable(configuration: .init(namespacePath: namespace.path))
        let node = try ServiceNode.description()
        var picture = Picture()
        let service = ServiceDescription(
            ObjectName("test", "web"), clusterIPs: [try #require(IPAddress("10.96.0.1"))], ports: [.init(.tcp, 80, nodePort: 30080)],
            loadBalancerIPs: [try #require(IPAddress("198.51.100.1"))], sourceRanges: [try #require(IPPrefix("203.0.113.0/24"))], affinitySeconds: 7)
        let endpoint = EndpointSliceDescription.Endpoint(try #require(IPAddress("10.244.0.9")), nodeName: "here")
        let slice = EndpointSliceDescription(ObjectName("test", "web-x"), service: "web", ports: [.init(.tcp, 8080)], endpoints: [endpoint])
        _ = picture.update([service.name: service], slices: { _ in [slice] }, node: node)
        let elements = picture.elements
        #expect(try await kernel.audit(elements, node: node) == ["the table is gone"])
        _ = try await kernel.replace(elements, node: node)
        #expect(try await kernel.audit(elements, node: node) == [])
        for (command, words) in [
            (["delete", "element", "inet", "swiftlet-services", "choose4", "{ 10.96.0.1 . tcp . 80 . 0x00000000 }"], "set choose4: 1 elements missing, 0 too many"),
            (["add", "element", "inet", "swiftlet-services", "reject4", "{ 10.96.0.3 . tcp . 80 }"], "set reject4: 0 elements missing, 1 too many"),
            (["flush", "chain", "inet", "swiftlet-services", "refuse"], "chain refuse: expected 6 rules, found 0"),
        ] {
            try namespace.run(["nft"] + command)
            #expect(try await kernel.audit(elements, node: node) == [words])
            _ = try await kernel.replace(elements, node: node)
            #expect(try await kernel.audit(elements, node: node) == [])
        }
        try await kernel.removeEverything()
        #expect(try namespace.run("nft", "list", "ruleset") == "")
    }

    /// A second opinion on every element and rule.
    @Test func theTableAsNftShowsIt() async throws {
        let node = try await ServiceNode()
        let pod = try await node.pod("pod")
        try await node.serve([pod.endpoint])
        try await node.serve(name: "sticky", at: "10.96.0.2", [pod.endpoint]) { service in
            service.ports[0].nodePort = 30080
            service.affinitySeconds = 7
        }
        let text = try node.node.run("nft", "list", "table", "inet", "swiftlet-services")
        for line in [
            // 1 << 18, and 1 << 18 | 7 << 1, as nft shows a traffic class of the machine's byte order.
            "10.96.0.1 . tcp . 80 : 0:400", "192.0.2.1 . tcp . 30080 : e00:400", "e00:400 : goto ip4-cluster-1-7s",
            "10.96.0.1 . tcp . 80 . 0x00000000 : 10.244.0.1 . 8080", "10.244.0.0/24", "10.96.0.0/16", "10.244.0.1 . 10.244.0.1",
            "type nat hook prerouting priority dstnat; policy accept;", "type nat hook postrouting priority srcnat; policy accept;",
            "meta priority set ip daddr . meta l4proto . th dport map @front4 meta priority vmap @balance4",
            "dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 1 map @pick4", "ct state new jump refuse",
            "ct status dnat jump masquerade", "ct original ip daddr . meta l4proto . ct original proto-dst @masquerade4 masquerade fully-random",
            "@reject4 reject",
        ] { #expect(text.contains(line), "\(line) in \(text)") }
        try await node.end()
    }
}
