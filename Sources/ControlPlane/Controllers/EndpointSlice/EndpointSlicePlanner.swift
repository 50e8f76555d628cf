import KubeAPI
import KubeTypes

/// Which slices a Service that selects pods needs. Pure.
enum EndpointSlicePlanner {
    static let manager = "endpointslice-controller.k8s.io"
    static let headlessLabel = "service.kubernetes.io/headless"

    /// - Parameters:
    ///   - pods: those that the Service selects.
    ///   - zones: by node.
    ///   - slices: those that this controller manages for the Service.
    static func plan(_ service: Service, pods: [Pod], zones: [String: String], slices: [EndpointSlice]) -> EndpointSliceDistribution.Plan {
        var labels = service.metadata.labels
        labels[headlessLabel] = service.isHeadless ? "" : nil
        labels[EndpointSliceDistribution.serviceLabel] = service.name
        labels[EndpointSliceDistribution.managerLabel] = manager
        let distribution = EndpointSliceDistribution(
            name: service.name, namespace: service.namespace, owner: OwnerReference(controller: service, of: Service.resource), labels: labels,
            keepsEmpty: true)
        return distribution.plan(service.families.map { ($0, groups(service, pods, $0, zones)) }, slices: slices)
    }

    /// The endpoints by their ports: named ports differ from pod to pod.
    private static func groups(_ service: Service, _ pods: [Pod], _ family: String, _ zones: [String: String]) -> [EndpointGroup] {
        var groups: [[ServicePod.Port]: [Endpoint]] = [:]
        for pod in pods where ServicePod.isEndpoint(pod) {
            let addresses = ServicePod.addresses(pod).filter { ServicePod.family($0) == family }
            guard !addresses.isEmpty else { continue }
            groups[ServicePod.ports(pod, service), default: []].append(endpoint(service, pod, addresses, zones))
        }
        return groups.map { ports, endpoints in
            EndpointGroup(ports: ports, endpoints: endpoints.sorted { EndpointSliceDistribution.identity($0) < EndpointSliceDistribution.identity($1) })
        }.sorted { $0.ports.lexicographicallyPrecedes($1.ports) }
    }

    /// A pod on its way out is not ready from the first moment, whatever its probes say, but goes on serving what it has: by
    /// this order of events a rolling update fails no request.
    private static func endpoint(_ service: Service, _ pod: Pod, _ addresses: [String], _ zones: [String: String]) -> Endpoint {
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
}
