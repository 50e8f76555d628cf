@testable import Netlink
import Testing

/// Exact bytes, as the kernel reads them on a little-endian machine.
@Suite struct CodecTests {
    @Test func newPair() {
        var writer = NetlinkWriter()
        writer.message(type: Link.newLink, flags: [.request, .acknowledge, .create, .exclusive], sequence: 7) { writer in
            LinkSettings(name: "swlab", mtu: 1500).write(
                into: &writer, more: LinkKind.veth(peer: LinkSettings(name: "eth0", hardwareAddress: MACAddress("02:00:0a:f4:00:05"), namespace: 9)).write)
        }
        #expect(writer.bytes == [
            0x7c, 0, 0, 0,  // length 124
            0x10, 0,  // RTM_NEWLINK
            0x05, 0x06,  // REQUEST | ACK | EXCL | CREATE
            7, 0, 0, 0,  // sequence
            0, 0, 0, 0,  // port
            // struct ifinfomsg
            0, 0, 0, 0,  // AF_UNSPEC, hardware type
            0, 0, 0, 0,  // index
            0, 0, 0, 0,  // flags
            0, 0, 0, 0,  // change
            10, 0, 3, 0, 0x73, 0x77, 0x6c, 0x61, 0x62, 0, 0, 0,  // IFLA_IFNAME "swlab"
            8, 0, 4, 0, 0xdc, 0x05, 0, 0,  // IFLA_MTU 1500
            72, 0, 18, 0,  // IFLA_LINKINFO
            9, 0, 1, 0, 0x76, 0x65, 0x74, 0x68, 0, 0, 0, 0,  // IFLA_INFO_KIND "veth"
            56, 0, 2, 0,  // IFLA_INFO_DATA
            52, 0, 1, 0,  // VETH_INFO_PEER
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // struct ifinfomsg
            9, 0, 3, 0, 0x65, 0x74, 0x68, 0x30, 0, 0, 0, 0,  // IFLA_IFNAME "eth0"
            10, 0, 1, 0, 0x02, 0, 0x0a, 0xf4, 0, 0x05, 0, 0,  // IFLA_ADDRESS
            8, 0, 28, 0, 9, 0, 0, 0,  // IFLA_NET_NS_FD 9
        ])
    }

    @Test func onLinkDefaultRoute() {
        var writer = NetlinkWriter()
        Route(to: nil, via: IPAddress("169.254.1.1"), index: 2, onLink: true).write(into: &writer)
        #expect(writer.bytes == [
            2, 0, 0, 0, 254, 83, 0, 1,  // AF_INET, lengths 0, tos 0, table main, protocol 83, scope universe, unicast
            4, 0, 0, 0,  // RTNH_F_ONLINK
            8, 0, 5, 0, 169, 254, 1, 1,  // RTA_GATEWAY
            8, 0, 4, 0, 2, 0, 0, 0,  // RTA_OIF
        ])
    }

    @Test func routeToAPod() {
        var writer = NetlinkWriter()
        Route(to: IPPrefix("10.244.0.5/32"), index: 12).write(into: &writer)
        #expect(writer.bytes == [
            2, 32, 0, 0, 254, 83, 253, 1,  // AF_INET, /32, table main, protocol 83, scope link, unicast
            0, 0, 0, 0,
            8, 0, 1, 0, 10, 244, 0, 5,  // RTA_DST
            8, 0, 4, 0, 12, 0, 0, 0,  // RTA_OIF
        ])
    }

    @Test func permanentNeighbour() throws {
        var writer = NetlinkWriter()
        Neighbour(index: 2, address: try #require(IPAddress("169.254.1.1")), hardwareAddress: try #require(MACAddress("ee:ee:ee:ee:ee:ee"))).write(into: &writer)
        #expect(writer.bytes == [
            2, 0, 0, 0, 2, 0, 0, 0, 0x80, 0, 0, 0,  // AF_INET, index 2, NUD_PERMANENT
            8, 0, 1, 0, 169, 254, 1, 1,  // NDA_DST
            10, 0, 2, 0, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0, 0,  // NDA_LLADDR
        ])
    }

    @Test func transaction() throws {
        var batch = NFTablesBatch()
        batch.addTable(.inet, "t")
        batch.addRule(.inet, table: "t", chain: "c", [.masqueradeFullyRandom])
        #expect(batch.bytes(sequence: 1) == [
            20, 0, 0, 0, 0x10, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0,  // NFNL_MSG_BATCH_BEGIN
            0, 0, 0, 10,  // AF_UNSPEC, version 0, nf_tables in network order
            36, 0, 0, 0, 0, 10, 0x01, 0x04, 2, 0, 0, 0, 0, 0, 0, 0,  // NFT_MSG_NEWTABLE, REQUEST | CREATE, sequence 2
            1, 0, 0, 0,  // inet
            6, 0, 1, 0, 0x74, 0, 0, 0,  // NFTA_TABLE_NAME "t"
            8, 0, 2, 0, 0, 0, 0, 0,  // NFTA_TABLE_FLAGS 0
            68, 0, 0, 0, 6, 10, 0x05, 0x0c, 3, 0, 0, 0, 0, 0, 0, 0,  // NFT_MSG_NEWRULE, REQUEST | ACK | CREATE | APPEND
            1, 0, 0, 0,
            6, 0, 1, 0, 0x74, 0, 0, 0,  // NFTA_RULE_TABLE
            6, 0, 2, 0, 0x63, 0, 0, 0,  // NFTA_RULE_CHAIN
            32, 0, 4, 0x80,  // NFTA_RULE_EXPRESSIONS, nested
            28, 0, 1, 0x80,  // NFTA_LIST_ELEM
            9, 0, 1, 0, 0x6d, 0x61, 0x73, 0x71, 0, 0, 0, 0,  // NFTA_EXPR_NAME "masq"
            12, 0, 2, 0x80,  // NFTA_EXPR_DATA
            8, 0, 1, 0, 0, 0, 0, 0x10,  // NFTA_MASQ_FLAGS: fully random
            20, 0, 0, 0, 0x11, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0,  // NFNL_MSG_BATCH_END
            0, 0, 0, 10,
        ])
    }

    @Test func addressMatches() throws {
        let whole = NFTablesExpression.address(.source, in: try #require(IPPrefix("10.244.7.9/16")))
        #expect(whole == [.payload(.network, offset: 12, length: 2, into: 1), .compare(1, .equal, [10, 244])])
        let odd = NFTablesExpression.address(.destination, in: try #require(IPPrefix("10.244.16.0/20")), negated: true)
        #expect(odd == [
            .payload(.network, offset: 16, length: 4, into: 1), .bitwise(1, mask: [255, 255, 240, 0], xor: [0, 0, 0, 0]),
            .compare(1, .notEqual, [10, 244, 16, 0]),
        ])
    }
}

