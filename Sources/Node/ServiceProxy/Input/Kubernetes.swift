internal import KubeAPI
public import KubeTypes
internal import Netlink

/// From the API's types to what the proxy needs. What cannot be read is left out: the API server has validated it, and one
/// odd field must not take a Service away.
extension ServiceDescription {
    /// - Returns: nil for Services that another proxy is responsible for (label `service.kubernetes.io/service-proxy-name`).
    public init?(_ service: Service) {
        if service.metadata.labels["service.kubernetes.io/service-proxy-name"] != nil { return nil }
        let spec = service.spec
        let isExternalName = spec.type == "ExternalName"
        let clusterIPs = spec.clusterIPs.isEmpty ? [spec.clusterIP ?? ""] : spec.clusterIPs
        self.init(
            ObjectName(service.namespace, service.name), created: service.metadata.creationTimestamp?.seconds ?? 0,
            // "None" is no address: headless.
            clusterIPs: isExternalName ? [] : clusterIPs.compactMap { IPAddress($0) },
            ports: spec.ports.compactMap { Port($0) }, externalIPs: spec.externalIPs.compactMap { IPAddress($0) },
            loadBalancerIPs: spec.type == "LoadBalancer" ? Self.loadBalancerIPs(service.status) : [],
            sourceRanges: spec.loadBalancerSourceRanges.compactMap { range in IPPrefix(String(range.filter { !$0.isWhitespace })) },
            internalTrafficPolicy: spec.internalTrafficPolicy == "Local" ? .local : .cluster,
            externalTrafficPolicy: spec.externalTrafficPolicy == "Local" ? .local : .cluster,
            affinitySeconds: spec.sessionAffinity == "ClientIP" ? UInt32(clamping: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800) : nil)
    }

    /// `ipMode: Proxy` means that the load balancer does not keep its address as the destination (KEP-1860).
    private static func loadBalancerIPs(_ status: ServiceStatus) -> [IPAddress] {
        (status.loadBalancer?.ingress ?? []).filter { $0.ipMode ?? "VIP" == "VIP" }.compactMap { IPAddress($0.ip ?? "") }
    }
}

extension ServiceDescription.Port {
    init?(_ port: ServicePort) {
        guard let transport = TransportProtocol(name: port.protocol), let number = UInt16(exactly: port.port), number > 0 else { return nil }
        self.init(name: port.name ?? "", transport, number, nodePort: port.nodePort.flatMap { UInt16(exactly: $0) }.flatMap { $0 == 0 ? nil : $0 })
    }
}

extension EndpointSliceDescription {
    /// - Returns: nil for slices of no Service, of headless Services, of another proxy's, and of names instead of addresses.
    public init?(_ slice: EndpointSlice) {
        let labels = slice.metadata.labels
        guard let service = labels["kubernetes.io/service-name"], !service.isEmpty, slice.addressType != "FQDN",
            labels["service.kubernetes.io/service-proxy-name"] == nil, labels["service.kubernetes.io/headless"] == nil
        else { return nil }
        self.init(
            ObjectName(slice.namespace, slice.name), service: service,
            // A port without a number means every port, which no Service port can mean.
            ports: slice.ports.compactMap { port in
                guard let transport = TransportProtocol(name: port.protocol), let number = port.port.flatMap({ UInt16(exactly: $0) }), number > 0 else { return nil }
                return Port(name: port.name ?? "", transport, number)
            },
            endpoints: slice.endpoints.compactMap { Endpoint($0) })
    }
}

extension EndpointSliceDescription.Endpoint {
    /// Of the addresses the first counts: the others are the same endpoint's.
    init?(_ endpoint: KubeTypes.Endpoint) {
        guard let address = endpoint.addresses.first.flatMap({ IPAddress($0) }) else { return nil }
        // Not told means ready; serving is what ready is unless told.
        let isReady = endpoint.conditions?.ready ?? true
        self.init(
            address, isReady: isReady, isServing: endpoint.conditions?.serving ?? isReady, isTerminating: endpoint.conditions?.terminating ?? false,
            nodeName: endpoint.nodeName, zoneHints: (endpoint.hints?.forZones ?? []).map(\.name), nodeHints: (endpoint.hints?.forNodes ?? []).map(\.name))
    }
}

extension TransportProtocol {
    /// The API's name; TCP if there is none.
    fileprivate init?(name: String?) {
        switch name {
        case nil, "", "TCP"?: self = .tcp
        case "UDP"?: self = .udp
        case "SCTP"?: self = .sctp
        default: return nil
        }
    }
}
