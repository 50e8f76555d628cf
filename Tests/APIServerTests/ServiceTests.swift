import APIServer
import KubeAPI
import KubeHTTP
import NIOHTTP1
import JSONTree
import Storage
import Testing

let services = "/api/v1/namespaces/default/services"

extension JSON {
    static func service(_ name: String, type: String = "ClusterIP", clusterIP: String? = nil, nodePort: Int64? = nil) -> JSON {
        var port: JSON = ["port": 80]
        if let nodePort { port["nodePort"] = JSON(nodePort) }
        var object: JSON = [
            "apiVersion": "v1", "kind": "Service", "metadata": ["name": .string(name)],
            "spec": ["type": .string(type), "selector": ["app": .string(name)], "ports": [port]],
        ]
        if let clusterIP { object["spec"]?["clusterIP"] = .string(clusterIP) }
        return object
    }

    var clusterIP: String { self[path: "spec", "clusterIP"]?.string ?? "" }
    var nodePort: Int64 { self[path: "spec", "ports"]?[0]?["nodePort"]?.int ?? 0 }
}

@Suite struct ServiceAllocationTests {
    private static let small = AddressRange("10.0.0.0/29") ?? .everything

    @Test func aServiceGetsAnAddressOfTheUpperRange() async throws {
        let server = try await TestServer()
        let service = try await server.create(services, .service("a"))
        let range = try #require(AddressRange("10.96.0.0/16"))
        let offset = try #require(AddressRange.bytes(of: service.clusterIP).flatMap(range.offset))
        #expect(offset >= 256 && offset < 65_535)
        #expect(service[path: "spec", "clusterIPs"] == [.string(service.clusterIP)])
        #expect(service[path: "spec", "ipFamilies"] == ["IPv4"])
        #expect(service[path: "spec", "ipFamilyPolicy"] == "SingleStack")
        #expect(service[path: "spec", "internalTrafficPolicy"] == "Cluster")
        #expect(service[path: "spec", "sessionAffinity"] == "None")
        #expect(service[path: "spec", "ports"] == [["port": 80, "protocol": "TCP", "targetPort": 80]])
        #expect(service["status"] == ["loadBalancer": [:]])
    }

