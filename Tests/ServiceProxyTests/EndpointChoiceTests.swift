import Netlink
@testable import ServiceProxy
import Testing

@Suite struct EndpointChoiceTests {
    typealias Endpoint = EndpointSliceDescription.Endpoint
    let node = NodeDescription(name: "here", zone: "a", addresses: [], podCIDRs: [], serviceCIDRs: [])

    func address(_ last: UInt32) -> IPAddress { .v4(0x0af4_0000 + last) }

    func choice(_ endpoints: Endpoint..., ports: [EndpointSliceDescription.Port] = [.init(.tcp, 8080)]) -> EndpointChoice {
        choice([EndpointSliceDescription(ObjectName("n", "s"), service: "s", ports: ports, endpoints: endpoints)])
    }

    func choice(_ slices: [EndpointSliceDescription], port: ServiceDescription.Port = .init(.tcp, 80)) -> EndpointChoice { EndpointChoice(port, .v4, slices, node) }

    func numbers(_ backends: [Backend]) -> [UInt32] { backends.map { if case .v4(let value) = $0.address { value - 0x0af4_0000 } else { 0 } } }

    @Test func readyOnesAndWhereTheyAre() {
        let choice = choice(
            .init(address(1), nodeName: "here"), .init(address(2), nodeName: "there"), .init(address(3), isReady: false, nodeName: "here"), .init(address(4)))
        #expect(numbers(choice.cluster) == [1, 2, 4] && numbers(choice.local) == [1] && choice.hasAny)
        #expect(choice.cluster[0].port == 8080)
        #expect(choice.addressesHere == [address(1), address(3)])
    }

    @Test func endingOnesServeIfNobodyElseDoes() {
        let ending = Endpoint(address(1), isReady: false, isServing: true, isTerminating: true, nodeName: "here")
        let ended = Endpoint(address(2), isReady: false, isServing: false, isTerminating: true, nodeName: "here")
        let far = Endpoint(address(3), nodeName: "there")
        #expect(numbers(choice(ending, ended).cluster) == [1])
        let mixed = choice(ending, ended, far)
        #expect(numbers(mixed.cluster) == [3] && numbers(mixed.local) == [1], "each scope for itself")
        #expect(!choice(ended).hasAny)
        #expect(!choice(Endpoint(address(1), isReady: false, isServing: true)).hasAny, "serving counts only while it ends")
    }

    @Test func portsAreFoundByNameAndProtocol() {
        let slices = [
            EndpointSliceDescription(ObjectName("n", "a"), service: "s", ports: [.init(name: "http", .tcp, 80), .init(name: "dns", .udp, 53)], endpoints: [.init(address(1))]),
            EndpointSliceDescription(ObjectName("n", "b"), service: "s", ports: [.init(name: "http", .tcp, 81)], endpoints: [.init(address(1)), .init(address(2))]),
            EndpointSliceDescription(ObjectName("n", "c"), service: "s", ports: [.init(name: "dns", .tcp, 53)], endpoints: [.init(address(9))]),
        ]
        let http = choice(slices, port: .init(name: "http", .tcp, 8000))
        #expect(http.cluster.map(\.port) == [80, 81, 81] && numbers(http.cluster) == [1, 1, 2])
        #expect(numbers(choice(slices, port: .init(name: "dns", .udp, 53)).cluster) == [1])
        #expect(!choice(slices, port: .init(name: "other", .tcp, 1)).hasAny)
    }

    @Test func anEndpointInTwoSlicesCountsOnce() {
        func slice(_ name: String, ready: Bool) -> EndpointSliceDescription {
            EndpointSliceDescription(ObjectName("n", name), service: "s", ports: [.init(.tcp, 8080)], endpoints: [.init(address(1), isReady: ready)])
        }
        #expect(numbers(choice([slice("a", ready: false), slice("b", ready: true)]).cluster) == [1])
        #expect(numbers(choice([slice("a", ready: true), slice("b", ready: true)]).cluster) == [1])
    }

    @Test func familiesDoNotMix() throws {
        let slice = EndpointSliceDescription(
            ObjectName("n", "a"), service: "s", ports: [.init(.tcp, 8080)], endpoints: [.init(try #require(IPAddress("fd00::1"))), .init(address(1))])
        #expect(numbers(choice([slice]).cluster) == [1])
        #expect(EndpointChoice(.init(.tcp, 80), .v6, [slice], node).cluster.map(\.address.description) == ["fd00::1"])
    }

    @Test func hintsAreFollowedIfAllHaveThemAndOneIsForUs() {
        func zone(_ last: UInt32, _ zone: String, ready: Bool = true) -> Endpoint { .init(address(last), isReady: ready, zoneHints: [zone]) }
        #expect(numbers(choice(zone(1, "a"), zone(2, "b")).cluster) == [1])
        #expect(numbers(choice(zone(1, "b"), zone(2, "c")).cluster) == [1, 2], "none for this zone")
        #expect(numbers(choice(zone(1, "a"), .init(address(2))).cluster) == [1, 2], "one without")
        #expect(numbers(choice(zone(1, "a", ready: false), zone(2, "b")).cluster) == [2], "one that is not ready does not count")
        let both = choice(.init(address(1), zoneHints: ["a"], nodeHints: ["there"]), .init(address(2), zoneHints: ["a"], nodeHints: ["here"]))
        #expect(numbers(both.cluster) == [2], "the node comes before the zone")
    }

    @Test(arguments: [
        ([], [3, 1, 2], [1, 2, 3]), ([1, 2, 3], [3, 1, 2], [1, 2, 3]), ([3, 1, 2], [1, 2, 3], [3, 1, 2]),
        ([1, 2, 3], [1, 2, 3, 5, 4], [1, 2, 3, 4, 5]), ([1, 2, 3, 4], [2, 3, 4], [4, 2, 3]), ([1, 2, 3, 4], [1, 2, 3], [1, 2, 3]),
        ([1, 2, 3, 4], [1, 3, 4, 9], [1, 9, 3, 4]), ([1, 2, 3, 4], [3], [3]), ([1, 2], [], []), ([1, 2, 3, 4, 5], [4, 2], [4, 2]),
    ] as [([UInt32], [UInt32], [UInt32])])
    func listsKeepTheirOrder(before: [UInt32], wanted: [UInt32], after: [UInt32]) {
        func backends(_ numbers: [UInt32]) -> [Backend] { numbers.map { Backend(address: address($0), port: 80) } }
        #expect(numbers(EndpointChoice.arranged(backends(wanted), before: backends(before))) == after)
    }
}
