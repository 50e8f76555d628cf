internal import KubeTypes

extension ServiceRecord {
    init(_ service: Service) {
        let spec = service.spec
        key = ObjectKey(namespace: service.namespace, name: service.name)
        publishesNotReady = spec.publishNotReadyAddresses ?? false
        ports = spec.ports.compactMap { port in
            UInt16(exactly: port.port).map { NamedPort(name: (port.name ?? "").lowercased(), transport: (port.protocol ?? "TCP").lowercased(), number: $0) }
        }
        if spec.type == "ExternalName" {
            // A name that is none cannot be pointed to: the Service has no names then.
            kind = spec.externalName.flatMap { DNSName($0) }.map { .external($0) } ?? .headless
        } else {
            let addresses = (spec.clusterIPs.isEmpty ? [spec.clusterIP ?? ""] : spec.clusterIPs).compactMap { IPBytes.parse($0) }
            kind = addresses.isEmpty ? .headless : .clusterIP(addresses)
        }
    }
}

extension SliceRecord {
    /// `nil` for a slice that belongs to no Service, or whose endpoints have names instead of addresses.
    init?(_ slice: EndpointSlice) {
        guard let service = slice.metadata.labels["kubernetes.io/service-name"], slice.addressType != "FQDN" else { return nil }
        key = ObjectKey(namespace: slice.namespace, name: slice.name)
        self.service = service
        ports = slice.ports.compactMap { port in
            port.port.flatMap { UInt16(exactly: $0) }.map { NamedPort(name: (port.name ?? "").lowercased(), transport: (port.protocol ?? "TCP").lowercased(), number: $0) }
        }
        endpoints = slice.endpoints.map { endpoint in
            // Unknown counts as ready (API documentation of EndpointConditions).
            Endpoint(addresses: endpoint.addresses.compactMap { IPBytes.parse($0) }, hostname: endpoint.hostname, isReady: endpoint.conditions?.ready ?? true)
        }
    }
}
