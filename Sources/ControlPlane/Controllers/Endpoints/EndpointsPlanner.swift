import KubeAPI
import KubeTypes

/// The Endpoints object of a Service, for clients that do not know EndpointSlices. Pure.
enum EndpointsPlanner {
    /// How many addresses an Endpoints object has at most.
    static let maximum = 1000
    static let overCapacity = "endpoints.kubernetes.io/over-capacity"
    static let managerLabel = "endpoints.kubernetes.io/managed-by"
    static let manager = "endpoint-controller"

    /// - Parameters:
    ///   - pods: those that the Service selects.
    ///   - old: the object as it is, whose annotations stay.
    static func endpoints(_ service: Service, pods: [Pod], old: Endpoints?) -> Endpoints {
        var places = addresses(service, pods)
        let isTruncated = places.count > maximum
        // Those that are ready have precedence.
        if isTruncated { places = Array((places.filter(\.isReady) + places.filter { !$0.isReady }).prefix(maximum)) }
        return Endpoints(with: {
            $0.metadata = old?.metadata ?? ObjectMeta(with: {
                $0.name = service.name
                $0.namespace = service.namespace
            })
            $0.metadata.annotations[overCapacity] = isTruncated ? "truncated" : nil
            $0.metadata.labels = service.metadata.labels
            $0.metadata.labels[EndpointSlicePlanner.headlessLabel] = service.isHeadless ? "" : nil
            $0.metadata.labels[managerLabel] = manager
            $0.subsets = subsets(places)
        })
    }

    /// One pod's address, and the ports it can be reached at.
    private struct Place {
        let address: EndpointAddress
        let isReady: Bool
        let ports: [ServicePod.Port]
        var key: String { "\(address.ip) \(address.targetRef?.uid ?? "")" }
    }

    private static func addresses(_ service: Service, _ pods: [Pod]) -> [Place] {
        let tolerates = service.spec.publishNotReadyAddresses == true
        let family = service.families.first ?? "IPv4"
        return pods.compactMap { pod in
            // A pod on its way out is no endpoint here, since this kind cannot say what it is.
            guard ServicePod.isEndpoint(pod), tolerates || pod.metadata.deletionTimestamp == nil,
                let ip = ServicePod.addresses(pod).first(where: { ServicePod.family($0) == family })
            else { return nil }
            let ports = ServicePod.ports(pod, service)
            // Only a headless Service may have no ports at all.
            guard !ports.isEmpty || (service.isHeadless && service.spec.ports.isEmpty) else { return nil }
            let address = EndpointAddress(
                hostname: ServicePod.hostname(pod, service), ip: ip, nodeName: pod.spec.nodeName, targetRef: ServicePod.reference(pod))
            return Place(address: address, isReady: tolerates || pod.isReady, ports: ports)
        }.sorted { $0.key < $1.key }
    }

    /// Ports that are found at the same addresses share a subset.
    private static func subsets(_ places: [Place]) -> [EndpointSubset] {
        var membersOfPort: [ServicePod.Port?: [Int]] = [:]
        for (index, place) in places.enumerated() {
            for port in place.ports { membersOfPort[port, default: []].append(index) }
            if place.ports.isEmpty { membersOfPort[.none, default: []].append(index) }
        }
        var portsOfMembers: [[Int]: [ServicePod.Port]] = [:]
        for (port, members) in membersOfPort { portsOfMembers[members, default: []] += port.map { [$0] } ?? [] }
        let sorted = portsOfMembers.map { (ports: $0.value.sorted(), members: $0.key) }.sorted { left, right in
            left.ports == right.ports ? left.members.lexicographicallyPrecedes(right.members) : left.ports.lexicographicallyPrecedes(right.ports)
        }
        return sorted.map { ports, members in
            EndpointSubset(
                addresses: members.map { places[$0] }.filter(\.isReady).map(\.address),
                notReadyAddresses: members.map { places[$0] }.filter { !$0.isReady }.map(\.address),
                ports: ports.map { EndpointPort(appProtocol: $0.application, name: $0.name.isEmpty ? nil : $0.name, port: $0.number, protocol: $0.transport) })
        }
    }
}
