import Netlink
@testable import ServiceProxy
import Testing

/// The table as the kernel would hold it: refuses what the kernel refuses.
struct TableModel {
    /// Set and key in hex to the element.
    private(set) var elements: [String: NFTablesElement] = [:]

    private func name(_ set: String, _ element: NFTablesElement) -> String {
        "\(set) " + (element.key + (element.keyEnd ?? [])).map { String($0, radix: 16) }.joined(separator: ".")
    }

    mutating func apply(_ change: PictureChange) {
        for element in change.removed {
            for (set, element) in ServiceTable.encoded(element) { #expect(elements.removeValue(forKey: name(set, element)) != nil, "there is no \(element) in \(set)") }
        }
        for element in change.added {
            for (set, element) in ServiceTable.encoded(element) { #expect(elements.updateValue(element, forKey: name(set, element)) == nil, "\(element) is in \(set) already") }
        }
    }

    func count(_ set: String) -> Int { elements.keys.count { $0.hasPrefix(set + " ") } }
}

@Suite struct PictureTests {
    typealias Endpoint = EndpointSliceDescription.Endpoint

    static let node = NodeDescription(
        name: "here", addresses: IPAddress("192.0.2.1").map { [$0] } ?? [], podCIDRs: IPPrefix("10.244.0.0/24").map { [$0] } ?? [],
        serviceCIDRs: IPPrefix("10.96.0.0/16").map { [$0] } ?? [])

    func service(_ name: String, _ clusterIP: UInt32, _ change: (inout ServiceDescription) -> Void = { _ in }) -> ServiceDescription {
        var service = ServiceDescription(ObjectName("n", name), created: Int64(clusterIP), clusterIPs: [.v4(0x0a60_0000 + clusterIP)], ports: [.init(.tcp, 80)])
        change(&service)
        return service
    }

    func slice(_ service: String, _ endpoints: [Endpoint]) -> EndpointSliceDescription {
        EndpointSliceDescription(ObjectName("n", service + "-x"), service: service, ports: [.init(.tcp, 8080)], endpoints: endpoints)
    }

    func endpoint(_ last: UInt32, here: Bool = false) -> Endpoint { Endpoint(.v4((here ? 0x0af4_0000 : 0x0af4_0100) + last), nodeName: here ? "here" : "there") }

    /// One Service, told to an empty picture.
    func elements(_ service: ServiceDescription, _ endpoints: [Endpoint]) -> Set<TableElement> {
        var picture = Picture()
        let change = picture.update([service.name: service], slices: { _ in [slice(service.name.name, endpoints)] }, node: Self.node)
        #expect(change.removed.isEmpty)
        #expect(Set(change.added) == Set(picture.elements) && change.added.count == picture.elements.count)
        return Set(change.added)
    }

    func frontend(_ address: String, _ port: UInt16) throws -> Frontend { Frontend(address: try #require(IPAddress(address)), transport: .tcp, port: port) }

    @Test func clusterIP() throws {
        let front = try frontend("10.96.0.1", 80)
        let balancer = Balancer(scope: .cluster, count: 2, affinitySeconds: 0)
        #expect(elements(service("a", 1), [endpoint(2), endpoint(1)]) == [
            .pick(.cluster, front, 0, Backend(address: endpoint(1).address, port: 8080)), .pick(.cluster, front, 1, Backend(address: endpoint(2).address, port: 8080)),
            .front(front, balancer), .balancer(.v4, balancer),
        ])
        #expect(elements(service("a", 1), []) == [.reject(front)])
        #expect(elements(service("a", 1) { $0.internalTrafficPolicy = .local }, [endpoint(1)]) == [.drop(front)], "there is one, but not here")
        #expect(elements(service("a", 1) { $0.clusterIPs = [] }, [endpoint(1)]) == [], "headless")
    }

    @Test func addressesGivenByHandAreMasqueraded() throws {
        let front = try frontend("172.16.0.1", 80)
        #expect(elements(service("a", 1) { $0.clusterIPs = [front.address] }, [endpoint(1)]).contains(.masquerade(front)))
    }

    @Test func nodePortAndExternalAddresses() throws {
        let (front, nodePort, external) = (try frontend("10.96.0.1", 80), try frontend("192.0.2.1", 30080), try frontend("198.51.100.1", 80))
        func open(_ policy: TrafficPolicy) -> ServiceDescription {
            service("a", 1) { service in
                service.ports[0].nodePort = 30080
                service.externalIPs = [external.address]
                service.loadBalancerIPs = [external.address]
                service.externalTrafficPolicy = policy
            }
        }
        let (here, both) = (Balancer(scope: .local, count: 1, affinitySeconds: 0), Balancer(scope: .cluster, count: 2, affinitySeconds: 0))
        let cluster = elements(open(.cluster), [endpoint(1, here: true), endpoint(2)])
        #expect(cluster.isSuperset(of: [.front(front, both), .front(nodePort, both), .front(external, both), .masquerade(nodePort), .masquerade(external), .hairpin(endpoint(1, here: true).address)]))
        #expect(!cluster.contains(.masquerade(front)), "its range has a rule of its own")
        let local = elements(open(.local), [endpoint(1, here: true), endpoint(2)])
        #expect(local.isSuperset(of: [.front(front, both), .front(nodePort, here), .inside(nodePort, both), .masqueradeOwn(nodePort), .front(external, here), .inside(external, both)]))
        #expect(!local.contains(.masquerade(nodePort)))
        let none = elements(open(.local), [endpoint(2)])
        #expect(none.contains(.drop(nodePort)) && none.contains(.inside(external, Balancer(scope: .cluster, count: 1, affinitySeconds: 0))))
        #expect(elements(open(.local), []) == [.reject(front), .reject(nodePort), .reject(external)])
    }

    @Test func guards() throws {
        let external = try frontend("198.51.100.1", 80)
        let (wide, narrow, other) = (try #require(IPPrefix("203.0.113.7/24")), try #require(IPPrefix("203.0.113.9/32")), try #require(IPPrefix("fd00::/8")))
        func guarded(_ ranges: [IPPrefix]) -> Set<TableElement> {
            elements(service("a", 1) { service in
                service.loadBalancerIPs = [external.address]
                service.sourceRanges = ranges
            }, [endpoint(1)]).filter { if case .allowed = $0 { true } else if case .guarded = $0 { true } else { false } }
        }
        #expect(guarded([narrow, wide, other]) == [.guarded(external), .allowed(external, try #require(IPPrefix("203.0.113.0/24")))])
        #expect(guarded([try #require(IPPrefix("192.0.2.0/24"))]).contains(.allowed(external, IPPrefix(host: external.address))), "the node is let in, under whatever address")
        #expect(guarded([other]) == [], "ranges of the other family do not close this one")
    }

    @Test func affinityHasTokensThatStay() throws {
        func tokens(_ endpoints: [Endpoint]) -> [Backend: UInt32] {
            elements(service("a", 1) { $0.affinitySeconds = 60 }, endpoints).reduce(into: [:]) { if case .live(_, _, let token, let backend) = $1 { $0[backend] = token } }
        }
        let (two, one) = (tokens([endpoint(1), endpoint(2)]), tokens([endpoint(2)]))
        #expect(Set(two.values).count == 2)
        #expect(one.allSatisfy { two[$0.key] == $0.value })
        let many = tokens((1...5000).map { endpoint($0) })
        #expect(many.count == 5000 && Set(many.values).count == 5000)
    }

    @Test func oneChangeIsSmall() {
        var picture = Picture()
        var endpoints = (1...1000).map { endpoint($0) }
        let service = service("a", 1)
        _ = picture.update([service.name: service], slices: { _ in [slice("a", endpoints)] }, node: Self.node)
        func next() -> PictureChange { picture.update([service.name: service], slices: { _ in [slice("a", endpoints)] }, node: Self.node) }
        endpoints.append(endpoint(5000))
        // A place in the list; the frontend and its balancer, old and new.
        #expect(next().count == 5)
        endpoints[500] = endpoint(6000)
        #expect(next().count == 2)
        endpoints.remove(at: 0)
        // The last moves into the hole: its old place, the hole old and new, and as above.
        #expect(next().count == 7)
        #expect(next().isEmpty)
    }

    @Test func theOlderServiceHasTheAddress() throws {
        let external = try frontend("198.51.100.1", 80)
        let (old, new) = (service("a", 1) { $0.externalIPs = [external.address] }, service("b", 2) { $0.externalIPs = [external.address] })
        var picture = Picture()
        var model = TableModel()
        func tell(_ services: [ObjectName: ServiceDescription?]) { model.apply(picture.update(services, slices: { [slice($0.name, [endpoint($0.name == "a" ? 1 : 2)])] }, node: Self.node)) }
        func owner() -> IPAddress? { picture.elements.lazy.compactMap { if case .pick(_, external, _, let backend) = $0 { backend.address } else { nil } }.first }
        tell([new.name: new])
        #expect(owner() == endpoint(2).address)
        tell([old.name: old])
        #expect(owner() == endpoint(1).address)
        tell([old.name: nil])
        #expect(owner() == endpoint(2).address)
        tell([old.name: old, new.name: new])
        #expect(owner() == endpoint(1).address)
        tell([old.name: service("a", 1)])
        #expect(owner() == endpoint(2).address)
        tell([old.name: nil, new.name: nil])
        #expect(model.elements.isEmpty)
    }

    /// Many random steps: the table that only heard of differences is the table that is written at once.
    @Test(arguments: [1, 2, 3]) func differencesAddUp(seed: UInt64) {
        var random = SplitMix(state: seed)
        var (picture, model) = (Picture(), TableModel())
        var (services, endpoints): ([ObjectName: ServiceDescription], [ObjectName: [Endpoint]]) = ([:], [:])
        var node = Self.node
        for step in 0..<300 {
            var changed: [ObjectName: ServiceDescription?] = [:]
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                let number = UInt32.random(in: 1...8, using: &random)
                let name = ObjectName("n", "s\(number)")
                endpoints[name] = (0..<UInt32.random(in: 0...6, using: &random)).map { _ in endpoint(.random(in: 1...9, using: &random), here: .random(using: &random)) }
                services[name] = Bool.random(using: &random) || Bool.random(using: &random) ? randomService(number, &random) : nil
                changed.updateValue(services[name], forKey: name)
            }
            if step % 50 == 49 {
                node.addresses = step % 100 == 49 ? [.v4(0xc000_0202), .v4(0xc000_0203)] : Self.node.addresses
                for name in services.keys { changed.updateValue(services[name], forKey: name) }
            }
            let connections = picture.connections
            let change = picture.update(changed, slices: { [slice($0.name, endpoints[$0] ?? [])] }, node: node)
            model.apply(change)
            // Whatever lost an endpoint is looked at.
            for (frontend, backends) in connections where picture.connections[frontend].map({ !backends.isSubset(of: $0) }) ?? true {
                #expect(change.connections[frontend] == picture.connections[frontend] ?? [])
            }
        }
        var whole = TableModel()
        whole.apply(PictureChange(added: picture.elements))
        #expect(whole.elements == model.elements)
        var fresh = Picture()
        _ = fresh.update(services.mapValues { $0 }, slices: { [slice($0.name, endpoints[$0] ?? [])] }, node: node)
        // Apart from the order of lists.
        for set in ["front4", "inside4", "pick4", "picklocal4", "choose4", "live4", "reject4", "drop4", "masquerade4", "masqueradeown4", "hairpin4", "balance4", "allowed4"] {
            var model = TableModel()
            model.apply(PictureChange(added: fresh.elements))
            #expect(model.count(set) == whole.count(set), "\(set)")
        }
    }

    private func randomService(_ number: UInt32, _ random: inout SplitMix) -> ServiceDescription {
        service("s\(number)", number) { service in
            func maybe() -> Bool { .random(using: &random) }
            if maybe() { service.ports.append(.init(.udp, 53, nodePort: maybe() ? 30_053 + UInt16(number % 3) : nil)) }
            if maybe() { service.ports[0].nodePort = 30_080 + UInt16(number % 3) }
            if maybe() { service.externalIPs = [.v4(0xc633_6400 + .random(in: 0...3, using: &random))] }
            if maybe() { service.loadBalancerIPs = [.v4(0xc633_6400 + .random(in: 0...3, using: &random))] }
            if maybe() { service.sourceRanges = [IPPrefix(.v4(0xcb00_7100), .random(in: 20...32, using: &random)), IPPrefix(.v4(0xcb00_7100), 28)].compactMap { $0 } }
            if maybe() { service.internalTrafficPolicy = .local }
            if maybe() { service.externalTrafficPolicy = .local }
            if maybe() { service.affinitySeconds = maybe() ? 60 : 10_800 }
        }
    }
}

/// The same numbers in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
