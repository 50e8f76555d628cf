internal import Netlink

/// Where a translated packet goes.
struct Backend: Sendable, Hashable, Comparable {
    var address: IPAddress
    var port: UInt16
    static func < (left: Backend, right: Backend) -> Bool { left.address == right.address ? left.port < right.port : left.address < right.address }
}

/// Which endpoints of a Service's port get traffic. Pure; the rules are those of upstream's `CategorizeEndpoints`.
struct EndpointChoice: Hashable {
    /// For the Cluster policy: those that are ready and meant for this node; if no endpoint is ready, those that still
    /// serve while they end.
    var cluster: [Backend] = []
    /// For the Local policy: the same among this node's own endpoints.
    var local: [Backend] = []
    /// Somewhere there is an endpoint: without a local one packets are dropped, not rejected.
    var hasAny = false
    /// Addresses of this node's endpoints: those that could be their own clients.
    var addressesHere: Set<IPAddress> = []

    private typealias Endpoint = EndpointSliceDescription.Endpoint

    init(_ port: ServiceDescription.Port, _ family: IPAddress.Family, _ slices: some Sequence<EndpointSliceDescription>, _ node: NodeDescription) {
        var candidates: [(backend: Backend, endpoint: Endpoint)] = []
        var known: [Backend: Int] = [:]
        for slice in slices {
            for slicePort in slice.ports where slicePort.name == port.name && slicePort.transport == port.transport {
                for endpoint in slice.endpoints where endpoint.address.family == family {
                    let backend = Backend(address: endpoint.address, port: slicePort.port)
                    guard let index = known[backend] else {
                        known[backend] = candidates.count
                        candidates.append((backend, endpoint))
                        continue
                    }
                    // While an endpoint moves from one slice to another both may have it: the better news counts.
                    if endpoint.isReady, !candidates[index].endpoint.isReady { candidates[index].endpoint = endpoint }
                }
            }
        }
        let isMeant = Self.topology(candidates.lazy.map(\.endpoint).filter(\.isReady), node)
        cluster = candidates.filter { $0.endpoint.isReady && isMeant($0.endpoint) }.map(\.backend)
        if cluster.isEmpty { cluster = candidates.filter { $0.endpoint.isServing && $0.endpoint.isTerminating }.map(\.backend) }
        let here = candidates.filter { $0.endpoint.isLocal(to: node) }
        local = here.filter(\.endpoint.isReady).map(\.backend)
        if local.isEmpty { local = here.filter { $0.endpoint.isServing && $0.endpoint.isTerminating }.map(\.backend) }
        hasAny = !cluster.isEmpty || !local.isEmpty
        for (backend, endpoint) in candidates where endpoint.isLocal(to: node) || node.podCIDRs.contains(where: { $0.contains(backend.address) }) {
            addressesHere.insert(backend.address)
        }
    }

    /// Hints are followed when every ready endpoint has one and one of them is for this node (KEP-4444, KEP-2433).
    private static func topology(_ ready: some Sequence<Endpoint>, _ node: NodeDescription) -> (Endpoint) -> Bool {
        var (allHaveNodes, allHaveZones, forThisNode, forThisZone) = (true, true, false, false)
        for endpoint in ready {
            if endpoint.nodeHints.isEmpty { allHaveNodes = false }
            if endpoint.zoneHints.isEmpty { allHaveZones = false }
            forThisNode = forThisNode || endpoint.nodeHints.contains(node.name)
            if let zone = node.zone { forThisZone = forThisZone || endpoint.zoneHints.contains(zone) }
        }
        if allHaveNodes, forThisNode { return { $0.nodeHints.contains(node.name) } }
        if allHaveZones, forThisZone, let zone = node.zone { return { $0.zoneHints.contains(zone) } }
        return { _ in true }
    }

    /// The same endpoints in an order that keeps what stays in its place: a new one takes the place of one that went, or
    /// comes last; a hole that is left is filled by the last. So a change of one endpoint is a change of one or two elements.
    static func arranged(_ wanted: [Backend], before: [Backend]) -> [Backend] {
        if before.isEmpty { return wanted.sorted() }
        if before == wanted { return before }
        let wantedSet = Set(wanted)
        var places: [Backend?] = before.map { wantedSet.contains($0) ? $0 : nil }
        let old = Set(before)
        var new = wanted.filter { !old.contains($0) }.sorted()[...]
        for index in places.indices where places[index] == nil { places[index] = new.popFirst() }
        places += new.map(Optional.some)
        var result = places
        var index = 0
        while index < result.count {
            if result[index] == nil {
                // The last that is there moves into the hole.
                while let last = result.last, last == nil { result.removeLast() }
                if index < result.count { result.swapAt(index, result.count - 1) }
            }
            index += 1
        }
        return result.compactMap { $0 }
    }
}

extension EndpointSliceDescription.Endpoint {
    func isLocal(to node: NodeDescription) -> Bool { nodeName == node.name }
}
