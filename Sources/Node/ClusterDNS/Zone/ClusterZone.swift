/// What the cluster's names stand for: Kubernetes DNS-Based Service Discovery 1.1.0. Pure: a snapshot that is changed object by
/// object and asked question by question.
///
///     cluster.local ── svc ── <namespace> ── <service> ── <hostname>
///                  │                              └── _<protocol> ── _<port>
///                  ├── pod ── <namespace> ── 10-244-0-7
///                  ├── dns ── ns
///                  └── dns-version
public struct ClusterZone: Sendable {
    public static let version = "1.1.0"
    /// Seconds: endpoints come and go, and nobody can be told.
    static let ttl: UInt32 = 5

    /// `cluster.local`.
    public let domain: DNSName
    /// The addresses of the DNS Service.
    let serverAddresses: [[UInt8]]
    /// Whether all Services and slices have been seen once. Before that, "no such name" might be a lie.
    public var isComplete = false
    /// Counts changes: the serial number of the zone.
    public private(set) var serial: UInt32

    private var services: [ObjectKey: ServiceRecord] = [:]
    /// By Service.
    private var slices: [ObjectKey: [String: SliceRecord]] = [:]
    /// The Service that a slice belonged to when it was last seen.
    private var sliceOwners: [ObjectKey: ObjectKey] = [:]
    private(set) var names: [ObjectKey: ServiceNames] = [:]
    /// How many Services a namespace has.
    private(set) var namespaces: [String: Int] = [:]
    /// The names of an address; of several the first one counts.
    private(set) var reverse: [[UInt8]: Set<DNSName>] = [:]

    /// - Parameters:
    ///   - serverAddresses: of the DNS Service, 4 or 16 bytes each.
    ///   - serial: where the zone's serial numbers begin.
    public init(domain: DNSName, serverAddresses: [[UInt8]], serial: UInt32 = 1) {
        (self.domain, self.serverAddresses, self.serial) = (domain, serverAddresses, serial)
    }

    // MARK: Changes

    public mutating func set(_ service: ServiceRecord) {
        services[service.key] = service
        rebuild(service.key)
    }

    public mutating func removeService(_ key: ObjectKey) {
        services[key] = nil
        rebuild(key)
    }

    public mutating func set(_ slice: SliceRecord) {
        let owner = ObjectKey(namespace: slice.key.namespace, name: slice.service)
        if let old = sliceOwners[slice.key], old != owner { removeSlice(slice.key) }
        sliceOwners[slice.key] = owner
        slices[owner, default: [:]][slice.key.name] = slice
        rebuild(owner)
    }

    public mutating func removeSlice(_ key: ObjectKey) {
        guard let owner = sliceOwners.removeValue(forKey: key) else { return }
        slices[owner]?[key.name] = nil
        if slices[owner]?.isEmpty == true { slices[owner] = nil }
        rebuild(owner)
    }

    private mutating func rebuild(_ key: ObjectKey) {
        serial &+= 1
        if let old = names.removeValue(forKey: key) {
            for (address, name) in reverseNames(of: old, key) {
                reverse[address]?.remove(name)
                if reverse[address]?.isEmpty == true { reverse[address] = nil }
            }
            namespaces[key.namespace, default: 1] -= 1
            if namespaces[key.namespace] == 0 { namespaces[key.namespace] = nil }
        }
        guard let service = services[key] else { return }
        let new = ServiceNames(service, slices: (slices[key] ?? [:]).values)
        names[key] = new
        namespaces[key.namespace, default: 0] += 1
        for (address, name) in reverseNames(of: new, key) { reverse[address, default: []].insert(name) }
    }

    private func reverseNames(of service: ServiceNames, _ key: ObjectKey) -> [(address: [UInt8], name: DNSName)] {
        guard let base = name(key.name, key.namespace, "svc") else { return [] }
        switch service.kind {
        case .clusterIP(let addresses): return addresses.map { ($0, base) }
        case .external: return []
        case .headless:
            return service.hosts.values.filter(\.isNamed).flatMap { host in
                name(host.label, key.name, key.namespace, "svc").map { name in host.addresses.map { ($0, name) } } ?? []
            }
        }
    }

    // MARK: Names

    /// The name of these labels below the cluster's domain.
    func name(_ labels: String...) -> DNSName? { DNSName(labels: labels.map { Array($0.utf8) } + domain.labels) }

    /// The start of authority, which also says how long "there is nothing" may be believed.
    var authority: DNSRecord {
        DNSRecord(domain, ttl: Self.ttl, .soa(.init(
            primary: name("ns", "dns") ?? domain, mailbox: name("hostmaster") ?? domain, serial: serial, refresh: 7200, retry: 1800, expire: 86400, minimum: Self.ttl)))
    }
}
