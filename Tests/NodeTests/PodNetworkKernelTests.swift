import LinuxSystem
import Logging
import Netlink
import PodNetwork
import Testing

/// A node in a network namespace of its own, with an uplink to an outside world in a third.
final class NetworkNode: Sendable {
    let node: NetworkNamespace
    let world: NetworkNamespace
    let directory: String
    let configuration: PodNetworkConfiguration

    init(range: String = "10.244.0.0/24", quarantine: Duration = .seconds(60)) throws {
        node = try NetworkNamespace()
        world = try NetworkNamespace()
        directory = "/tmp/swiftlet-podnetwork-\(UInt64.random(in: 0 ... .max))"
        configuration = PodNetworkConfiguration(
            podCIDRs: [try #require(IPPrefix(range))], clusterCIDRs: [try #require(IPPrefix("10.244.0.0/16"))], quarantine: quarantine,
            nodeNamespacePath: node.path)
        let peer = try Namespaces.open(world.path)
        try RouteSocket(inside: node.path).create(.veth(peer: LinkSettings(name: "eth0", mtu: 1450, namespace: peer.raw)), LinkSettings(name: "eth0", mtu: 1450))
        for command in [
            // A link-local address would come at some later moment, in the middle of an audit.
            ["ip", "link", "set", "eth0", "addrgenmode", "none"],
            ["ip", "link", "set", "lo", "up"], ["ip", "addr", "add", "192.0.2.1/24", "dev", "eth0"], ["ip", "link", "set", "eth0", "up"],
            ["ip", "route", "add", "default", "via", "192.0.2.2"],
        ] { try Commands.run(enter(node) + command) }
        for command in [["ip", "addr", "add", "192.0.2.2/24", "dev", "eth0"], ["ip", "link", "set", "eth0", "up"]] { try Commands.run(enter(world) + command) }
    }

    private func enter(_ namespace: NetworkNamespace) throws -> [String] {
        ["nsenter", "--net=" + namespace.path.replacing("/proc/self", with: "/proc/\(try Files.readLink("/proc/self"))"), "--"]
    }

    func network() throws -> PodNetwork { try PodNetwork(configuration: configuration, stateDirectory: directory, logger: Logger(label: "test")) }
    func reset() async throws {
        try await PodNetwork.reset(configuration: configuration, stateDirectory: directory, logger: Logger(label: "test"))
        #expect(!Files.exists(directory))
    }
}

@Suite(.privileged, .serialized) struct PodNetworkKernelTests {
    /// A refused connection is an answer: the packet came there and back.
    func reach(_ from: NetworkNamespace, _ address: String) throws -> Bool {
        try from.isRefused(by: address, port: 9, within: .seconds(30))
    }

    @Test func podsReachEachOtherTheNodeAndTheWorld() async throws {
        let host = try NetworkNode()
        let before = try LeakAudit(network: host.node)
        let network = try host.network()
        #expect(try await network.start(sandboxes: []) == PodNetworkAudit())
        let (one, two) = (try NetworkNamespace(), try NetworkNamespace())
        let first = try await network.attach(sandbox: "one", namespacePath: one.path)
        let second = try await network.attach(sandbox: "two", namespacePath: two.path)
        #expect(first == ["10.244.0.1"] && second == ["10.244.0.2"])

        #expect(try one.run("ip", "-br", "addr", "show", "eth0").contains("10.244.0.1/32"))
        #expect(try one.run("ip", "link", "show", "eth0").contains("mtu 1450"), "the uplink's")
        #expect(try one.run("ip", "route") == "default via 169.254.1.1 dev eth0 proto 83 src 10.244.0.1 onlink \n")
        #expect(try reach(one, "127.0.0.1"))
        #expect(try reach(one, second[0]))
        #expect(try reach(two, first[0]))
        #expect(try reach(host.node, first[0]))
        #expect(try reach(one, "192.0.2.1"), "the node")
        #expect(try reach(one, "192.0.2.2"), "the world answers the node's address: it has no route to pods")
        #expect((try? reach(host.world, first[0])) != true)
        // Pod to pod keeps its address: the other side sees who speaks.
        #expect(try host.node.run("nft", "list", "table", "inet", "swiftlet-pods").contains("ip saddr 10.244.0.0/24 ip daddr != 10.244.0.0/16"))

        try await network.detach(sandbox: "one", namespacePath: one.path)
        try await network.detach(sandbox: "one", namespacePath: one.path)
        #expect(try one.run("ip", "-br", "link").contains("eth0") == false)
        #expect(try reach(two, "192.0.2.2"))
        try await host.reset()
        #expect(try LeakAudit(network: host.node).difference(from: before) == [])
    }

    @Test func attachingTwiceCompletesAndAnswersTheSame() async throws {
        let host = try NetworkNode()
        let network = try host.network()
        _ = try await network.start(sandboxes: nil)
        let pod = try NetworkNamespace()
        let first = try await network.attach(sandbox: "a", namespacePath: pod.path)
        try pod.run("ip", "route", "del", "default")
        try pod.run("ip", "addr", "flush", "dev", "eth0")
        try host.node.run("ip", "route", "del", "10.244.0.1/32")
        #expect(try await network.attach(sandbox: "a", namespacePath: pod.path) == first)
        #expect(try reach(pod, "192.0.2.2"))
        // A new namespace for the same sandbox: the pair is made anew, the address stays.
        let other = try NetworkNamespace()
        #expect(try await network.attach(sandbox: "a", namespacePath: other.path) == first)
        #expect(try reach(other, "192.0.2.2"))
        try await host.reset()
    }

