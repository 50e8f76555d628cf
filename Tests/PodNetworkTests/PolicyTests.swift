import KubeAPI
import Netlink
import Testing
@testable import PodNetwork

private func address(_ text: String) -> IPAddress { IPAddress(text)! }
private func prefix(_ text: String) -> IPPrefix { IPPrefix(text)! }
private func labels(_ labels: [String: String]) -> LabelRequirements { LabelRequirements(matching: labels) }

@Suite struct PolicyTests {
    let web = PolicyPod(namespace: "default", labels: ["app": "web"], addresses: [address("10.244.0.2")], ports: [.init("http", .tcp, 8080)])
    let client = PolicyPod(namespace: "default", labels: ["app": "client"], addresses: [address("10.244.0.3")])
    let other = PolicyPod(namespace: "other", labels: ["app": "client"], addresses: [address("10.244.0.4")], ports: [.init("http", .tcp, 9090)])
    let namespaces = ["default": ["kubernetes.io/metadata.name": "default"], "other": ["team": "b"]]

    private func snapshot(_ policies: TrafficPolicy...) -> PolicySnapshot {
        PolicySnapshot(policies: policies, pods: [web, client, other], namespaces: namespaces)
    }

    @Test func podsThatNoPolicySelectsAreOpen() {
        let policy = TrafficPolicy(namespace: "default", selector: labels(["app": "web"]), ingress: [])
        #expect(snapshot(policy).allowed(.ingress, for: client) == nil)
        #expect(snapshot(policy).allowed(.egress, for: web) == nil, "the policy says nothing of this direction")
        #expect(snapshot(policy).allowed(.ingress, for: other) == nil, "policies hold in their own namespace")
        let own = AllowedTraffic([.init(web.addresses[0]...web.addresses[0], .everything)])
        #expect(snapshot(policy).allowed(.ingress, for: web) == own, "no rule: nothing may come in, but from itself")
    }

    @Test(arguments: [
        (TrafficPolicy.Peer.pods(namespaces: nil, labels: labels(["app": "client"])), ["10.244.0.3"]),
        (.pods(namespaces: labels(["team": "b"]), labels: nil), ["10.244.0.4"]),
        (.pods(namespaces: .everything, labels: labels(["app": "client"])), ["10.244.0.3", "10.244.0.4"]),
        (.pods(namespaces: labels(["team": "b"]), labels: labels(["app": "web"])), []),
    ])
    func selectorsOfNamespacesAndPodsMustBothMatch(_ peer: TrafficPolicy.Peer, _ expected: [String]) {
        let policy = TrafficPolicy(namespace: "default", ingress: [.init(peers: [peer])])
        let allowed = snapshot(policy).allowed(.ingress, for: web)
        for pod in [client, other] {
            let may = allowed!.contains(pod.addresses[0], .tcp, 1)
            #expect(may == expected.contains(pod.addresses[0].description), "\(pod.addresses)")
        }
    }

    @Test func namedPortsAreThoseOfTheCalledPod() {
        let rule = TrafficPolicy.Rule(peers: [.pods(namespaces: .everything, labels: nil)], ports: [.init(.tcp, .named("http"))])
        let policy = TrafficPolicy(namespace: "default", ingress: [rule], egress: [rule])
        let incoming = snapshot(policy).allowed(.ingress, for: web)!
        #expect(incoming.contains(client.addresses[0], .tcp, 8080))
        #expect(!incoming.contains(client.addresses[0], .tcp, 9090))
        let outgoing = snapshot(policy).allowed(.egress, for: client)!
        #expect(outgoing.contains(other.addresses[0], .tcp, 9090))
        #expect(!outgoing.contains(other.addresses[0], .tcp, 8080))
        #expect(outgoing.contains(web.addresses[0], .tcp, 8080))
        let everybody = TrafficPolicy(namespace: "default", egress: [.init(ports: [.init(.tcp, .named("http"))])])
        #expect(snapshot(everybody).allowed(.egress, for: client)!.contains(other.addresses[0], .tcp, 9090))
        #expect(!snapshot(everybody).allowed(.egress, for: client)!.contains(address("192.0.2.1"), .tcp, 9090))
    }

