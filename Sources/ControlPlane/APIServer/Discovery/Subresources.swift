internal import KubeAPI

/// The subresources that this server serves.
enum Subresources {
    private static func core(_ name: String, _ kind: String, _ verbs: String...) -> Discovery.Subresource {
        Discovery.Subresource(name: name, group: "", version: "v1", kind: kind, verbs: verbs)
    }

    private static let special: [GroupResource: [Discovery.Subresource]] = [
        .pods: [
            core("attach", "PodAttachOptions", "create", "get"),
            core("binding", "Binding", "create"),
            Discovery.Subresource(name: "eviction", group: "policy", version: "v1", kind: "Eviction", verbs: ["create"]),
            core("exec", "PodExecOptions", "create", "get"),
            core("log", "Pod", "get"),
            core("portforward", "PodPortForwardOptions", "create", "get"),
        ],
        .namespaces: [core("finalize", "Namespace", "update")],
    ]

    /// Those of one kind: what only it has, then its status and its scale, then what a review answers.
    static func served(_ definition: ResourceDefinition) -> [Discovery.Subresource] {
        let reference = definition.reference
        let resource = GroupResource(reference)
        var served = special[resource] ?? []
        let verbs = ["get", "patch", "update"]
        if definition.scale != nil {
            served.append(Discovery.Subresource(name: "scale", group: "autoscaling", version: "v1", kind: "Scale", verbs: verbs))
        }
        for part in ["approval", "status"] where definition.subresources.contains(part) {
            served.append(Discovery.Subresource(
                name: part, group: reference.group, version: reference.version, kind: definition.kind, verbs: verbs))
        }
        if definition.subresources.contains("token"), ReviewHandlers.handler(resource, "token") != nil {
            served.append(Discovery.Subresource(
                name: "token", group: "authentication.k8s.io", version: "v1", kind: "TokenRequest", verbs: ["create"]))
        }
        return served
    }
}
