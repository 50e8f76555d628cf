import JSONTree
import KubeClient
import KubeTypes
import Logging
import Netlink
import ServiceProxy
import Synchronization
import Testing

/// An API server that lists what it is given and then tells changes.
private final class ScriptedServer: Transport {
    private let lists: [String: JSON]
    private let watches = Mutex<[String: AsyncThrowingStream<[UInt8], any Error>.Continuation]>([:])
    private let early = Mutex<[String: [[UInt8]]]>([:])

    init(_ lists: [String: JSON]) { self.lists = lists }

    private func kind(_ request: APIRequest) -> String { String(request.path.split(separator: "/").last ?? "") }

    func send(_ request: APIRequest) async throws -> APIResponse { APIResponse(status: 200, body: (lists[kind(request)] ?? .null).bytes()) }

    func stream(_ request: APIRequest) async throws -> APIStream {
        let (stream, continuation) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
        for bytes in early.withLock({ $0.removeValue(forKey: kind(request)) }) ?? [] { continuation.yield(bytes) }
        watches.withLock { $0[kind(request)] = continuation }
        return APIStream(status: 200, body: stream)
    }

    func tell(_ kind: String, _ type: String, _ object: JSON) {
        let bytes = (["type": .string(type), "object": object] as JSON).bytes() + [10]
        if let watch = watches.withLock({ $0[kind] }) { watch.yield(bytes) } else { early.withLock { $0[kind, default: []].append(bytes) } }
    }
}

@Suite(.serialized, .privileged) struct ServiceInformerTests {
    func json(_ text: String) throws -> JSON { try JSON(parsing: Array(text.utf8)) }

    func slice(_ version: Int, _ address: String) throws -> JSON {
        try json("""
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": [{"addresses": ["\(address)"]}],
             "metadata": {"namespace": "n", "name": "web-1", "uid": "2", "resourceVersion": "\(version)", "labels": {"kubernetes.io/service-name": "web"}}}
            """)
    }

    @Test(.timeLimit(.minutes(1))) func whatTheServerTellsComesIntoEffect() async throws {
        let node = try await ServiceNode()
        await node.stopProxy()
        let pods = try await node.pods("one", "two")
        let service = try json("""
            {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "n", "name": "web", "uid": "1", "resourceVersion": "3"},
             "spec": {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80, "protocol": "TCP"}]}}
            """)
        func list(_ objects: JSON...) -> JSON { ["metadata": ["resourceVersion": "9"], "items": .array(objects)] }
        let server = ScriptedServer(["services": list(service), "endpointslices": list(try slice(4, pods[0].address.description))])
        let logger = Logger(label: "test")
        let services = Informer<Service>(KubeClient(transport: server), logger: logger)
        let slices = Informer<EndpointSlice>(KubeClient(transport: server), logger: logger)
        let proxy = try ServiceProxy(configuration: node.configuration, node: ServiceNode.description(), logger: logger)
        let running = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await services.run() }
                group.addTask { await slices.run() }
                group.addTask { await proxy.run(services: services, slices: slices) }
            }
        }
        await services.waitUntilSynced()
        await slices.waitUntilSynced()
        try await proxy.synchronize(services: services, slices: slices)
        #expect(try node.node.call("10.96.0.1", 80).server == "one")

        server.tell("endpointslices", "MODIFIED", try slice(10, pods[1].address.description))
        var told = slices.changes().makeAsyncIterator()
        while slices.object(namespace: "n", name: "web-1")?.metadata.resourceVersion != "10" { _ = await told.next() }
        try await proxy.synchronize(services: services, slices: slices)
        #expect(try node.node.call("10.96.0.1", 80).server == "two")

        server.tell("services", "DELETED", service)
        var changes = services.changes().makeAsyncIterator()
        while services.object(namespace: "n", name: "web") != nil { _ = await changes.next() }
        // A removal is told by the informer's stream alone.
        while try node.node.call("10.96.0.1", 80) != .refused { try await proxy.synchronize(services: services, slices: slices) }
        running.cancel()
        await running.value
        try await node.end()
    }
}
