import LinuxSystem
import Logging
import Netlink
import PodNetwork
import ServiceProxy
import Testing

/// A node with pods and a service proxy, in network namespaces of its own; the world beyond its uplink is one more.
final class ServiceNode: Sendable {
    struct Pod: Sendable {
        var name: String
        var namespace: NetworkNamespace
        var address: IPAddress
        var server: TestServer
    }

    let host: NetworkNode
    let network: PodNetwork
    let proxy: ServiceProxy
    let configuration: ServiceProxyConfiguration
    let events: AsyncStream<ServiceProxyEvent>
    private let running: Task<Void, Never>
    private let before: LeakAudit

    var node: NetworkNamespace { host.node }
    var world: NetworkNamespace { host.world }
    static let address = "192.0.2.1"
    static let worldAddress = "192.0.2.2"

    static func description() throws -> NodeDescription {
        NodeDescription(
            name: "here", zone: "a", addresses: [try #require(IPAddress(address))], podCIDRs: [try #require(IPPrefix("10.244.0.0/24"))],
            serviceCIDRs: [try #require(IPPrefix("10.96.0.0/16")), try #require(IPPrefix("fd00:10:96::/112"))])
    }

    init(clock: any Clock<Duration> = ContinuousClock()) async throws {
        host = try NetworkNode()
        before = try LeakAudit(network: host.node)
        network = try host.network()
        _ = try await network.start(sandboxes: nil)
        configuration = ServiceProxyConfiguration(namespacePath: host.node.path)
        let (events, continuation) = AsyncStream<ServiceProxyEvent>.makeStream()
        self.events = events
        let proxy = try ServiceProxy(configuration: configuration, node: Self.description(), clock: clock, logger: Logger(label: "test")) { continuation.yield($0) }
        self.proxy = proxy
        proxy.submit(.servicesComplete, .slicesComplete)
        running = Task { await proxy.run() }
        for range in ["10.96.0.0/16", "198.51.100.0/24"] { try host.world.run("ip", "route", "add", range, "via", Self.address) }
    }

    /// A pod whose server answers on 8080.
    func pod(_ name: String, transports: [TransportProtocol] = [.tcp, .udp]) async throws -> Pod {
        let namespace = try NetworkNamespace()
        let given = try await network.attach(sandbox: name, namespacePath: namespace.path)[0]
        let address = try #require(IPAddress(given))
        return Pod(name: name, namespace: namespace, address: address, server: try TestServer(name, in: namespace, 8080, transports: transports))
    }

    func pods(_ names: String...) async throws -> [Pod] {
        var pods: [Pod] = []
        for name in names { pods.append(try await pod(name)) }
        return pods
    }

    /// Puts a Service on TCP and UDP port 80 with these endpoints into effect.
    func serve(name: String = "web", at clusterIP: String = "10.96.0.1", _ endpoints: [EndpointSliceDescription.Endpoint], _ change: (inout ServiceDescription) -> Void = { _ in }) async throws {
        var service = ServiceDescription(
            ObjectName("test", name), clusterIPs: [try #require(IPAddress(clusterIP))], ports: [.init(name: "tcp", .tcp, 80), .init(name: "udp", .udp, 80)])
        change(&service)
        let slice = EndpointSliceDescription(
            ObjectName("test", name + "-x"), service: name, ports: [.init(name: "tcp", .tcp, 8080), .init(name: "udp", .udp, 8080)], endpoints: endpoints)
        proxy.submit(.service(service), .slice(slice))
        try await proxy.synchronize()
    }

    /// Stops the proxy and leaves the table, as an agent that is killed does.
    func stopProxy() async {
        running.cancel()
        await running.value
    }

    /// Takes everything away and asserts that nothing stays.
    func end() async throws {
        await stopProxy()
        try await ServiceProxy.removeEverything(configuration)
        try await ServiceProxy.removeEverything(configuration)
        try await host.reset()
        #expect(try LeakAudit(network: host.node).difference(from: before) == [])
    }
}

extension ServiceNode.Pod {
    /// The pod as an endpoint of this node.
    var endpoint: EndpointSliceDescription.Endpoint { .init(address, nodeName: "here") }
    func endpoint(ready: Bool = true, serving: Bool? = nil, terminating: Bool = false, node: String = "here") -> EndpointSliceDescription.Endpoint {
        .init(address, isReady: ready, isServing: serving, isTerminating: terminating, nodeName: node)
    }
}