    @Test func aNewAgentAdopts() async throws {
        let host = try NetworkNode()
        let pods = try (0..<4).map { _ in try NetworkNamespace() }
        do {
            let network = try host.network()
            _ = try await network.start(sandboxes: nil)
            for (index, pod) in pods.enumerated() { _ = try await network.attach(sandbox: "pod\(index)", namespacePath: pod.path) }
        }
        // While the agent is away: pod 1's sandbox is removed, pod 2's route and pod 3's link are lost, and a link with our mark appears.
        try host.node.run("ip", "route", "del", "10.244.0.3/32")
        try pods[3].run("ip", "link", "del", "eth0")
        try host.node.run("ip", "link", "add", "swlstray", "type", "bridge")
        try host.node.run("ip", "link", "set", "swlstray", "alias", "swiftlet pod unknown")
        try host.node.run("ip", "link", "add", "swlforeign", "type", "bridge")

        let network = try host.network()
        let audit = try await network.start(sandboxes: ["pod0", "pod2", "pod3"])
        #expect(audit.forgotten == ["pod1"] && audit.repaired == ["pod2"] && audit.broken == ["pod3"] && audit.strayLinks == ["swlstray"])
        #expect(try host.node.run("ip", "-br", "link").contains("swlforeign"), "a stranger's link stays")
        #expect(network.addresses(of: "pod0") == ["10.244.0.1"])
        #expect(try reach(pods[0], "10.244.0.3"))
        #expect(try await network.start(sandboxes: ["pod0", "pod2", "pod3"]).repaired == [])

        // Pod 1's address rests; nobody's address is given twice.
        let pod = try NetworkNamespace()
        #expect(try await network.attach(sandbox: "pod4", namespacePath: pod.path) == ["10.244.0.5"])
        try await host.reset()
        #expect(try host.node.run("ip", "-br", "link").contains("swl") == true)
        try host.node.run("ip", "link", "del", "swlforeign")
    }

    @Test func aFullRangeSaysSoAndRecovers() async throws {
        let host = try NetworkNode(range: "10.244.9.0/30", quarantine: .zero)
        let network = try host.network()
        _ = try await network.start(sandboxes: nil)
        let (pod, other) = (try NetworkNamespace(), try NetworkNamespace())
        _ = try await network.attach(sandbox: "a", namespacePath: pod.path)
        _ = try await network.attach(sandbox: "b", namespacePath: other.path)
        await #expect { try await network.attach(sandbox: "c", namespacePath: pod.path) } throws: { ($0 as? PodNetworkError)?.code == .noAddressLeft }
        try await network.detach(sandbox: "a", namespacePath: pod.path)
        #expect(try await network.attach(sandbox: "c", namespacePath: pod.path) == ["10.244.9.1"])
        try await host.reset()
    }

    /// The namespace can vanish first, and the ledger alone must do.
    @Test func detachAfterTheNamespaceDied() async throws {
        let host = try NetworkNode()
        let network = try host.network()
        _ = try await network.start(sandboxes: nil)
        var pod: NetworkNamespace? = try NetworkNamespace()
        _ = try await network.attach(sandbox: "a", namespacePath: try #require(pod).path)
        pod = nil
        try await network.detach(sandbox: "a", namespacePath: "/nonexistent")
        try await host.reset()
        try await host.reset()
        #expect(try !host.node.run("ip", "-br", "link").contains("swl"))
    }

    @Test func settingsComeBack() async throws {
        let host = try NetworkNode()
        try host.node.run("sysctl", "-q", "net.ipv4.ip_forward=0", "net.ipv4.conf.all.send_redirects=1")
        let network = try host.network()
        _ = try await network.start(sandboxes: nil)
        _ = try await network.start(sandboxes: nil)
        #expect(try host.node.run("sysctl", "-n", "net.ipv4.ip_forward") == "1\n")
        #expect(try host.node.run("sysctl", "-n", "net.ipv4.conf.all.send_redirects") == "0\n")
        try await host.reset()
        #expect(try host.node.run("sysctl", "-n", "net.ipv4.ip_forward") == "0\n")
        #expect(try host.node.run("sysctl", "-n", "net.ipv4.conf.all.send_redirects") == "1\n")
    }

    @Test func manyAtOnceWithoutALeak() async throws {
        let host = try NetworkNode()
        let network = try host.network()
        _ = try await network.start(sandboxes: nil)
        let before = try LeakAudit(network: host.node)
        let pods = try (0..<50).map { _ in try NetworkNamespace() }
        let start = Clocks.monotonic()
        let addresses = try await withThrowingTaskGroup(of: String.self) { group in
            for (index, pod) in pods.enumerated() { group.addTask { try await network.attach(sandbox: "pod\(index)", namespacePath: pod.path)[0] } }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        print("attached 50 pods at once: \((Clocks.monotonic() - start) / 50_000) µs each")
        #expect(addresses.count == 50)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, pod) in pods.enumerated() { group.addTask { try await network.detach(sandbox: "pod\(index)", namespacePath: pod.path) } }
            try await group.waitForAll()
        }
        #expect(try LeakAudit(network: host.node).difference(from: before) == [])
        try await host.reset()
    }

    @Test func timeOfOnePod() async throws {
        let host = try NetworkNode()
        let network = try host.network()
        _ = try await network.start(sandboxes: nil)
        var made: [Int64] = []
        var attached: [Int64] = []
        for index in 0..<30 {
            let start = Clocks.monotonic()
            let pod = try NetworkNamespace()
            let middle = Clocks.monotonic()
            _ = try await network.attach(sandbox: "pod\(index)", namespacePath: pod.path)
            made.append(middle - start)
            attached.append(Clocks.monotonic() - middle)
        }
        print("network namespace \(made.sorted()[15] / 1000) µs, attach \(attached.sorted()[15] / 1000) µs (median of 30)")
        try await host.reset()
    }
}
