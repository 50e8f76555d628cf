import KubeAPI
import KubeTypes

/// Endpoints with the ports that all of them have: a slice has one set of ports.
struct EndpointGroup {
    var ports: [ServicePod.Port]
    var endpoints: [Endpoint]
}

/// Spreads endpoints over slices with the fewest writes. Pure.
struct EndpointSliceDistribution {
    /// KEP-752: small slices, so that one pod's change is a small message.
    static let maximum = 100
    static let serviceLabel = "kubernetes.io/service-name"
    static let managerLabel = "endpointslice.kubernetes.io/managed-by"

    struct Plan {
        var creations: [EndpointSlice] = []
        /// The slice as it was seen, and as it should be.
        var updates: [(old: EndpointSlice, new: EndpointSlice)] = []
        var deletions: [EndpointSlice] = []
        var isEmpty: Bool { creations.isEmpty && updates.isEmpty && deletions.isEmpty }
    }

    /// The base of the slices' names: the Service's.
    let name: String
    let namespace: String
    let owner: OwnerReference
    let labels: [String: String]
    /// Whether there is one empty slice when there are no endpoints, so that readers know that there are none.
    let keepsEmpty: Bool

    /// - Parameters:
    ///   - groups: what there should be, by address family; slices of other families go.
    ///   - slices: those that this manager keeps for the Service.
    func plan(_ groups: [(family: String, groups: [EndpointGroup])], slices: [EndpointSlice]) -> Plan {
        var plan = Plan()
        let families = groups.map(\.family)
        plan.deletions = slices.filter { !families.contains($0.addressType) || $0.metadata.controller?.uid != owner.uid }
        let deleted = Set(plan.deletions.map(\.uid))
        for (family, groups) in groups {
            let part = reconcile(family, groups, slices.filter { $0.addressType == family && !deleted.contains($0.uid) })
            plan.creations += part.creations
            plan.updates += part.updates
            plan.deletions += part.deletions
        }
        return plan
    }

    static func identity(_ endpoint: Endpoint) -> String {
        "\(endpoint.targetRef?.name ?? "") \(endpoint.targetRef?.uid ?? "") \(endpoint.addresses.first ?? "")"
    }

    private func reconcile(_ family: String, _ groups: [EndpointGroup], _ slices: [EndpointSlice]) -> Plan {
        var byPorts: [[ServicePod.Port]: [EndpointSlice]] = [:]
        for slice in slices { byPorts[Self.ports(slice), default: []].append(slice) }
        var plan = Plan()
        for group in groups {
            let part = distribute(group, family, byPorts.removeValue(forKey: group.ports) ?? [])
            plan.creations += part.creations
            plan.updates += part.updates
            plan.deletions += part.deletions
        }
        plan.deletions += byPorts.values.joined().sorted { $0.name < $1.name }
        guard keepsEmpty, plan.deletions.count == slices.count, plan.creations.isEmpty else { return plan }
        if let kept = plan.deletions.firstIndex(where: { $0.endpoints.isEmpty && $0.ports.isEmpty }) {
            let old = plan.deletions.remove(at: kept)
            if old.metadata.labels != labels { plan.updates.append((old, changed(old, []))) }
        } else {
            plan.creations.append(slice(family, [], []))
        }
        return plan
    }

    private func distribute(_ group: EndpointGroup, _ family: String, _ slices: [EndpointSlice]) -> Plan {
        var plan = Plan()
        var missing = Dictionary(group.endpoints.map { (Self.identity($0), $0) }, uniquingKeysWith: { first, _ in first })
        var changed: [(old: EndpointSlice, endpoints: [Endpoint])] = []
        var unchanged: [EndpointSlice] = []
        for slice in slices.sorted(by: { $0.name < $1.name }) {
            let kept = slice.endpoints.compactMap { missing.removeValue(forKey: Self.identity($0)) }
            if kept.isEmpty {
                plan.deletions.append(slice)
            } else if kept != slice.endpoints || slice.metadata.labels != labels {
                changed.append((slice, kept))
            } else {
                unchanged.append(slice)
            }
        }
        var rest = group.endpoints.compactMap { missing.removeValue(forKey: Self.identity($0)) }[...]
        func fill(_ endpoints: inout [Endpoint]) {
            let taken = rest.prefix(max(0, Self.maximum - endpoints.count))
            endpoints += taken
            rest = rest.dropFirst(taken.count)
        }
        // First into slices that are written anyway, then all into one that has room, then into new ones.
        for index in changed.indices { fill(&changed[index].endpoints) }
        let fitting = unchanged.filter { $0.endpoints.count + rest.count <= Self.maximum }.max { $0.endpoints.count < $1.endpoints.count }
        if !rest.isEmpty, let fitting {
            changed.append((fitting, fitting.endpoints + rest))
            rest = []
        }
        // A slice that would be deleted is taken for new endpoints instead: one write, not two.
        while !rest.isEmpty, !plan.deletions.isEmpty {
            let old = plan.deletions.removeFirst()
            var endpoints: [Endpoint] = []
            fill(&endpoints)
            changed.append((old, endpoints))
        }
        while !rest.isEmpty {
            var endpoints: [Endpoint] = []
            fill(&endpoints)
            plan.creations.append(slice(family, group.ports, endpoints))
        }
        plan.updates = changed.map { ($0.old, self.changed($0.old, $0.endpoints)) }
        return plan
    }

    private static func ports(_ slice: EndpointSlice) -> [ServicePod.Port] {
        slice.ports.map {
            ServicePod.Port(name: $0.name ?? "", number: $0.port ?? 0, transport: $0.protocol ?? "TCP", application: $0.appProtocol)
        }.sorted()
    }

    private func changed(_ slice: EndpointSlice, _ endpoints: [Endpoint]) -> EndpointSlice {
        var slice = slice
        slice.endpoints = endpoints
        slice.metadata.labels = labels
        return slice
    }

    private func slice(_ family: String, _ ports: [ServicePod.Port], _ endpoints: [Endpoint]) -> EndpointSlice {
        EndpointSlice(with: {
            $0.metadata.generateName = name + "-"
            $0.metadata.namespace = namespace
            $0.metadata.labels = labels
            $0.metadata.ownerReferences = [owner]
            $0.addressType = family
            $0.endpoints = endpoints
            $0.ports = ports.map {
                DiscoveryEndpointPort(appProtocol: $0.application, name: $0.name, port: $0.number, protocol: $0.transport)
            }
        })
    }
}
