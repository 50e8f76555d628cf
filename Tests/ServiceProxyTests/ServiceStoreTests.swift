@testable import Netlink
@testable import ServiceProxy
import Testing

@Suite struct ServiceStoreTests {
    let service = ServiceDescription(ObjectName("n", "a"), clusterIPs: [.v4(1)], ports: [.init(.tcp, 80)])
    func slice(_ name: String, of service: String, _ address: UInt32 = 1) -> EndpointSliceDescription {
        EndpointSliceDescription(ObjectName("n", name), service: service, ports: [.init(.tcp, 80)], endpoints: [.init(.v4(address))])
    }

    @Test func nothingBeforeAllIsTold() {
        let store = ServiceStore()
        #expect(store.take([.service(service)]), "somebody must look")
        #expect(!store.take([.servicesComplete]), "somebody has been told to")
        #expect(store.work(all: false) == nil)
        #expect(store.take([.slicesComplete]))
        #expect(store.work(all: false)?.services.keys.map(\.name) == ["a"])
        #expect(!store.take([.slicesComplete]))
    }

    @Test func onlyNewsIsWork() throws {
        let store = ServiceStore()
        #expect(store.take([.servicesComplete, .slicesComplete, .service(service), .slice(slice("x", of: "a"))]))
        let first = try #require(store.work(all: false))
        #expect(first.services[service.name] == service && first.slices[service.name]?.count == 1)
        let version = store.version
        #expect(!store.take([.service(service), .slice(slice("x", of: "a")), .sliceRemoved(ObjectName("n", "none"))]))
        #expect(store.version == version)
        #expect(store.work(all: false)?.services.isEmpty == true)
        #expect(store.work(all: true)?.services.count == 1)
        // A slice of a Service that nobody has told of is kept for later.
        #expect(store.take([.slice(slice("y", of: "b"))]))
        #expect(store.work(all: false)?.services.isEmpty == true)
        #expect(store.take([.slice(slice("x", of: "a", 2))]))
        #expect(store.work(all: false)?.services.count == 1)
        #expect(store.take([.serviceRemoved(service.name)]))
        let gone = try #require(store.work(all: false))
        #expect(gone.services.keys.contains(service.name) && gone.services[service.name] == .some(nil))
    }

    @Test func aSliceCanChangeItsService() throws {
        let store = ServiceStore()
        let other = ServiceDescription(ObjectName("n", "b"), clusterIPs: [.v4(2)], ports: [])
        _ = store.take([.servicesComplete, .slicesComplete, .service(service), .service(other), .slice(slice("x", of: "a"))])
        _ = store.work(all: false)
        #expect(store.take([.slice(slice("x", of: "b"))]))
        let work = try #require(store.work(all: false))
        #expect(Set(work.services.keys.map(\.name)) == ["a", "b"])
        #expect(work.slices[service.name] == nil && work.slices[other.name]?.count == 1)
    }
}

@Suite struct ForeignTransactionTests {
    func message(_ type: UInt16, from port: UInt32, table: String = "ours", generation: UInt32? = nil) throws -> NetlinkMessage {
        var writer = NetlinkWriter()
        writer.message(type: NFTablesBatch.type(type), flags: [], sequence: 0) { writer in
            NFTablesBatch.header(1)(&writer)
            if let generation {
                writer.attribute(1, be32: generation)
                writer.attribute(2, be32: 42)
                writer.attribute(3, string: "nft")
            } else {
                writer.attribute(1, string: table)
            }
        }
        let read = try #require(try NetlinkMessage.split(writer.bytes).first)
        return NetlinkMessage(type: read.type, flags: read.flags, sequence: 0, port: port, body: read.body)
    }

    @Test func onlyOthersChangesOfOurTableCount() throws {
        var transaction = ForeignTransaction(table: "ours", ownPort: 7)
        #expect(transaction.take(try message(14, from: 7)) == nil)
        #expect(transaction.take(try message(15, from: 7, generation: 5)) == nil, "our own")
        #expect(transaction.take(try message(2, from: 9, table: "other")) == nil)
        #expect(transaction.take(try message(15, from: 9, generation: 6)) == nil, "another table")
        #expect(transaction.take(try message(14, from: 9)) == nil)
        #expect(transaction.take(try message(14, from: 9)) == nil)
        #expect(transaction.take(try message(15, from: 9, generation: 7)) == .init(generation: 7, description: "nft (pid 42) removed element 2 times"))
        #expect(transaction.take(try message(8, from: 9)) == nil)
        #expect(transaction.take(try message(2, from: 9)) == nil)
        #expect(transaction.take(try message(15, from: 9, generation: 8))?.description == "nft (pid 42) removed the table")
        #expect(transaction.take(try message(15, from: 9, generation: 9)) == nil, "what was told is told once")
    }
}
