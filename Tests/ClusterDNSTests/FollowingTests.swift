@testable import ClusterDNS
import JSONTree
import KubeClient
import KubeTypes
import Synchronization
import Testing

/// From the API server's objects to answers on the wire.
@Suite(.timeLimit(.minutes(1))) struct FollowingTests {
    /// An API server of two collections: lists are answered when they are there, watches carry what is sent.
    final class FakeServer: Transport {
        private let lists = Mutex<[String: JSON]>([:])
        private let waiting = Mutex<[String: [CheckedContinuation<JSON, Never>]]>([:])
        private let watches = Mutex<[String: AsyncThrowingStream<[UInt8], any Error>.Continuation]>([:])
        let opened = AsyncStream.makeStream(of: String.self)

        private static func kind(_ request: APIRequest) -> String { request.path.hasSuffix("/services") ? "services" : "endpointslices" }

        func setList(_ kind: String, _ items: [JSON]) {
            let list: JSON = ["kind": "List", "apiVersion": "v1", "metadata": ["resourceVersion": "1"], "items": .array(items)]
            lists.withLock { $0[kind] = list }
            for waiter in waiting.withLock({ $0.removeValue(forKey: kind) ?? [] }) { waiter.resume(returning: list) }
        }

        func send(_ kind: String, _ type: String, _ object: JSON) {
            let event: JSON = ["type": .string(type), "object": object]
            _ = watches.withLock { $0[kind]?.yield(event.bytes() + [10]) }
        }

        func send(_ request: APIRequest) async throws -> APIResponse {
            let kind = Self.kind(request)
            let list = await withCheckedContinuation { continuation in
                if let list = lists.withLock({ $0[kind] }) { return continuation.resume(returning: list) }
                waiting.withLock { $0[kind, default: []].append(continuation) }
            }
            return APIResponse(status: 200, body: list.bytes())
        }

        func stream(_ request: APIRequest) async throws -> APIStream {
            let kind = Self.kind(request)
            let (stream, continuation) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
            watches.withLock { $0[kind] = continuation }
            opened.continuation.yield(kind)
            return APIStream(status: 200, body: stream)
        }
    }

    static func service(_ name: String, _ version: Int, _ spec: JSON) -> JSON {
        ["apiVersion": "v1", "kind": "Service", "metadata": ["name": .string(name), "namespace": "shop", "resourceVersion": .string("\(version)")], "spec": spec]
    }

    static func slice(_ version: Int, _ addresses: [String], ready: Bool? = nil) -> JSON {
        let conditions: JSON = ready.map { ["ready": .bool($0)] } ?? [:]
        return [
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": ["name": "db-1", "namespace": "shop", "resourceVersion": .string("\(version)"), "labels": ["kubernetes.io/service-name": "db"]],
            "addressType": "IPv4", "endpoints": .array(addresses.map { ["addresses": [.string($0)], "conditions": conditions] }),
            "ports": [["name": "SQL", "port": 3306]],
        ]
    }

    @Test func answersFollowTheAPIServer() async throws {
        let server = FakeServer()
        let client = KubeClient(transport: server)
        let (services, slices) = (Informer<Service>(client, logger: ServerTests.quiet), Informer<EndpointSlice>(client, logger: ServerTests.quiet))
        let dns = try ClusterDNS(
            configuration: .init(address: "127.0.0.1", port: 0, serviceAddresses: ["10.96.0.10"], resolvConf: "/nonexistent"), logger: ServerTests.quiet)
        try await dns.server.start()
        let place = Upstream(address: "127.0.0.1", port: try #require(dns.server.port))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await services.run() }
            group.addTask { await slices.run() }
            group.addTask { try await dns.run(services: services, slices: slices) }
            defer { group.cancelAll() }
            func ask(_ name: String, _ type: DNSType = .a) async throws -> [String] {
                let answer = try await ServerTests.ask(place, ServerTests.query(name, type))
                return answer.code == .noError ? answer.answers.map { ZoneTests.describe($0.data) } : ["code \(answer.code.rawValue)"]
            }
            /// Asks until the news has arrived; the suite's time limit ends what never comes.
            func untilAnswer(_ expected: [String], _ name: String, _ type: DNSType = .a) async throws {
                while try await ask(name, type) != expected { try Task.checkCancellation() }
            }
            server.setList("services", [
                Self.service("web", 1, ["clusterIP": "10.96.1.1", "clusterIPs": ["10.96.1.1"], "ports": [["name": "http", "port": 80, "protocol": "TCP"]]]),
                Self.service("db", 1, ["clusterIP": "None", "clusterIPs": ["None"], "ports": [["name": "sql", "port": 3306]]]),
                Self.service("ext", 1, ["type": "ExternalName", "externalName": "web.shop.svc.cluster.local"]),
            ])
            // The slices are not known yet: no name is denied, none is given.
            #expect(try await ask("web.shop.svc.cluster.local") == ["code 2"])
            server.setList("endpointslices", [Self.slice(1, ["10.244.0.5"])])
            try await untilAnswer(["10.96.1.1"], "web.shop.svc.cluster.local")
            #expect(try await ask("db.shop.svc.cluster.local") == ["10.244.0.5"])
            #expect(try await ask("_sql._tcp.db.shop.svc.cluster.local", .srv) == ["0 100 3306 10-244-0-5.db.shop.svc.cluster.local."])
            #expect(try await ask("ext.shop.svc.cluster.local") == ["web.shop.svc.cluster.local.", "10.96.1.1"])
            var kinds: Set<String> = []
            for await kind in server.opened.stream {
                kinds.insert(kind)
                if kinds.count == 2 { break }
            }
            server.send("endpointslices", "MODIFIED", Self.slice(2, ["10.244.0.6"], ready: true))
            try await untilAnswer(["10.244.0.6"], "db.shop.svc.cluster.local")
            server.send("endpointslices", "MODIFIED", Self.slice(3, ["10.244.0.6"], ready: false))
            try await untilAnswer(["code 3"], "db.shop.svc.cluster.local")
            server.send("services", "DELETED", Self.service("web", 4, [:]))
            try await untilAnswer(["code 3"], "web.shop.svc.cluster.local")
        }
    }
}
