@testable import ClusterDNS
import Testing

/// The names of the specification, and nothing else.
@Suite struct ZoneTests {
    static func zone() -> ClusterZone {
        var zone = ClusterZone(domain: DNSName("cluster.local")!, serverAddresses: [[10, 96, 0, 10]])
        zone.isComplete = true
        zone.set(ServiceRecord(
            key: .init(namespace: "shop", name: "web"), kind: .clusterIP([[10, 96, 1, 1], IPBytes.parse("fd00::1")!]),
            ports: [.init(name: "http", transport: "tcp", number: 80), .init(name: "", transport: "udp", number: 53)]))
        zone.set(ServiceRecord(key: .init(namespace: "shop", name: "db"), kind: .headless))
        zone.set(SliceRecord(
            key: .init(namespace: "shop", name: "db-x"), service: "db", ports: [.init(name: "sql", transport: "tcp", number: 3306)],
            endpoints: [
                .init(addresses: [[10, 244, 0, 1]], hostname: "db-0"), .init(addresses: [[10, 244, 0, 2]]),
                .init(addresses: [[10, 244, 0, 3]], hostname: "db-2", isReady: false),
            ]))
        zone.set(ServiceRecord(key: .init(namespace: "shop", name: "ext"), kind: .external(DNSName("api.example.com")!)))
        zone.set(ServiceRecord(key: .init(namespace: "shop", name: "near"), kind: .external(DNSName("web.shop.svc.cluster.local")!)))
        zone.set(ServiceRecord(key: .init(namespace: "shop", name: "empty"), kind: .headless))
        return zone
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var type: DNSType
        /// Data of the answers in order, or the name of another outcome.
        var expected: [String]
        init(_ name: String, _ type: DNSType, _ expected: String...) { (self.name, self.type, self.expected) = (name, type, expected) }
        var testDescription: String { "\(name) \(type.rawValue)" }
    }

    static let cases: [Case] = [
        Case("web.shop.svc.cluster.local", .a, "10.96.1.1"),
        Case("WEB.Shop.SVC.Cluster.Local", .a, "10.96.1.1"),
        Case("web.shop.svc.cluster.local", .aaaa, "fd00::1"),
        Case("web.shop.svc.cluster.local", .any, "10.96.1.1", "fd00::1"),
        Case("web.shop.svc.cluster.local", .mx, "no data"),
        Case("_http._tcp.web.shop.svc.cluster.local", .srv, "0 100 80 web.shop.svc.cluster.local."),
        Case("_http._tcp.web.shop.svc.cluster.local", .a, "no data"),
        Case("_http._udp.web.shop.svc.cluster.local", .srv, "no such name"),
        // A port without a name has no SRV record of its own.
        Case("_._udp.web.shop.svc.cluster.local", .srv, "no such name"),
        Case("_tcp.web.shop.svc.cluster.local", .a, "no data"),
        Case("_udp.web.shop.svc.cluster.local", .a, "no such name"),
        Case("x.web.shop.svc.cluster.local", .a, "no such name"),
        Case("nope.shop.svc.cluster.local", .a, "no such name"),
        Case("shop.svc.cluster.local", .a, "no data"),
        Case("nope.svc.cluster.local", .a, "no such name"),
        Case("svc.cluster.local", .a, "no data"),
        Case("cluster.local", .a, "no data"),
        Case("cluster.local", .ns, "ns.dns.cluster.local."),
        Case("ns.dns.cluster.local", .a, "10.96.0.10"),
        Case("nope.cluster.local", .a, "no such name"),
        // Headless: ready endpoints only.
        Case("db.shop.svc.cluster.local", .a, "10.244.0.1", "10.244.0.2"),
        Case("db.shop.svc.cluster.local", .aaaa, "no data"),
        Case("db-0.db.shop.svc.cluster.local", .a, "10.244.0.1"),
        Case("10-244-0-2.db.shop.svc.cluster.local", .a, "10.244.0.2"),
        Case("db-2.db.shop.svc.cluster.local", .a, "no such name"),
        Case("_sql._tcp.db.shop.svc.cluster.local", .srv, "0 50 3306 10-244-0-2.db.shop.svc.cluster.local.", "0 50 3306 db-0.db.shop.svc.cluster.local."),
        Case("empty.shop.svc.cluster.local", .a, "no such name"),
        Case("ext.shop.svc.cluster.local", .cname, "api.example.com."),
        Case("ext.shop.svc.cluster.local", .a, "alias api.example.com."),
        // Pods.
        Case("10-244-0-9.shop.pod.cluster.local", .a, "10.244.0.9"),
        Case("10-244-0-9.shop.pod.cluster.local", .aaaa, "no data"),
        Case("fd00--7.shop.pod.cluster.local", .aaaa, "fd00::7"),
        Case("10-244-0-999.shop.pod.cluster.local", .a, "no such name"),
        Case("shop.pod.cluster.local", .a, "no data"),
        Case("dns-version.cluster.local", .txt, "1.1.0"),
        Case("dns-version.cluster.local", .a, "no data"),
        // Addresses.
        Case("1.1.96.10.in-addr.arpa", .ptr, "web.shop.svc.cluster.local."),
        Case("1.1.96.10.in-addr.arpa", .a, "no data"),
        Case("1.0.244.10.in-addr.arpa", .ptr, "db-0.db.shop.svc.cluster.local."),
        // An endpoint without a name of its own has no name by its address.
        Case("2.0.244.10.in-addr.arpa", .ptr, "not ours"),
        Case("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", .ptr, "web.shop.svc.cluster.local."),
        Case("example.com", .a, "not ours"),
        Case("cluster.localhost", .a, "not ours"),
    ]

