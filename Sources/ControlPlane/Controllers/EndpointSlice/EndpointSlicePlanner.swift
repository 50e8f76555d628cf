import KubeAPI
import KubeTypes

/// Which slices a Service needs, and the fewest writes that lead there. Pure.
struct EndpointSlicePlanner {
    /// KEP-752: small slices, so that one pod's change is a small message.
    static let maximum = 100
    static let manager = "endpointslice-controller.k8s.io"
    static let serviceLabel = "kubernetes.io/service-name"
    static let managerLabel = "endpointslice.kubernetes.io/managed-by"
    static let headlessLabel = "service.kubernetes.io/headless"

    struct Plan {
        var creations: [EndpointSlice] = []
        /// The slice as it was seen, and as it should be.
        var updates: [(old: EndpointSlice, new: EndpointSlice)] = []
        var deletions: [EndpointSlice] = []
        var isEmpty: Bool { creations.isEmpty && updates.isEmpty && deletions.isEmpty }
    }

    private let service: Service
    private let labels: [String: String]
    private var plan = Plan()

    /// - Parameters:
    ///   - pods: those that the Service selects.
    ///   - zones: by node.
    ///   - slices: those that this controller manages for the Service.
    static func plan(_ service: Service, pods: [Pod], zones: [String: String], slices: [EndpointSlice]) -> Plan {
        var planner = EndpointSlicePlanner(service)
        let families = service.families
        planner.plan.deletions = slices.filter { !families.contains($0.addressType) || $0.metadata.controller?.uid != service.uid }
        let deleted = Set(planner.plan.deletions.map(\.uid))
        for family in families {
            planner.reconcile(
                family, planner.endpoints(pods, family, zones), slices.filter { $0.addressType == family && !deleted.contains($0.uid) })
        }
        return planner.plan
    }

    private init(_ service: Service) {
        self.service = service
        var labels = service.metadata.labels
        labels[Self.headlessLabel] = service.isHeadless ? "" : nil
        labels[Self.serviceLabel] = service.name
        labels[Self.managerLabel] = Self.manager
        self.labels = labels
    }

    // MARK: endpoints

    private typealias Group = (ports: [ServicePod.Port], endpoints: [Endpoint])

    /// The endpoints by their ports: a slice has one set of ports, and named ports differ from pod to pod.
    private func endpoints(_ pods: [Pod], _ family: String, _ zones: [String: String]) -> [Group] {
        var groups: [[ServicePod.Port]: [Endpoint]] = [:]
        for pod in pods where ServicePod.isEndpoint(pod) {
            let addresses = ServicePod.addresses(pod).filter { ServicePod.family($0) == family }
            guard !addresses.isEmpty else { continue }
            groups[ServicePod.ports(pod, service), default: []].append(endpoint(pod, addresses, zones))
        }
        return groups.map { ($0.key, $0.value.sorted { Self.identity($0) < Self.identity($1) }) }.sorted { $0.ports.lexicographicallyPrecedes($1.ports) }
    }

    /// A pod on its way out is not ready from the first moment, whatever its probes say, but goes on serving what it has: by
    /// this order of events a rolling update fails no request.
    private func endpoint(_ pod: Pod, _ addresses: [String], _ zones: [String: String]) -> Endpoint {
        let isTerminating = pod.metadata.deletionTimestamp != nil
        let isServing = pod.isReady
        return Endpoint(with: {
            $0.addresses = addresses
            $0.conditions = EndpointConditions(
                ready: service.spec.publishNotReadyAddresses == true || (isServing && !isTerminating), serving: isServing,
                terminating: isTerminating)
            $0.hostname = ServicePod.hostname(pod, service)
            $0.nodeName = pod.spec.nodeName
            $0.targetRef = ServicePod.reference(pod)
            $0.zone = pod.spec.nodeName.flatMap { zones[$0] }
        })
    }

    private static func identity(_ endpoint: Endpoint) -> String {
        "\(endpoint.targetRef?.name ?? "") \(endpoint.targetRef?.uid ?? "") \(endpoint.addresses.first ?? "")"
    }

    // MARK: slices

    private mutating func reconcile(_ family: String, _ groups: [Group], _ slices: [EndpointSlice]) {
        var byPorts: [[ServicePod.Port]: [EndpointSlice]] = [:]
        for slice in slices { byPorts[Self.ports(slice), default: []].append(slice) }
        var creations: [EndpointSlice] = []
        var updates: [(old: EndpointSlice, new: EndpointSlice)] = []
        var deletions: [EndpointSlice] = []
        for group in groups {
            let part = distribute(group, family, byPorts.removeValue(forKey: group.ports) ?? [])
            creations += part.creations
            updates += part.updates
            deletions += part.deletions
        }
        deletions += byPorts.values.joined().sorted { $0.name < $1.name }
        if deletions.count == slices.count, creations.isEmpty {
            // A Service without endpoints has one empty slice, so that its readers know that there are none.
            let placeholder = slice(family, [], [])
            if let kept = deletions.firstIndex(where: { $0.endpoints.isEmpty && $0.ports.isEmpty }) {
                let old = deletions.remove(at: kept)
                if old.metadata.labels != labels { updates.append((old, changed(old, []))) }
            } else {
                creations.append(placeholder)
            }
        }
        plan.creations += creations
        plan.updates += updates
        plan.deletions += deletions
    }

    private func distribute(_ group: Group, _ family: String, _ slices: [EndpointSlice]) -> Plan {
        var plan = Plan()
        var missing = Dictionary(group.endpoints.map { (Self.identity($0), $0) }, uniquingKeysWith: { first, _ in first })
        var order = group.endpoints.map(Self.identity)
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
        order.removeAll { missing[$0] == nil }
        var rest = order.compactMap { missing[$0] }[...]
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
            $0.metadata.generateName = service.name + "-"
            $0.metadata.namespace = service.namespace
            $0.metadata.labels = labels
            $0.metadata.ownerReferences = [OwnerReference(controller: service, of: Service.resource)]
            $0.addressType = family
            $0.endpoints = endpoints
            $0.ports = ports.map {
                DiscoveryEndpointPort(appProtocol: $0.application, name: $0.name, port: $0.number, protocol: $0.transport)
            }
        })
    }
}
