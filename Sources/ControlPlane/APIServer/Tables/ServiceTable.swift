internal import JSONTree
internal import KubeAPI

extension TableDefinition {
    static let services = TableDefinition(
        columns: [
            name,
            Column(name: "Type", description: "How the service is reached."),
            Column(name: "Cluster-IP", description: "The service's address within the cluster."),
            Column(name: "External-IP", description: "The service's addresses outside of the cluster."),
            Column(name: "Port(s)", description: "The service's ports."),
            age,
            Column(name: "Selector", description: "The labels of the pods behind the service.", priority: 1),
        ],
        cells: { service, now in
            let spec = service["spec"]
            return [
                objectName(service), spec?["type"] ?? "", orNone(spec?["clusterIP"]), .string(external(service)), .string(ports(spec)),
                age(service, now), .string(selector(spec)),
            ]
        })

    private static func external(_ service: JSON) -> String {
        let spec = service["spec"]
        if spec?["type"]?.string == "ExternalName" { return nonEmpty(spec?["externalName"]) ?? "<none>" }
        let ingress = (service[path: "status", "loadBalancer", "ingress"]?.array ?? []).compactMap { nonEmpty($0["ip"]) ?? nonEmpty($0["hostname"]) }
        let addresses = ingress + (spec?["externalIPs"]?.array ?? []).compactMap(\.string)
        if addresses.isEmpty { return spec?["type"]?.string == "LoadBalancer" ? "<pending>" : "<none>" }
        return addresses.joined(separator: ",")
    }

    private static func ports(_ spec: JSON?) -> String {
        let ports = (spec?["ports"]?.array ?? []).map { port -> String in
            let node = port["nodePort"]?.int ?? 0
            return "\(port["port"]?.int ?? 0)\(node > 0 ? ":\(node)" : "")/\(port["protocol"]?.string ?? "TCP")"
        }
        return ports.isEmpty ? "<none>" : ports.joined(separator: ",")
    }

    private static func selector(_ spec: JSON?) -> String {
        let labels = (spec?["selector"]?.object ?? [:]).map { "\($0.key)=\($0.value.string ?? "")" }
        return labels.isEmpty ? "<none>" : labels.sorted().joined(separator: ",")
    }
}
