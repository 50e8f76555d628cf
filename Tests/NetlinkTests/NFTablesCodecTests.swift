@testable import Netlink
import Testing

/// Exact bytes of sets, elements and the expressions that use them, as the kernel reads them on a little-endian machine.
@Suite struct NFTablesCodecTests {
    /// The body of a batch's only message.
    func body(_ build: (inout NFTablesBatch) -> Void) throws -> [UInt8] {
        var batch = NFTablesBatch()
        build(&batch)
        #expect(batch.count == 1)
        return try #require(batch.messages.first).body
    }

    @Test func mapOfConcatenations() throws {
        let bytes = try body {
            $0.addSet(.inet, table: "t", NFTablesSet("m", key: [.ipv4Address, .transportProtocol, .port], data: .values([.ipv4Address, .port]), size: 16))
        }
        #expect(bytes == [
            1, 0, 0, 0,  // inet
            6, 0, 1, 0, 0x74, 0, 0, 0,  // NFTA_SET_TABLE "t"
            6, 0, 2, 0, 0x6d, 0, 0, 0,  // NFTA_SET_NAME "m"
            8, 0, 3, 0, 0, 0, 0, 0x08,  // NFTA_SET_FLAGS: NFT_SET_MAP
            8, 0, 4, 0, 0, 0, 0x73, 0x0d,  // NFTA_SET_KEY_TYPE: 7 << 12 | 12 << 6 | 13
            8, 0, 5, 0, 0, 0, 0, 12,  // NFTA_SET_KEY_LEN: three registers
            8, 0, 6, 0, 0, 0, 0x01, 0xcd,  // NFTA_SET_DATA_TYPE: 7 << 6 | 13
            8, 0, 7, 0, 0, 0, 0, 8,  // NFTA_SET_DATA_LEN
            12, 0, 9, 0x80,  // NFTA_SET_DESC
            8, 0, 1, 0, 0, 0, 0, 16,  // NFTA_SET_DESC_SIZE
            8, 0, 10, 0, 0, 0, 0, 1,  // NFTA_SET_ID
        ])
    }

    @Test func concatenatedRangesNameTheirFields() throws {
        let bytes = try body { $0.addSet(.inet, table: "t", NFTablesSet("r", key: [.port, .ipv4Address], options: .interval)) }
        #expect(bytes == [
            1, 0, 0, 0,
            6, 0, 1, 0, 0x74, 0, 0, 0,
            6, 0, 2, 0, 0x72, 0, 0, 0,
            8, 0, 3, 0, 0, 0, 0, 0x84,  // NFT_SET_INTERVAL | NFT_SET_CONCAT
            8, 0, 4, 0, 0, 0, 0x03, 0x47,  // 13 << 6 | 7
            8, 0, 5, 0, 0, 0, 0, 8,
            32, 0, 9, 0x80,  // NFTA_SET_DESC
            28, 0, 2, 0x80,  // NFTA_SET_DESC_CONCAT
            12, 0, 1, 0x80, 8, 0, 1, 0, 0, 0, 0, 2,  // NFTA_LIST_ELEM: NFTA_SET_FIELD_LEN 2
            12, 0, 1, 0x80, 8, 0, 1, 0, 0, 0, 0, 4,
            8, 0, 10, 0, 0, 0, 0, 1,
        ])
    }

    @Test func verdictAndDynamicMaps() {
        #expect(NFTablesSet("v", key: [.mark], data: .verdicts).flags == 0x8)
        #expect(NFTablesSet("d", key: [.ipv4Address], data: .values([.mark]), options: [.dynamic, .timeout], size: 1).flags == 0x38)
        #expect(NFTablesSet("i", key: [.ipv4Address], options: .interval).flags == 0x4)
    }

    @Test func elements() throws {
        let bytes = try body {
            $0.addElements(.inet, table: "t", set: "m", [
                NFTablesElement([10, 0, 0, 1], data: .value([1, 0, 0, 0])),
                NFTablesElement([10, 0, 0, 2], data: .verdict(.goto("c"))),
                NFTablesElement([10, 0, 0, 3], through: [10, 0, 0, 9], isIntervalEnd: true, timeout: 3000, expiration: 256),
            ])
        }
        #expect(bytes == [
            1, 0, 0, 0,
            6, 0, 1, 0, 0x74, 0, 0, 0,  // NFTA_SET_ELEM_LIST_TABLE
            6, 0, 2, 0, 0x6d, 0, 0, 0,  // NFTA_SET_ELEM_LIST_SET
            132, 0, 3, 0x80,  // NFTA_SET_ELEM_LIST_ELEMENTS
            28, 0, 1, 0x80,  // NFTA_LIST_ELEM
            12, 0, 1, 0x80, 8, 0, 1, 0, 10, 0, 0, 1,  // NFTA_SET_ELEM_KEY: NFTA_DATA_VALUE
            12, 0, 2, 0x80, 8, 0, 1, 0, 1, 0, 0, 0,  // NFTA_SET_ELEM_DATA: NFTA_DATA_VALUE
            40, 0, 1, 0x80,
            12, 0, 1, 0x80, 8, 0, 1, 0, 10, 0, 0, 2,
            24, 0, 2, 0x80, 20, 0, 2, 0x80,  // NFTA_SET_ELEM_DATA: NFTA_DATA_VERDICT
            8, 0, 1, 0, 0xff, 0xff, 0xff, 0xfc,  // NFTA_VERDICT_CODE: NFT_GOTO
            6, 0, 2, 0, 0x63, 0, 0, 0,  // NFTA_VERDICT_CHAIN "c"
            60, 0, 1, 0x80,
            12, 0, 1, 0x80, 8, 0, 1, 0, 10, 0, 0, 3,
            12, 0, 10, 0x80, 8, 0, 1, 0, 10, 0, 0, 9,  // NFTA_SET_ELEM_KEY_END
            8, 0, 3, 0, 0, 0, 0, 1,  // NFTA_SET_ELEM_FLAGS: NFT_SET_ELEM_INTERVAL_END
            12, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0x0b, 0xb8,  // NFTA_SET_ELEM_TIMEOUT
            12, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0,  // NFTA_SET_ELEM_EXPIRATION
        ])
        // And back.
        let list = try #require(NetlinkAttributes(bytes[4...]).nest(3))
        let read = list.compactMap { NFTablesElement(NetlinkAttributes($0.value)) }
        #expect(read.count == 3 && read[0].data == .value([1, 0, 0, 0]) && read[1].data == .verdict(.goto("c")))
        #expect(read[2].keyEnd == [10, 0, 0, 9] && read[2].isIntervalEnd && read[2].timeout == 3000 && read[2].expiration == 256)
    }

    /// One attribute can hold 65,535 bytes, and an error points into the message.
    @Test func longListsAreCutAndErrorsFindTheirElement() throws {
        let elements = (0..<5000).map { NFTablesElement(IPAddress.v4(0x0a00_0000 + UInt32($0)).bytes, data: .value([1, 2, 3, 4])) }
        var batch = NFTablesBatch()
        batch.addElements(.inet, table: "t", set: "m", elements)
        #expect(batch.count == 3)
        var found = 0
        for message in batch.messages {
            #expect(message.body.count < 65_535)
            found += try #require(NetlinkAttributes(message.body[4...]).nest(3)).reduce(0) { count, _ in count + 1 }
        }
        #expect(found == 5000)
        // 4 bytes family, 2 attributes of 8, the list's header, then elements of 28: the third element's key.
        #expect(batch.messages[0].element(at: 4 + 16 + 4 + 2 * 28 + 8) == "key 0a000002")
        #expect(batch.messages[0].element(at: 5) == nil)
    }

    @Test func rangesOfAddresses() throws {
        #expect(NFTablesElement.range(try #require(IPPrefix("10.244.0.0/16"))) == [
            NFTablesElement([10, 244, 0, 0]), NFTablesElement([10, 245, 0, 0], isIntervalEnd: true),
        ])
        #expect(NFTablesElement.range(try #require(IPPrefix("255.0.0.0/8"))) == [NFTablesElement([255, 0, 0, 0])])
        #expect(try #require(IPPrefix("10.1.2.3/20")).last == IPAddress("10.1.15.255"))
        #expect(try #require(IPPrefix("fd00::/8")).last == IPAddress("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))
    }

    func bytes(_ expression: NFTablesExpression) -> [UInt8] {
        var writer = NetlinkWriter()
        expression.write(into: &writer)
        return writer.bytes
    }

    @Test func lookups() {
        #expect(bytes(.lookup("map", from: NFTablesExpression.word(0), into: NFTablesExpression.word(4))) == [
            44, 0, 1, 0x80,  // NFTA_LIST_ELEM
            11, 0, 1, 0, 0x6c, 0x6f, 0x6f, 0x6b, 0x75, 0x70, 0, 0,  // NFTA_EXPR_NAME "lookup"
            28, 0, 2, 0x80,  // NFTA_EXPR_DATA
            8, 0, 1, 0, 0x6d, 0x61, 0x70, 0,  // NFTA_LOOKUP_SET "map"
            8, 0, 2, 0, 0, 0, 0, 8,  // NFTA_LOOKUP_SREG: NFT_REG32_00
            8, 0, 3, 0, 0, 0, 0, 12,  // NFTA_LOOKUP_DREG: NFT_REG32_04
        ])
        #expect(bytes(.lookup("s", from: 1, inverted: true)).suffix(16) == [
            8, 0, 2, 0, 0, 0, 0, 1,
            8, 0, 5, 0, 0, 0, 0, 1,  // NFTA_LOOKUP_FLAGS: NFT_LOOKUP_F_INV
        ])
    }

    @Test func translationAndChoice() {
        #expect(bytes(.destinationNAT(.v4, address: 12, port: 13)).suffix(36) == [
            36, 0, 2, 0x80,
            8, 0, 1, 0, 0, 0, 0, 1,  // NFTA_NAT_TYPE: NFT_NAT_DNAT
            8, 0, 2, 0, 0, 0, 0, 2,  // NFTA_NAT_FAMILY: IPv4
            8, 0, 3, 0, 0, 0, 0, 12,  // NFTA_NAT_REG_ADDR_MIN
            8, 0, 5, 0, 0, 0, 0, 13,  // NFTA_NAT_REG_PROTO_MIN
        ])
        #expect(bytes(.random(below: 1000, into: 11)).suffix(36) == [
            36, 0, 2, 0x80,
            8, 0, 1, 0, 0, 0, 0, 11,  // NFTA_NG_DREG
            8, 0, 2, 0, 0, 0, 0x03, 0xe8,  // NFTA_NG_MODULUS
            8, 0, 3, 0, 0, 0, 0, 1,  // NFTA_NG_TYPE: NFT_NG_RANDOM
            8, 0, 4, 0, 0, 0, 0, 0,  // NFTA_NG_OFFSET
        ])
    }

    @Test func dynamicSetsRejectAndConntrack() {
        #expect(bytes(.change(.update, "a", key: 8, data: 12, timeout: 10_800_000)).suffix(48) == [
            48, 0, 2, 0x80,
            6, 0, 1, 0, 0x61, 0, 0, 0,  // NFTA_DYNSET_SET_NAME
            8, 0, 3, 0, 0, 0, 0, 1,  // NFTA_DYNSET_OP: NFT_DYNSET_OP_UPDATE
            8, 0, 4, 0, 0, 0, 0, 8,  // NFTA_DYNSET_SREG_KEY
            8, 0, 5, 0, 0, 0, 0, 12,  // NFTA_DYNSET_SREG_DATA
            12, 0, 6, 0, 0, 0, 0, 0, 0, 0xa4, 0xcb, 0x80,  // NFTA_DYNSET_TIMEOUT
        ])
        #expect(bytes(.reject(.portUnreachable)).suffix(20) == [
            20, 0, 2, 0x80,
            8, 0, 1, 0, 0, 0, 0, 2,  // NFTA_REJECT_TYPE: NFT_REJECT_ICMPX_UNREACH
            5, 0, 2, 0, 1, 0, 0, 0,  // NFTA_REJECT_ICMP_CODE: port unreachable
        ])
        #expect(bytes(.conntrack(.originalDestination(.v4), into: 8)).suffix(28) == [
            28, 0, 2, 0x80,
            8, 0, 1, 0, 0, 0, 0, 8,  // NFTA_CT_DREG
            8, 0, 2, 0, 0, 0, 0, 20,  // NFTA_CT_KEY: NFT_CT_DST_IP
            5, 0, 3, 0, 0, 0, 0, 0,  // NFTA_CT_DIRECTION: original
        ])
        #expect(bytes(.conntrack(.state, into: 8)).suffix(16) == [8, 0, 1, 0, 0, 0, 0, 8, 8, 0, 2, 0, 0, 0, 0, 0])
        #expect(bytes(.addressType(.source, into: 9)).suffix(24) == [
            8, 0, 1, 0, 0, 0, 0, 9,  // NFTA_FIB_DREG
            8, 0, 2, 0, 0, 0, 0, 3,  // NFTA_FIB_RESULT: NFT_FIB_RESULT_ADDRTYPE
            8, 0, 3, 0, 0, 0, 0, 1,  // NFTA_FIB_FLAGS: NFTA_FIB_F_SADDR
        ])
        #expect(bytes(.range(8, from: [0, 80], through: [0, 90])).suffix(40) == [
            8, 0, 1, 0, 0, 0, 0, 8, 8, 0, 2, 0, 0, 0, 0, 0,  // NFTA_RANGE_SREG, NFTA_RANGE_OP: equal
            12, 0, 3, 0x80, 6, 0, 1, 0, 0, 80, 0, 0,  // NFTA_RANGE_FROM_DATA
            12, 0, 4, 0x80, 6, 0, 1, 0, 0, 90, 0, 0,  // NFTA_RANGE_TO_DATA
        ])
    }

    @Test func eventsAreRead() throws {
        func event(_ type: UInt16, _ body: (inout NetlinkWriter) -> Void) throws -> NFTablesEvent? {
            var writer = NetlinkWriter()
            writer.message(type: NFTablesBatch.type(type), flags: [], sequence: 0) { writer in
                NFTablesBatch.header(1)(&writer)
                body(&writer)
            }
            return NFTablesEvent(try #require(try NetlinkMessage.split(writer.bytes).first))
        }
        #expect(try event(2) { $0.attribute(1, string: "t") } == .removed(.table, .inet, table: "t"))
        #expect(try event(12) { $0.attribute(1, string: "t") } == .added(.element, .inet, table: "t"))
        #expect(
            try event(15) { writer in
                writer.attribute(1, be32: 7)
                writer.attribute(2, be32: 42)
                writer.attribute(3, string: "nft")
            } == .generation(7, pid: 42, process: "nft"))
        #expect(try event(18) { $0.attribute(1, string: "t") } == nil)
    }
}
