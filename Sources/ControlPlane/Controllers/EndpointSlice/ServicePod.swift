import KubeAPI
import KubeTypes

/// A pod as a Service sees it. Pure; shared by EndpointSlices and Endpoints.
enum ServicePod {
    /// Whether traffic may ever go to the pod: it has an address and has not ended.
    static func isEndpoint(_ pod: Pod) -> Bool { !pod.hasEnded && !addresses(pod).isEmpty }

    static func addresses(_ pod: Pod) -> [String] {
        let all = pod.status.podIPs.map(\.ip).filter { !$0.isEmpty }
        return all.isEmpty ? [pod.status.podIP].compactMap { $0 }.filter { !$0.isEmpty } : all
    }

    static func family(_ address: String) -> String { address.contains(":") ? "IPv6" : "IPv4" }

    /// The name that a headless Service's DNS gives the pod alone.
    static func hostname(_ pod: Pod, _ service: Service) -> String? {
        guard let hostname = pod.spec.hostname, !hostname.isEmpty, pod.spec.subdomain == service.name, pod.namespace == service.namespace
        else { return nil }
        return hostname
    }

    static func reference(_ pod: Pod) -> ObjectReference {
        ObjectReference(with: {
            $0.kind = "Pod"
            $0.namespace = pod.namespace
            $0.name = pod.name
            $0.uid = pod.uid
        })
    }

    /// A port that a Service sends to, on one pod.
    struct Port: Hashable, Sendable, Comparable {
        /// Empty if the Service's only port has no name.
        var name: String
        var number: Int
        var transport: String
        var application: String?

        static func < (left: Port, right: Port) -> Bool {
            (left.name, left.number, left.transport) < (right.name, right.number, right.transport)
        }
    }

    /// The ports of the Service that this pod has.
    static func ports(_ pod: Pod, _ service: Service) -> [Port] {
        service.spec.ports.compactMap { port in
            let transport = port.protocol ?? "TCP"
            guard let number = number(port, transport, pod) else { return nil }
            return Port(name: port.name ?? "", number: number, transport: transport, application: port.appProtocol)
        }.sorted()
    }

    /// A named port is looked up in the pod, so one Service may reach another number in every pod.
    private static func number(_ port: ServicePort, _ transport: String, _ pod: Pod) -> Int? {
        switch port.targetPort {
        case nil, .int(0)?: return port.port
        case .int(let number)?: return number
        case .string(let name)?:
            let sidecars = pod.spec.initContainers.filter { $0.restartPolicy == "Always" }
            for container in pod.spec.containers + sidecars {
                for candidate in container.ports where candidate.name == name && candidate.protocol ?? "TCP" == transport {
                    return candidate.containerPort
                }
            }
            return nil
        }
    }

    /// What of a pod's changes endpoints depend on.
    struct Facts: Equatable {
        let labels: [String: String]
        let addresses: [String]
        let isReady: Bool
        let isTerminating: Bool
        let hasEnded: Bool
        let node: String?

        init(_ pod: Pod) {
            labels = pod.metadata.labels
            addresses = ServicePod.addresses(pod)
            isReady = pod.isReady
            isTerminating = pod.metadata.deletionTimestamp != nil
            hasEnded = pod.hasEnded
            node = pod.spec.nodeName
        }
    }
}

extension Service {
    /// A Service whose endpoints are ours to keep: others keep those of a Service without a selector.
    var selectsPods: Bool { !spec.selector.isEmpty && spec.type != "ExternalName" }
    var isHeadless: Bool { spec.clusterIP == "None" }
    var requirements: LabelRequirements { LabelRequirements(matching: spec.selector) }

    /// The address families in which the Service has endpoints.
    var families: [String] {
        if !spec.ipFamilies.isEmpty { return spec.ipFamilies }
        guard let address = spec.clusterIP, address != "None", !address.isEmpty else { return ["IPv4"] }
        return [ServicePod.family(address)]
    }
}
