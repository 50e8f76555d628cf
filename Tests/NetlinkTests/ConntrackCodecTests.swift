@testable import Netlink
import Testing

@Suite struct ConntrackCodecTests {
    @Test func filterOfADump() throws {
        var writer = NetlinkWriter()
        ConntrackSocket.write(.init(try #require(IPAddress("10.96.0.10")), .udp, 53), into: &writer)
        #expect(writer.bytes == [
            36, 0, 1, 0x80,  // CTA_TUPLE_ORIG
            12, 0, 1, 0x80,  // CTA_TUPLE_IP
            8, 0, 2, 0, 10, 96, 0, 10,  // CTA_IP_V4_DST
            20, 0, 2, 0x80,  // CTA_TUPLE_PROTO
            5, 0, 1, 0, 17, 0, 0, 0,  // CTA_PROTO_NUM: UDP
            6, 0, 3, 0, 0, 53, 0, 0,  // CTA_PROTO_DST_PORT
            20, 0, 25, 0x80,  // CTA_FILTER
            8, 0, 1, 0, 0x2a, 0, 0, 0,  // CTA_FILTER_ORIG_FLAGS
            8, 0, 2, 0, 0, 0, 0, 0,  // CTA_FILTER_REPLY_FLAGS
        ])
    }

    @Test func entriesAreRead() throws {
        let original = ConntrackTuple(
            source: try #require(IPAddress("10.244.0.5")), destination: try #require(IPAddress("10.96.0.10")), transport: 17, sourcePort: 4000, destinationPort: 53)
        let reply = ConntrackTuple(
            source: try #require(IPAddress("10.244.0.9")), destination: try #require(IPAddress("10.244.0.5")), transport: 17, sourcePort: 5353, destinationPort: 4000)
        var writer = NetlinkWriter()
        writer.message(type: ConntrackSocket.type(0), flags: .multipart, sequence: 9) { writer in
            NFTablesBatch.header(2)(&writer)
            writer.nest(1) { original.write(into: &$0) }
            writer.nest(2) { reply.write(into: &$0) }
            writer.attribute(3, be32: 0x1a8)
            writer.attribute(12, be32: 77)
        }
        let message = try #require(try NetlinkMessage.split(writer.bytes).first)
        let entry = try #require(ConntrackEntry(message))
        #expect(entry.original == original && entry.reply == reply && entry.id == 77 && entry.isDestinationTranslated)
        // Cut anywhere: nothing is read, nothing traps.
        for count in 20..<writer.bytes.count - 16 {
            _ = ConntrackEntry(NetlinkMessage(type: 256, flags: [], sequence: 0, port: 0, body: writer.bytes[16..<16 + count - 16]))
        }
    }
}