/// What the kernel could send, and what it never should.
@Suite struct ReaderTests {
    @Test func attributesAreFound() throws {
        var writer = NetlinkWriter()
        writer.message(type: 16, flags: [], sequence: 3) { writer in
            LinkSettings(name: "x", mtu: 9000).write(into: &writer)
        }
        let message = try #require(try NetlinkMessage.split(writer.bytes).first)
        let link = try #require(Link(message))
        #expect(link.name == "x" && link.mtu == 9000 && !link.isUp)
    }

    @Test func cutAndCorruptBytesAreRefusedOrIgnored() throws {
        var writer = NetlinkWriter()
        writer.message(type: 16, flags: [], sequence: 3) { LinkSettings(name: "name", mtu: 1, alias: "alias").write(into: &$0) }
        let good = writer.bytes
        for count in 1..<good.count { #expect(throws: NetlinkError.self) { try NetlinkMessage.split(Array(good.prefix(count))) } }
        // Every byte wrong in turn: no trap, whatever is read.
        for index in good.indices {
            for value in [0, 1, 0x7f, 0xff] as [UInt8] {
                var bad = good
                bad[index] = value
                for message in (try? NetlinkMessage.split(bad)) ?? [] {
                    _ = (Link(message), Route(message), LinkAddress(message), Neighbour(message), NetlinkSocket.error(in: message, "x"))
                    for (_, value) in message.attributes(after: 16) { for _ in NetlinkAttributes(value) {} }
                }
            }
        }
    }

    @Test func kernelErrorsSpeak() throws {
        var writer = NetlinkWriter()
        writer.message(type: NetlinkMessage.error, flags: NetlinkFlags(rawValue: 0x200), sequence: 3) { writer in
            writer.put(Int32(-17))
            writer.put([UInt8](repeating: 0, count: 16))
            writer.attribute(1, string: "name is taken")
        }
        let message = try #require(try NetlinkMessage.split(writer.bytes).first)
        let error = try #require(NetlinkSocket.error(in: message, "create link a"))
        #expect(error.errno == 17 && error.code == .refused)
        #expect(error.description == "create link a: file exists (EEXIST): name is taken")
    }

    @Test func acknowledgementsAreNoErrors() throws {
        var writer = NetlinkWriter()
        writer.message(type: NetlinkMessage.error, flags: [], sequence: 3) { $0.put([UInt8](repeating: 0, count: 20)) }
        #expect(NetlinkSocket.error(in: try #require(try NetlinkMessage.split(writer.bytes).first), "x") == nil)
    }
}