    @Test func noAddressIsGivenTwice() async throws {
        // Six of the eight addresses can be given out.
        let server = try await TestServer(services: ServiceRanges(addresses: Self.small, nodePorts: 30000...30003))
        let answers = await withTaskGroup(of: Answer.self) { group in
            for number in 0..<10 { group.addTask { await server.call(.POST, services, .service("s\(number)")) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let given = answers.filter { $0.status == 201 }.map(\.json.clusterIP)
        #expect(Set(given) == Set((1...6).map { "10.0.0.\($0)" }))
        #expect(given.count == 6)
        #expect(answers.filter { $0.status == 500 }.count == 4)
        #expect(answers.first { $0.status == 500 }?.message == "Internal error occurred: failed to allocate a serviceIP: range is full")
        // What is released can be given again.
        let first = try #require(await server.get(services).names.first)
        #expect(await server.call(.DELETE, services + "/\(first)").status == 200)
        #expect(await server.call(.POST, services, .service("again")).status == 201)
    }

    @Test func addressesThatAreTakenAreRefused() async throws {
        let server = try await TestServer()
        try await server.create(services, .service("a", clusterIP: "10.96.0.7"))
        let taken = await server.call(.POST, services, .service("b", clusterIP: "10.96.0.7"))
        #expect(taken.status == 422)
        #expect(taken.message == #"Service "b" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.7"]: failed to allocate IP 10.96.0.7: provided IP is already allocated"#)
        let outside = await server.call(.POST, services, .service("b", clusterIP: "10.97.0.7"))
        #expect(outside.causes == [#"spec.clusterIPs: Invalid value: ["10.97.0.7"]: failed to allocate IP 10.97.0.7: the provided IP (10.97.0.7) is not in the valid range. The range of valid IPs is 10.96.0.0/16"#])
        // A write that failed holds nothing.
        #expect(await server.call(.POST, services, .service("a", clusterIP: "10.96.0.8")).status == 409)
        #expect(await server.call(.POST, services + "?dryRun=All", .service("c", clusterIP: "10.96.0.8")).status == 201)
        #expect(await server.call(.POST, services, .service("c", clusterIP: "10.96.0.8")).status == 201)
    }

    @Test func nodePortsToo() async throws {
        let server = try await TestServer(services: ServiceRanges(addresses: ServiceRanges.standard.addresses, nodePorts: 30000...30001))
        try await server.create(services, .service("a", type: "NodePort", nodePort: 30000))
        let taken = await server.call(.POST, services, .service("b", type: "NodePort", nodePort: 30000))
        #expect(taken.causes == ["spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated"])
        let outside = await server.call(.POST, services, .service("b", type: "NodePort", nodePort: 8080))
        #expect(outside.causes == ["spec.ports[0].nodePort: Invalid value: 8080: provided port is not in the valid range. The range of valid ports is 30000-30001"])
        #expect(try await server.create(services, .service("b", type: "NodePort")).nodePort == 30001)
        #expect(await server.call(.POST, services, .service("c", type: "NodePort")).message == "Internal error occurred: failed to allocate a nodePort: range is full")
        // A port that is no longer used is free.
        let plain = await server.call(.PATCH, services + "/a", ["spec": ["type": "ClusterIP"]], type: "application/merge-patch+json")
        #expect(plain.status == 200)
        #expect(plain.json.nodePort == 0)
        #expect(plain.json[path: "spec", "externalTrafficPolicy"] == nil)
        #expect(try await server.create(services, .service("c", type: "NodePort")).nodePort == 30000)
    }

    @Test func aRestartForgetsNothing() async throws {
        let storage = try SQLiteStorage.inMemory()
        let first = try await TestServer(storage: storage)
        try await first.create(services, .service("a", type: "NodePort", clusterIP: "10.96.0.7", nodePort: 30080))
        let second = try await TestServer(storage: storage)
        #expect(await second.call(.POST, services, .service("b", clusterIP: "10.96.0.7")).status == 422)
        #expect(await second.call(.POST, services, .service("b", type: "NodePort", nodePort: 30080)).status == 422)
    }
}

@Suite struct ServiceUpdateTests {
    private func update(_ server: TestServer, _ change: JSON) async -> Answer {
        await server.call(.PATCH, services + "/a", change, type: "application/merge-patch+json")
    }

    @Test func whatWasGivenOutStays() async throws {
        let server = try await TestServer()
        let created = try await server.create(services, .service("a", type: "NodePort"))
        // A client that sends the object as it was written keeps what it got.
        let replaced = await server.call(.PUT, services + "/a", .service("a", type: "NodePort"))
        #expect(replaced.status == 200)
        #expect(replaced.json.clusterIP == created.clusterIP)
        #expect(replaced.json.nodePort == created.nodePort)
        let other = await update(server, ["spec": ["clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]]])
        #expect(other.status == 422)
        #expect(other.causes == [#"spec.clusterIPs[0]: Invalid value: ["10.96.0.9"]: may not change once set"#])
        #expect(await server.call(.POST, services, .service("b", clusterIP: "10.96.0.9")).status == 201)
    }

    @Test func typesChange() async throws {
        let server = try await TestServer()
        let created = try await server.create(services, .service("a"))
        let node = await update(server, ["spec": ["type": "NodePort"]])
        #expect(node.json.nodePort >= 30086)
        #expect(node.json.clusterIP == created.clusterIP)
        #expect(node.json[path: "spec", "externalTrafficPolicy"] == "Cluster")
        let external = await update(server, ["spec": ["type": "ExternalName", "externalName": "example.org"]])
        #expect(external.status == 200, "\(external.json)")
        #expect(external.json[path: "spec", "clusterIP"] == nil)
        #expect(external.json.nodePort == 0)
        // The address is free again.
        #expect(await server.call(.POST, services, .service("b", clusterIP: created.clusterIP)).status == 201)
        let back = await update(server, ["spec": ["type": "ClusterIP", "externalName": nil]])
        #expect(back.json.clusterIP.hasPrefix("10.96."))
        #expect(back.json.clusterIP != created.clusterIP)
    }
}
