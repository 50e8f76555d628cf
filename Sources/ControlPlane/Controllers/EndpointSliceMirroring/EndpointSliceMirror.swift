import KubeTypes

/// The slices that say what an Endpoints object says which somebody made by hand, for a Service without a selector: the proxy
/// and DNS read slices alone. Pure.
enum EndpointSliceMirror {
    static let manager = "endpointslicemirroring-controller.k8s.io"
    static let skipLabel = "endpointslice.kubernetes.io/skip-mirror"
    /// An Endpoints object that an election once used is none.
    private static let leader = "control-plane.alpha.kubernetes.io/leader"

    static func isMirrored(_ endpoints: Endpoints, _ service: Service) -> Bool {
        service.spec.selector.isEmpty && endpoints.metadata.deletionTimestamp == nil && endpoints.metadata.labels[skipLabel] != "true"
            && endpoints.metadata.labels[EndpointsPlanner.managerLabel] != EndpointsPlanner.manager && endpoints.metadata.annotations[leader] == nil
    }

    /// - Parameter slices: those that the mirror keeps for the Service.
    static func plan(_ endpoints: Endpoints, slices: [EndpointSlice]) -> EndpointSliceDistribution.Plan {
        var labels = endpoints.metadata.labels
        labels[EndpointSliceDistribution.serviceLabel] = endpoints.name
        labels[EndpointSliceDistribution.managerLabel] = manager
        let distribution = EndpointSliceDistribution(
            name: endpoints.name, namespace: endpoints.namespace, owner: OwnerReference(controller: endpoints, of: Endpoints.resource),
            labels: labels, keepsEmpty: false)
        return distribution.plan(["IPv4", "IPv6"].map { ($0, groups(endpoints, $0)) }, slices: slices)
    }

    private static func groups(_ object: Endpoints, _ family: String) -> [EndpointGroup] {
        var groups: [[ServicePod.Port]: [Endpoint]] = [:]
        for subset in object.subsets {
            let ports = subset.ports.map {
                ServicePod.Port(name: $0.name ?? "", number: $0.port, transport: $0.protocol ?? "TCP", application: $0.appProtocol)
            }.sorted()
            let all = subset.addresses.map { ($0, true) } + subset.notReadyAddresses.map { ($0, false) }
            let found = all.filter { ServicePod.family($0.0.ip) == family }.map { endpoint($0.0, isReady: $0.1) }
            if !found.isEmpty { groups[ports, default: []] += found }
        }
        return groups.map { EndpointGroup(ports: $0.key, endpoints: $0.value) }.sorted { $0.ports.lexicographicallyPrecedes($1.ports) }
    }

    private static func endpoint(_ address: EndpointAddress, isReady: Bool) -> Endpoint {
        Endpoint(with: {
            $0.addresses = [address.ip]
            $0.conditions = EndpointConditions(ready: isReady)
            $0.hostname = address.hostname
            $0.nodeName = address.nodeName
            $0.targetRef = address.targetRef
        })
    }
}
