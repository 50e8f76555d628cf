/// The names below one Service, worked out from it and its slices.
struct ServiceNames: Sendable {
    /// A name that leads to addresses: an endpoint of a headless Service.
    struct Host: Sendable, Hashable {
        var label: String
        var addresses: [[UInt8]]
        var ports: [NamedPort]
        /// Given by the endpoint itself, not made of its address: only then do addresses lead back to it.
        var isNamed: Bool
    }

    let kind: ServiceRecord.Kind
    let ports: [NamedPort]
    /// Ready endpoints by label; only a headless Service has them.
    private(set) var hosts: [String: Host] = [:]

    init(_ service: ServiceRecord, slices: some Sequence<SliceRecord>) {
        kind = service.kind
        ports = service.ports
        guard case .headless = service.kind else { return }
        for slice in slices {
            for endpoint in slice.endpoints where endpoint.isReady || service.publishesNotReady {
                if let hostname = endpoint.hostname, !hostname.isEmpty {
                    add(hostname.lowercased(), endpoint.addresses, slice.ports, isNamed: true)
                } else {
                    for address in endpoint.addresses { add(IPBytes.label(address), [address], slice.ports, isNamed: false) }
                }
            }
        }
    }

    private mutating func add(_ label: String, _ addresses: [[UInt8]], _ ports: [NamedPort], isNamed: Bool) {
        guard !addresses.isEmpty else { return }
        var host = hosts[label] ?? Host(label: label, addresses: [], ports: [], isNamed: isNamed)
        for address in addresses where !host.addresses.contains(address) { host.addresses.append(address) }
        for port in ports where !host.ports.contains(port) { host.ports.append(port) }
        hosts[label] = host
    }

    /// The addresses of the Service's own name, in a fixed order.
    var addresses: [[UInt8]] {
        switch kind {
        case .clusterIP(let addresses): addresses
        case .external: []
        case .headless: Array(Set(hosts.values.flatMap(\.addresses))).sorted { $0.lexicographicallyPrecedes($1) }
        }
    }

    /// A headless Service without endpoints has no name (specification, section 2.4.1).
    var exists: Bool {
        if case .headless = kind { !hosts.isEmpty } else { true }
    }

    /// Every port, of the Service or of its endpoints.
    var allPorts: [NamedPort] {
        if case .headless = kind { hosts.values.flatMap(\.ports) } else { ports }
    }
}
