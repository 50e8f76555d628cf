internal import Netlink

/// What one Service is in the table: a pure function of the Service, its EndpointSlices and the node.
struct ServicePicture: Equatable {
    /// Elements that are this Service's alone.
    private(set) var elements: [TableElement] = []
    /// Elements that other Services may need too, each once: they are counted.
    private(set) var shared: [TableElement] = []
    /// Every address and port that the Service asks for, granted or not.
    private(set) var claims: [Frontend] = []
    /// The order of each port's lists, by cluster IP, which the next picture keeps.
    private(set) var lists: [ListName: [Backend]] = [:]
    /// Where connections of UDP frontends may go: others are ended.
    private(set) var connections: [Frontend: Set<Backend>] = [:]

    struct ListName: Hashable {
        var scope: Balancer.Scope
        var canonical: Frontend
    }

    /// Nothing.
    init() {}

    /// - Parameters:
    ///   - previous: what the Service was before, for the order of its lists.
    ///   - isGranted: whether the Service has a frontend that another one may claim too.
    init(
        _ service: ServiceDescription, _ slices: some Collection<EndpointSliceDescription>, _ node: NodeDescription, previous: ServicePicture? = nil,
        isGranted: (Frontend) -> Bool = { _ in true }
    ) {
        var shared: Set<TableElement> = []
        for clusterIP in service.clusterIPs {
            for port in service.ports {
                let canonical = Frontend(address: clusterIP, transport: port.transport, port: port.port)
                let external = Self.external(service, port, clusterIP.family, node)
                claims.append(canonical)
                claims += external.map(\.frontend)
                guard isGranted(canonical) else { continue }
                let choice = EndpointChoice(port, clusterIP.family, slices, node)
                var draft = Draft(service, canonical, choice, previous, usesLocal: service.usesLocal(hasExternal: !external.isEmpty))
                draft.addClusterIP(node)
                for frontend in external where isGranted(frontend.frontend) { draft.add(frontend, node) }
                if port.transport == .udp {
                    let backends = Set(draft.cluster + draft.local)
                    connections[canonical] = backends
                    for frontend in external where isGranted(frontend.frontend) { connections[frontend.frontend] = backends }
                }
                elements += draft.elements
                shared.formUnion(draft.balancers.map { .balancer(clusterIP.family, $0) })
                shared.formUnion(choice.addressesHere.map { .hairpin($0) })
                lists[ListName(scope: .cluster, canonical: canonical)] = draft.cluster
                if draft.usesLocal { lists[ListName(scope: .local, canonical: canonical)] = draft.local }
            }
        }
        self.shared = Array(shared)
    }

    struct External {
        var frontend: Frontend
        var isLoadBalancer: Bool
    }

    /// The frontends of a port beside its cluster IP, each once.
    private static func external(_ service: ServiceDescription, _ port: ServiceDescription.Port, _ family: IPAddress.Family, _ node: NodeDescription) -> [External] {
        if service.externalIPs.isEmpty, service.loadBalancerIPs.isEmpty, port.nodePort == nil { return [] }
        var seen: Set<Frontend> = []
        var result: [External] = []
        func add(_ address: IPAddress, _ number: UInt16, isLoadBalancer: Bool = false) {
            let frontend = Frontend(address: address, transport: port.transport, port: number)
            if address.family == family, seen.insert(frontend).inserted { result.append(External(frontend: frontend, isLoadBalancer: isLoadBalancer)) }
        }
        // First those that are guarded: an address that is also an external IP stays guarded.
        for address in service.loadBalancerIPs { add(address, port.port, isLoadBalancer: true) }
        for address in service.externalIPs { add(address, port.port) }
        if let nodePort = port.nodePort { for address in node.addresses { add(address, nodePort) } }
        return result
    }
}

/// The elements of one port of one family, while they are gathered.
private struct Draft {
    let service: ServiceDescription
    let canonical: Frontend
    let hasAny: Bool
    let cluster: [Backend]
    let local: [Backend]
    let usesLocal: Bool
    var elements: [TableElement] = []
    var balancers: Set<Balancer> = []

    private var affinity: UInt32 { service.affinitySeconds ?? 0 }

    init(_ service: ServiceDescription, _ canonical: Frontend, _ choice: EndpointChoice, _ previous: ServicePicture?, usesLocal: Bool) {
        (self.service, self.canonical, hasAny, self.usesLocal) = (service, canonical, choice.hasAny, usesLocal)
        func arranged(_ wanted: [Backend], _ scope: Balancer.Scope) -> [Backend] {
            let list = EndpointChoice.arranged(wanted, before: previous?.lists[.init(scope: scope, canonical: canonical)] ?? [])
            return list.count > Balancer.maximum ? Array(list.prefix(Balancer.maximum)) : list
        }
        cluster = arranged(choice.cluster, .cluster)
        local = usesLocal ? arranged(choice.local, .local) : []
    }

