internal import JSONTree
internal import KubeAPI

extension TableDefinition {
    /// So many addresses or ports are shown; the rest is counted.
    private static let shown = 3

    private static func short(_ items: [String], none: String) -> JSON {
        if items.isEmpty { return .string(none) }
        let text = items.prefix(shown).joined(separator: ",")
        return .string(items.count > shown ? "\(text) + \(items.count - shown) more..." : text)
    }

    static let endpoints = TableDefinition(
        columns: [name, Column(name: "Endpoints", description: "The addresses and ports that are ready."), age],
        cells: { endpoints, now in
            let items = (endpoints["subsets"]?.array ?? []).flatMap { subset -> [String] in
                let addresses = (subset["addresses"]?.array ?? []).compactMap { $0["ip"]?.string }
                let ports = (subset["ports"]?.array ?? []).compactMap { $0["port"]?.int }
                if ports.isEmpty { return addresses }
                return ports.flatMap { port in addresses.map { $0.contains(":") ? "[\($0)]:\(port)" : "\($0):\(port)" } }
            }
            return [objectName(endpoints), short(items, none: "<none>"), age(endpoints, now)]
        })

    static let endpointSlices = TableDefinition(
        columns: [
            name, Column(name: "AddressType", description: "What kind of addresses the slice holds."),
            Column(name: "Ports", description: "The ports of every endpoint."),
            Column(name: "Endpoints", description: "The addresses of the endpoints."), age,
        ],
        cells: { slice, now in
            let ports = (slice["ports"]?.array ?? []).map { $0["port"]?.int.map(String.init) ?? "*" }
            let addresses = (slice["endpoints"]?.array ?? []).flatMap { ($0["addresses"]?.array ?? []).compactMap(\.string) }
            return [
                objectName(slice), slice["addressType"] ?? "", short(ports, none: "<unset>"), short(addresses, none: "<unset>"), age(slice, now),
            ]
        })

    static let networkPolicies = TableDefinition(
        columns: [name, Column(name: "Pod-Selector", description: "The pods that the policy is for."), age],
        cells: { policy, now in
            [objectName(policy), .string(selectorText(policy[path: "spec", "podSelector"])), age(policy, now)]
        })

    /// Role bindings of either scope.
    static let roleBindings = TableDefinition(
        columns: [
            name, Column(name: "Role", description: "What is granted."), age,
            Column(name: "Users", description: "The users that it is granted to.", priority: 1),
            Column(name: "Groups", description: "The groups that it is granted to.", priority: 1),
            Column(name: "ServiceAccounts", description: "The service accounts that it is granted to.", priority: 1),
        ],
        cells: { binding, now in
            let subjects = binding["subjects"]?.array ?? []
            func names(_ kind: String, _ text: (JSON) -> String) -> JSON {
                .string(subjects.filter { $0["kind"]?.string == kind }.map(text).joined(separator: ", "))
            }
            func plainName(_ subject: JSON) -> String { subject["name"]?.string ?? "" }
            let role = binding["roleRef"]
            return [
                objectName(binding), .string("\(role?["kind"]?.string ?? "")/\(role?["name"]?.string ?? "")"), age(binding, now),
                names("User", plainName), names("Group", plainName),
                names("ServiceAccount") { "\($0["namespace"]?.string ?? "")/\(plainName($0))" },
            ]
        })
}
