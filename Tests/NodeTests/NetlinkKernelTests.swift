import JSONTree
import LinuxSystem
import Netlink
import Testing

/// The codecs against the running kernel, with `ip` and `nft` as the second opinion.
@Suite(.privileged, .serialized) struct NetlinkKernelTests {
    func json(_ text: String) throws -> JSON { try JSON(parsing: Array(text.utf8)) }

    @Test func pairAcrossNamespaces() throws {
        let (host, pod) = (try NetworkNamespace(), try NetworkNamespace())
        let socket = try RouteSocket(inside: host.path)
        let inside = try RouteSocket(inside: pod.path)
        let peer = try Namespaces.open(pod.path)
        let hardware = try #require(MACAddress("02:00:0a:f4:00:05"))
        try socket.create(
            .veth(peer: LinkSettings(name: "eth0", mtu: 1400, hardwareAddress: hardware, namespace: peer.raw)),
            LinkSettings(name: "swlx", mtu: 1400))

        // The kernel takes an alias only for a link that exists.
        try socket.change(#require(try socket.link(named: "swlx")).index, LinkSettings(alias: "an alias"))
        let link = try #require(try socket.link(named: "swlx"))
        #expect(link.kind == "veth" && link.mtu == 1400 && link.alias == "an alias" && !link.isUp && link.peerNamespace != nil)
        let end = try #require(try inside.link(named: "eth0"))
        #expect(end.hardwareAddress == hardware && end.index == link.peerIndex)
        #expect(try json(pod.run("ip", "-j", "link", "show", "eth0")).array?[0]["address"]?.string == hardware.description)
        #expect(try json(host.run("ip", "-j", "link", "show", "swlx")).array?[0]["ifalias"]?.string == "an alias")
        #expect(try Set(socket.links().map(\.name)) == ["lo", "swlx"])

        #expect { try socket.create(.bridge, LinkSettings(name: "swlx")) } throws: { ($0 as? NetlinkError)?.errno == 17 }
        #expect(try socket.deleteLink(named: "swlx"))
        #expect(try !socket.deleteLink(named: "swlx"), "gone already")
        #expect(try inside.link(named: "eth0") == nil, "the peer went with it")
        #expect(try socket.link(named: "swlx") == nil)
    }

    @Test func addressesRoutesNeighbours() throws {
        let namespace = try NetworkNamespace()
        let socket = try RouteSocket(inside: namespace.path)
        try socket.create(.bridge, LinkSettings(name: "d0"))
        let link = try #require(try socket.link(named: "d0"))
        try socket.change(link.index, LinkSettings(isUp: true, withoutLinkLocal: true, ipv4: [.sendRedirects: 0, .reversePathFilter: 2]))
        #expect(try namespace.run("cat", "/proc/sys/net/ipv4/conf/d0/send_redirects") == "0\n")
        #expect(try namespace.run("cat", "/proc/sys/net/ipv4/conf/d0/rp_filter") == "2\n")

        let address = LinkAddress(index: link.index, prefix: try #require(IPPrefix("10.244.0.5/32")))
        try socket.add(address)
        try socket.add(address)
        #expect(try socket.addresses().contains(address))
        let gateway = try #require(IPAddress("169.254.1.1"))
        let neighbour = Neighbour(index: link.index, address: gateway, hardwareAddress: try #require(MACAddress("ee:ee:ee:ee:ee:ee")))
        try socket.replace(neighbour)
        #expect(try socket.neighbours(.v4).contains(neighbour))
        let route = Route(to: nil, via: gateway, index: link.index, onLink: true, source: address.prefix.address)
        try socket.replace(route)
        try socket.replace(route)
        #expect(try socket.routes(.v4) == [route])

        let shown = try #require(try json(namespace.run("ip", "-j", "route")).array?.first)
        #expect(shown["dst"]?.string == "default" && shown["gateway"]?.string == "169.254.1.1" && shown["dev"]?.string == "d0")
        #expect(shown["flags"]?.array?.first?.string == "onlink")
        #expect(try namespace.run("ip", "neighbour").contains("169.254.1.1 dev d0 lladdr ee:ee:ee:ee:ee:ee PERMANENT"))

        #expect(try socket.delete(route))
        #expect(try !socket.delete(route))
        #expect(try socket.delete(address))
        #expect(try !socket.delete(address))
    }

    @Test func errorsCarryTheKernelsWords() throws {
        let namespace = try NetworkNamespace()
        let socket = try RouteSocket(inside: namespace.path)
        #expect { try socket.replace(Route(to: IPPrefix("10.0.0.0/8"), index: 4711)) } throws: { error in
            guard let error = error as? NetlinkError else { return false }
            return error.errno == 19 && error.code == .refused && "\(error)".hasPrefix("set route 10.0.0.0/8: no such device (ENODEV)")
        }
    }

    @Test func changesAreHeard() throws {
        let namespace = try NetworkNamespace()
        let listener = try NetlinkSocket.open(.route, inside: namespace.path)
        try listener.join(group: NetlinkGroup.links)
        let socket = try RouteSocket(inside: namespace.path)
        try socket.create(.bridge, LinkSettings(name: "b0"))
        let made = try listener.receive().compactMap { RouteEvent($0) }
        guard case .linkChanged(let link)? = made.first else { Issue.record("expected a new link, found \(made)"); return }
        #expect(link.name == "b0" && link.kind == "bridge")
        try socket.deleteLink(link.index)
        var removed = false
        while !removed {
            for event in try listener.receive().compactMap({ RouteEvent($0) }) { if case .linkRemoved(let gone) = event { removed = gone.name == "b0" } }
        }
    }

    @Test func masqueradeAsNftShowsIt() throws {
        let namespace = try NetworkNamespace()
        let socket = try NFTablesSocket(inside: namespace.path)
        func batch() throws -> NFTablesBatch {
            var batch = NFTablesBatch()
            batch.replaceTable(.inet, "test")
            batch.addChain(.inet, table: "test", "post", hook: NFTablesHook(.nat, .postrouting, priority: 100))
            batch.addChain(.inet, table: "test", "plain")
            batch.addRule(
                .inet, table: "test", chain: "post",
                NFTablesExpression.family(.v4) + NFTablesExpression.address(.source, in: try #require(IPPrefix("10.244.3.0/24")))
                    + NFTablesExpression.address(.destination, in: try #require(IPPrefix("10.240.0.0/12")), negated: true)
                    + NFTablesExpression.interface(.outputInterfaceName, "swl", isPrefix: true, negated: true) + [.counter, .masqueradeFullyRandom],
                comment: "a comment")
            batch.addRule(.inet, table: "test", chain: "plain", NFTablesExpression.interface(.inputInterfaceName, "eth0") + [.verdict(.jump("post2"))])
            return batch
        }
        // A jump to a chain that is not there: the whole transaction is refused, step by step.
        #expect { try socket.commit("set up", batch()) } throws: { ($0 as? NetlinkError)?.errno == 2 }
        #expect(try socket.tables().isEmpty, "nothing of it took effect")

        var good = NFTablesBatch()
        good.replaceTable(.inet, "test")
        good.addChain(.inet, table: "test", "post", hook: NFTablesHook(.nat, .postrouting, priority: 100))
        good.addChain(.inet, table: "test", "plain")
        good.addRule(
            .inet, table: "test", chain: "post",
            NFTablesExpression.family(.v4) + NFTablesExpression.address(.source, in: try #require(IPPrefix("10.244.3.0/24")))
                + NFTablesExpression.address(.destination, in: try #require(IPPrefix("10.240.0.0/12")), negated: true)
                + NFTablesExpression.interface(.outputInterfaceName, "swl", isPrefix: true, negated: true) + [.masqueradeFullyRandom],
            comment: "a comment")
        good.addRule(.inet, table: "test", chain: "plain", NFTablesExpression.interface(.inputInterfaceName, "eth0") + [.verdict(.drop)])
        try socket.commit("set up", good)
        let first = try #require(try socket.tables().first)
        try socket.commit("again", good)
        #expect(try socket.tables().count == 1)
        #expect(try socket.tables().first?.handle != first.handle, "made anew")
        #expect(try Set(socket.chains(.inet, table: "test")) == ["post", "plain"])
        #expect(try socket.ruleCounts(.inet, table: "test") == ["post": 1, "plain": 1])

        let text = try namespace.run("nft", "list", "table", "inet", "test")
        #expect(text.contains("type nat hook postrouting priority srcnat; policy accept;"))
        #expect(text.contains("ip saddr 10.244.3.0/24 ip daddr != 10.240.0.0/12 oifname != \"swl*\" masquerade fully-random comment \"a comment\""), "\(text)")
        #expect(text.contains("iifname \"eth0\" drop"), "\(text)")
        #expect(try socket.deleteTable(.inet, "test"))
        #expect(try !socket.deleteTable(.inet, "test"))
        #expect(try namespace.run("nft", "list", "ruleset") == "")
    }
}