    /// The list under a frontend's name, and how it is spread. Each frontend has a list of its own: a name that leads to a
    /// list of another name would need a value looked up as part of the next key, and nft 1.0.6 aborts when it lists that.
    private mutating func balance(_ frontend: Frontend, _ scope: Balancer.Scope) -> Balancer {
        let list = scope == .local ? local : cluster
        elements.reserveCapacity(elements.count + list.count + 4)
        if affinity > 0 {
            for (index, (backend, token)) in zip(list, Self.tokens(list)).enumerated() {
                elements.append(.choose(scope, frontend, UInt32(index), token: token))
                elements.append(.live(scope, frontend, token: token, backend))
            }
        } else {
            for (index, backend) in list.enumerated() { elements.append(.pick(scope, frontend, UInt32(index), backend)) }
        }
        let balancer = Balancer(scope: scope, count: UInt32(list.count), affinitySeconds: affinity)
        balancers.insert(balancer)
        return balancer
    }

    /// A number for each endpoint that it keeps as long as it lives, whatever its place in the list: made of its address
    /// and port (FNV-1a), the next free one where two are alike.
    private static func tokens(_ list: [Backend]) -> [UInt32] {
        var taken: Set<UInt32> = []
        return list.map { backend in
            var token = (backend.address.bytes + [UInt8(backend.port >> 8), UInt8(backend.port & 0xff)]).reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
            while !taken.insert(token).inserted { token &+= 1 }
            return token
        }
    }

    mutating func addClusterIP(_ node: NodeDescription) {
        let (scope, list) = service.internalTrafficPolicy == .local ? (Balancer.Scope.local, local) : (.cluster, cluster)
        if list.isEmpty {
            elements.append(hasAny ? .drop(canonical) : .reject(canonical))
            return
        }
        elements.append(.front(canonical, balance(canonical, scope)))
        // The ranges of cluster IPs have one rule for all; an address outside of them was given by hand.
        if !node.serviceCIDRs.contains(where: { $0.contains(canonical.address) }) { elements.append(.masquerade(canonical)) }
    }

    mutating func add(_ external: ServicePicture.External, _ node: NodeDescription) {
        let frontend = external.frontend
        if external.isLoadBalancer { addGuard(frontend, node) }
        guard hasAny else {
            elements.append(.reject(frontend))
            return
        }
        switch service.externalTrafficPolicy {
        case .cluster:
            if cluster.isEmpty { return elements.append(.reject(frontend)) }
            elements.append(.front(frontend, balance(frontend, .cluster)))
            elements.append(.masquerade(frontend))
        case .local:
            elements.append(local.isEmpty ? .drop(frontend) : .front(frontend, balance(frontend, .local)))
            if !cluster.isEmpty { elements.append(.inside(frontend, balance(frontend, .cluster))) }
            elements.append(.masqueradeOwn(frontend))
        }
    }

    private mutating func addGuard(_ frontend: Frontend, _ node: NodeDescription) {
        let ranges = service.sourceRanges.filter { $0.address.family == frontend.address.family }
        if ranges.isEmpty { return }
        elements.append(.guarded(frontend))
        var allowed = ranges
        // Where the load balancer's address is one of the node's own, the node's connections come from that very address.
        if node.addresses.contains(where: { address in ranges.contains { $0.contains(address) } }) { allowed.append(IPPrefix(host: frontend.address)) }
        for range in Self.withoutNested(allowed) { elements.append(.allowed(frontend, range)) }
    }

    /// The kernel refuses ranges that overlap; of prefixes that do, one holds the other.
    private static func withoutNested(_ prefixes: [IPPrefix]) -> [IPPrefix] {
        var result: [IPPrefix] = []
        for prefix in prefixes.sorted(by: { $0.length < $1.length }) where !result.contains(where: { $0.contains(prefix.address) }) {
            if let whole = IPPrefix(prefix.network, prefix.length) { result.append(whole) }
        }
        return result
    }
}

extension ServiceDescription {
    /// Whether a list of this node's endpoints alone is needed.
    fileprivate func usesLocal(hasExternal: Bool) -> Bool { internalTrafficPolicy == .local || hasExternal && externalTrafficPolicy == .local }
}