    static func describe(_ data: DNSRecord.Data) -> String {
        switch data {
        case .a(let bytes), .aaaa(let bytes): IPBytes.text(bytes)
        case .cname(let name), .ptr(let name), .ns(let name): name.description
        case .srv(let priority, let weight, let port, let target): "\(priority) \(weight) \(port) \(target)"
        case .txt(let texts): texts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ",")
        default: "\(data)"
        }
    }

    static func ask(_ zone: ClusterZone, _ name: String, _ type: DNSType, rotation: Int = 0) -> [String] {
        switch zone.answer(.init(DNSName(name)!, type), rotation: rotation) {
        case .records(let records, _):
            records.allSatisfy { $0.ttl == 5 && $0.name == DNSName(name)! } ? records.map { describe($0.data) } : ["wrong name or time"]
        case .noData: ["no data"]
        case .noSuchName: ["no such name"]
        case .alias(_, let target): ["alias \(target)"]
        case .notOurs: ["not ours"]
        case .unavailable: ["unavailable"]
        }
    }

    @Test(arguments: cases)
    func questionsAreAnswered(question: Case) {
        #expect(Self.ask(Self.zone(), question.name, question.type) == question.expected)
    }

    @Test func serviceRecordsComeWithTheirAddresses() throws {
        guard case .records(_, let additional) = Self.zone().answer(.init(DNSName("_sql._tcp.db.shop.svc.cluster.local")!, .srv)) else {
            throw DNSError(.malformed, "expected records")
        }
        #expect(Set(additional.map { "\($0.name) \(Self.describe($0.data))" }) == [
            "db-0.db.shop.svc.cluster.local. 10.244.0.1", "10-244-0-2.db.shop.svc.cluster.local. 10.244.0.2",
        ])
    }

    @Test func addressesTakeTurns() {
        let zone = Self.zone()
        #expect(Self.ask(zone, "db.shop.svc.cluster.local", .a, rotation: 1) == ["10.244.0.2", "10.244.0.1"])
        #expect(Self.ask(zone, "db.shop.svc.cluster.local", .a, rotation: .min).count == 2)
    }

    @Test func theZoneFollowsItsObjects() {
        var zone = Self.zone()
        let serial = zone.serial
        // An endpoint becomes ready, the Service gets another address, a slice changes its owner, things go.
        zone.set(SliceRecord(
            key: .init(namespace: "shop", name: "db-x"), service: "db", ports: [], endpoints: [.init(addresses: [[10, 244, 0, 3]], hostname: "db-2")]))
        #expect(Self.ask(zone, "db.shop.svc.cluster.local", .a) == ["10.244.0.3"])
        #expect(Self.ask(zone, "1.0.244.10.in-addr.arpa", .ptr) == ["not ours"])
        #expect(Self.ask(zone, "3.0.244.10.in-addr.arpa", .ptr) == ["db-2.db.shop.svc.cluster.local."])
        zone.set(SliceRecord(key: .init(namespace: "shop", name: "db-x"), service: "empty", ports: [], endpoints: [.init(addresses: [[10, 244, 0, 3]])]))
        #expect(Self.ask(zone, "db.shop.svc.cluster.local", .a) == ["no such name"])
        #expect(Self.ask(zone, "empty.shop.svc.cluster.local", .a) == ["10.244.0.3"])
        zone.removeSlice(.init(namespace: "shop", name: "db-x"))
        #expect(Self.ask(zone, "empty.shop.svc.cluster.local", .a) == ["no such name"])
        zone.set(ServiceRecord(key: .init(namespace: "shop", name: "web"), kind: .clusterIP([[10, 96, 1, 2]])))
        #expect(Self.ask(zone, "1.1.96.10.in-addr.arpa", .ptr) == ["not ours"])
        for name in ["web", "db", "ext", "near", "empty"] { zone.removeService(.init(namespace: "shop", name: name)) }
        #expect(Self.ask(zone, "shop.svc.cluster.local", .a) == ["no such name"])
        #expect(zone.reverse.isEmpty && zone.names.isEmpty && zone.namespaces.isEmpty)
        #expect(zone.serial > serial)
    }

    @Test func aSliceMayComeBeforeItsService() {
        var zone = ClusterZone(domain: DNSName("cluster.local")!, serverAddresses: [])
        zone.isComplete = true
        zone.set(SliceRecord(key: .init(namespace: "a", name: "s-1"), service: "s", ports: [], endpoints: [.init(addresses: [[1, 2, 3, 4]])]))
        #expect(Self.ask(zone, "s.a.svc.cluster.local", .a) == ["no such name"])
        zone.set(ServiceRecord(key: .init(namespace: "a", name: "s"), kind: .headless))
        #expect(Self.ask(zone, "s.a.svc.cluster.local", .a) == ["1.2.3.4"])
    }

    @Test func unreadyEndpointsAreNamedIfTheServiceWantsIt() {
        var zone = Self.zone()
        zone.set(ServiceRecord(key: .init(namespace: "shop", name: "db"), kind: .headless, publishesNotReady: true))
        #expect(Self.ask(zone, "db-2.db.shop.svc.cluster.local", .a) == ["10.244.0.3"])
    }

    @Test func beforeTheCopyIsCompleteNothingIsDenied() {
        var zone = Self.zone()
        zone.isComplete = false
        #expect(Self.ask(zone, "nope.shop.svc.cluster.local", .a) == ["unavailable"])
        #expect(Self.ask(zone, "dns-version.cluster.local", .txt) == ["1.1.0"])
    }
}
