internal import JSONTree
internal import KubeAPI

extension TableDefinition {
    static let nodes = TableDefinition(
        columns: [
            name,
            Column(name: "Status", description: "Whether the node is ready, and whether pods may be scheduled to it."),
            Column(name: "Roles", description: "The roles that the node's labels name."),
            age,
            Column(name: "Version", description: "The version of the node's agent."),
            Column(name: "Internal-IP", description: "The node's address within the cluster.", priority: 1),
            Column(name: "External-IP", description: "The node's address outside of the cluster.", priority: 1),
            Column(name: "OS-Image", description: "The operating system.", priority: 1),
            Column(name: "Kernel-Version", description: "The kernel.", priority: 1),
            Column(name: "Container-Runtime", description: "The container runtime and its version.", priority: 1),
        ],
        cells: { node, now in
            let info = node[path: "status", "nodeInfo"]
            return [
                objectName(node), .string(status(node)), .string(roles(node)), age(node, now), .string(nonEmpty(info?["kubeletVersion"]) ?? ""),
                address(node, "InternalIP"), address(node, "ExternalIP"),
                orUnknown(info?["osImage"]), orUnknown(info?["kernelVersion"]), orUnknown(info?["containerRuntimeVersion"]),
            ]
        })

    private static func status(_ node: JSON) -> String {
        let ready = node[path: "status", "conditions"]?.array?.first { $0["type"]?.string == "Ready" }
        var status =
            switch ready?["status"]?.string {
            case "True": "Ready"
            case .some: "NotReady"
            case nil: "Unknown"
            }
        if node[path: "spec", "unschedulable"]?.bool == true { status += ",SchedulingDisabled" }
        return status
    }

    private static func roles(_ node: JSON) -> String {
        let prefix = "node-role.kubernetes.io/"
        let roles = (node[path: "metadata", "labels"]?.object ?? [:]).compactMap { key, value -> String? in
            if key.hasPrefix(prefix), key.utf8.count > prefix.utf8.count { return String(key.dropFirst(prefix.count)) }
            return key == "kubernetes.io/role" ? nonEmpty(value) : nil
        }
        return roles.isEmpty ? "<none>" : Set(roles).sorted().joined(separator: ",")
    }

    private static func address(_ node: JSON, _ type: String) -> JSON {
        orNone(node[path: "status", "addresses"]?.array?.first { $0["type"]?.string == type }?["address"])
    }

    private static func orUnknown(_ value: JSON?) -> JSON { .string(nonEmpty(value) ?? "<unknown>") }
}