    @Test func aBlockHasHoles() {
        let block = TrafficPolicy.Peer.block(prefix("10.0.0.0/8"), except: [prefix("10.1.0.0/16"), prefix("10.1.2.0/24"), prefix("10.255.255.255/32")])
        let policy = TrafficPolicy(namespace: "default", egress: [.init(peers: [block], ports: [.init(.udp, .range(53...53)), .init(.tcp, .any)])])
        let allowed = snapshot(policy).allowed(.egress, for: client)!
        for (text, may) in [("10.0.0.0", true), ("10.0.255.255", true), ("10.1.0.0", false), ("10.1.2.9", false), ("10.1.255.255", false), ("10.2.0.0", true),
                            ("10.255.255.254", true), ("10.255.255.255", false), ("11.0.0.0", false)] {
            #expect(allowed.contains(address(text), .udp, 53) == may, "\(text)")
            #expect(allowed.contains(address(text), .tcp, 65535) == may, "\(text)")
            #expect(!allowed.contains(address(text), .udp, 54), "\(text)")
        }
    }

    @Test func whoMayAskTheDNSAtItsKnownPortMayAskItWhereItIsServed() {
        let node = address("192.0.2.10")
        func allowed(_ rule: TrafficPolicy.Rule) -> AllowedTraffic {
            let policy = TrafficPolicy(namespace: "default", egress: [rule])
            let aliases = [PortAlias(node, .udp, known: 53, served: 10053)]
            return PolicySnapshot(policies: [policy], pods: [web, client], namespaces: namespaces, aliases: aliases).allowed(.egress, for: client)!
        }
        let dns = allowed(.init(ports: [.init(.udp, .range(53...53))]))
        #expect(dns.contains(node, .udp, 10053) && !dns.contains(web.addresses[0], .udp, 10053))
        #expect(!allowed(.init(ports: [.init(.tcp, .range(53...53))])).contains(node, .udp, 10053))
    }

    @Test func policiesAddUp() {
        let first = TrafficPolicy(namespace: "default", ingress: [.init(peers: [.block(prefix("192.0.2.0/24"), except: [])], ports: [.init(.tcp, .range(80...90))])])
        let second = TrafficPolicy(namespace: "default", ingress: [.init(peers: [.block(prefix("192.0.2.128/25"), except: [])], ports: [.init(.tcp, .range(91...99))])])
        let entries = snapshot(first, second).allowed(.ingress, for: web)!.entries
        #expect(entries == [
            .init(web.addresses[0]...web.addresses[0], .everything),
            .init(address("192.0.2.0")...address("192.0.2.127"), PortSet([.init(.tcp, 80...90)])),
            .init(address("192.0.2.128")...address("192.0.2.255"), PortSet([.init(.tcp, 80...99)])),
        ])
    }

    @Test func theWholeOfBothFamiliesIsTwoRanges() {
        let open = TrafficPolicy(namespace: "default", ingress: [.init()])
        let entries = snapshot(open).allowed(.ingress, for: web)!.entries
        #expect(entries == [.init(.v4(0) ... .v4(.max), .everything), .init(.v6(0, 0) ... .v6(.max, .max), .everything)])
    }

    /// The kernel's sets refuse overlapping ranges; whatever is permitted must come out disjoint, and the same.
    @Test(arguments: 0..<200) func overlapsAreResolved(_ seed: UInt64) {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        func random(_ bound: UInt32) -> UInt32 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt32(truncatingIfNeeded: state >> 32) % bound
        }
        let permitted = (0..<random(8)).map { _ in
            let low = random(24)
            let port = UInt16(random(6))
            let ports = random(5) == 0 ? PortSet.everything : PortSet([.init(random(2) == 0 ? .tcp : .udp, port...(port + UInt16(random(3))))])
            // Some end at the last address there is.
            return AllowedTraffic.Entry(.v4(low) ... .v4(random(9) == 0 ? .max : low + random(6)), ports)
        }
        let allowed = AllowedTraffic(permitted)
        for pair in zip(allowed.entries, allowed.entries.dropFirst()) { #expect(pair.0.addresses.upperBound < pair.1.addresses.lowerBound) }
        for place in Array(0..<32) + [UInt32.max] {
            for transport in [TransportProtocol.tcp, .udp] {
                for port in 0..<UInt16(9) {
                    let expected = permitted.contains { $0.addresses.contains(.v4(place)) && $0.ports.contains(transport, port) }
                    #expect(allowed.contains(.v4(place), transport, port) == expected)
                }
            }
        }
    }
}
