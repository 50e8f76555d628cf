internal import Netlink

/// Where a translated packet goes.
struct Backend: Sendable, Hashable, Comparable {
    var address: IPAddress
    var port: UInt16
    /// Lists of thousands are compared as sets: one number is hashed instead of five.
    func hash(into hasher: inout Hasher) { address.hash(into: &hasher, with: port) }

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

    /// What decides about an endpoint, without its texts.
    private struct Candidate {
        var backend: Backend
        var isReady: Bool
        /// Still serves while it ends.
        var isLastResort: Bool
        var isHere: Bool
        var hasNodeHints: Bool
        var hasZoneHints: Bool
        var isForThisNode: Bool
        var isForThisZone: Bool

        init(_ backend: Backend, _ endpoint: EndpointSliceDescription.Endpoint, _ node: NodeDescription) {
            self.backend = backend
            isReady = endpoint.isReady
            isLastResort = endpoint.isServing && endpoint.isTerminating
            isHere = endpoint.nodeName == node.name
            (hasNodeHints, hasZoneHints) = (!endpoint.nodeHints.isEmpty, !endpoint.zoneHints.isEmpty)
            isForThisNode = hasNodeHints && endpoint.nodeHints.contains(node.name)
            isForThisZone = hasZoneHints && node.zone.map { endpoint.zoneHints.contains($0) } ?? false
        }
    }

    init(_ port: ServiceDescription.Port, _ family: IPAddress.Family, _ slices: some Sequence<EndpointSliceDescription>, _ node: NodeDescription) {
        let candidates = Self.candidates(port, family, slices, node)
        let isMeant = Self.topology(candidates)
        var (lastCluster, lastLocal): ([Backend], [Backend]) = ([], [])
        cluster.reserveCapacity(candidates.count)
        for candidate in candidates {
            if candidate.isReady, isMeant(candidate) { cluster.append(candidate.backend) }
            if candidate.isReady, candidate.isHere { local.append(candidate.backend) }
            if candidate.isLastResort { lastCluster.append(candidate.backend) }
            if candidate.isLastResort, candidate.isHere { lastLocal.append(candidate.backend) }
            if candidate.isHere || node.podCIDRs.contains(where: { $0.contains(candidate.backend.address) }) { addressesHere.insert(candidate.backend.address) }
        }
        if cluster.isEmpty { cluster = lastCluster }
        if local.isEmpty { local = lastLocal }
        hasAny = !cluster.isEmpty || !local.isEmpty
    }

    private static func candidates(
        _ port: ServiceDescription.Port, _ family: IPAddress.Family, _ slices: some Sequence<EndpointSliceDescription>, _ node: NodeDescription
    ) -> [Candidate] {
        var candidates: [Candidate] = []
        var known: [Backend: Int] = [:]
        for slice in slices {
            for slicePort in slice.ports where slicePort.name == port.name && slicePort.transport == port.transport {
                candidates.reserveCapacity(candidates.count + slice.endpoints.count)
                known.reserveCapacity(known.count + slice.endpoints.count)
                for endpoint in slice.endpoints where endpoint.address.family == family {
                    let backend = Backend(address: endpoint.address, port: slicePort.port)
                    guard let index = known.updateValue(candidates.count, forKey: backend) else {
                        candidates.append(Candidate(backend, endpoint, node))
                        continue
                    }
                    known[backend] = index
                    // While an endpoint moves from one slice to another both may have it: the better news counts.
                    if endpoint.isReady, !candidates[index].isReady { candidates[index] = Candidate(backend, endpoint, node) }
                }
            }
        }
        return candidates
    }

    /// Hints are followed when every ready endpoint has one and one of them is for this node (KEP-4444, KEP-2433).
    private static func topology(_ candidates: [Candidate]) -> (Candidate) -> Bool {
        var (allHaveNodes, allHaveZones, forThisNode, forThisZone) = (true, true, false, false)
        for candidate in candidates where candidate.isReady {
            allHaveNodes = allHaveNodes && candidate.hasNodeHints
            allHaveZones = allHaveZones && candidate.hasZoneHints
            forThisNode = forThisNode || candidate.isForThisNode
            forThisZone = forThisZone || candidate.isForThisZone
        }
        if allHaveNodes, forThisNode { return { $0.isForThisNode } }
        if allHaveZones, forThisZone { return { $0.isForThisZone } }
        return { _ in true }
    }

    /// The same endpoints in an order that keeps what stays in its place: a new one takes the place of one that went, or
    /// comes last; a hole that is left is filled by the last. So a change of one endpoint is a change of one or two elements.
    static func arranged(_ wanted: [Backend], before: [Backend]) -> [Backend] {
        if before.isEmpty { return wanted.sorted() }
        // Nothing new, or new ones at the end, as the controllers write them.
        if before.count <= wanted.count, wanted.starts(with: before) { return before + wanted[before.count...].sorted() }
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

extension IPAddress {
    /// With a port, as few numbers as it takes.
    func hash(into hasher: inout Hasher, with port: UInt16) {
        switch self {
        case .v4(let value): hasher.combine(UInt64(value) << 16 | UInt64(port))
        case .v6(let high, let low):
            hasher.combine(high)
            hasher.combine(low)
            hasher.combine(port)
        }
    }
}
