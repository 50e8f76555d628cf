internal import Glibc
public import KubeClient
public import KubeTypes
public import Logging

/// The DNS server of a node: the cluster's names from its own copy of Services and EndpointSlices, all others from the host's
/// resolvers.
///
///     Services, EndpointSlices ──informers──▶ ClusterZone ◀──question── DNSServer (UDP, TCP) ◀── pods
///                                                                            └──other names──▶ Forwarder ──▶ the host's resolvers
public struct ClusterDNS: Sendable {
    private let resolver: ClusterResolver
    public let server: DNSServer

    /// - Throws: `DNSError` with `configuration`.
    public init(configuration: ClusterDNSConfiguration, logger: Logger) throws(DNSError) {
        guard let domain = DNSName(configuration.domain), !domain.labels.isEmpty else {
            throw DNSError(.configuration, "expected the cluster's domain to be a name such as cluster.local, found '\(configuration.domain)'")
        }
        var addresses: [[UInt8]] = []
        for text in configuration.serviceAddresses {
            guard let address = IPBytes.parse(text) else { throw DNSError(.configuration, "expected the address of the DNS Service, found '\(text)'") }
            addresses.append(address)
        }
        let start = ContinuousClock.now
        let file = ResolvConf(path: configuration.resolvConf, excluding: configuration.ownPlaces)
        let forwarder = Forwarder(upstreams: { file.upstreams() }, transport: NetworkUpstreamTransport(), now: { ContinuousClock.now - start })
        // The time, so that serial numbers do not begin anew with each start.
        resolver = ClusterResolver(
            zone: ClusterZone(domain: domain, serverAddresses: addresses, serial: UInt32(truncatingIfNeeded: time(nil))), forwarder: forwarder)
        server = DNSServer(address: configuration.address, port: configuration.port, resolver: resolver, logger: logger)
    }

    /// Serves until cancelled.
    /// - Parameters:
    ///   - services, slices: copies of all Services and EndpointSlices, run by the caller; others follow them too.
    /// - Throws: `DNSError` when the address cannot be bound.
    public func run(services: Informer<Service>, slices: Informer<EndpointSlice>) async throws {
        try await server.start()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            group.addTask { await follow(services.changes(), slices.changes()) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func follow(_ services: AsyncStream<Informer<Service>.Change>, _ slices: AsyncStream<Informer<EndpointSlice>.Change>) async {
        let resolver = resolver
        await withTaskGroup(of: Void.self) { group in
            // Complete once both are: two flags of one zone.
            let progress = Progress()
            group.addTask {
                for await change in services {
                    switch change {
                    case .added(let service), .modified(let service, _):
                        let record = ServiceRecord(service)
                        resolver.update { $0.set(record) }
                    case .deleted(let service):
                        let key = ObjectKey(namespace: service.namespace, name: service.name)
                        resolver.update { $0.removeService(key) }
                    case .synced: if await progress.reached() { resolver.update { $0.isComplete = true } }
                    }
                }
            }
            for await change in slices {
                switch change {
                case .added(let slice), .modified(let slice, _):
                    let key = ObjectKey(namespace: slice.namespace, name: slice.name)
                    let record = SliceRecord(slice)
                    resolver.update { zone in if let record { zone.set(record) } else { zone.removeSlice(key) } }
                case .deleted(let slice):
                    let key = ObjectKey(namespace: slice.namespace, name: slice.name)
                    resolver.update { $0.removeSlice(key) }
                case .synced: if await progress.reached() { resolver.update { $0.isComplete = true } }
                }
            }
            group.cancelAll()
        }
    }

    /// Counts the two copies that have to be complete.
    private actor Progress {
        private var count = 0
        func reached() -> Bool {
            count += 1
            return count == 2
        }
    }
}

/// What a node's DNS server is told.
public struct ClusterDNSConfiguration: Sendable {
    /// One address of the node, and the port to serve on it.
    public var address: String
    public var port: Int
    /// `cluster.local`.
    public var domain: String
    /// The cluster IPs of the DNS Service.
    public var serviceAddresses: [String]
    /// The host's list of resolvers.
    public var resolvConf: String

    public init(address: String, port: Int, domain: String = "cluster.local", serviceAddresses: [String], resolvConf: String = "/etc/resolv.conf") {
        (self.address, self.port, self.domain, self.serviceAddresses, self.resolvConf) = (address, port, domain, serviceAddresses, resolvConf)
    }

    /// Where a query of this server would come back to it.
    var ownPlaces: Set<Upstream> {
        Set(serviceAddresses.map { Upstream(address: $0) } + [Upstream(address: address, port: port)])
    }
}
