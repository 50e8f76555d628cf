/// The subresources that this server serves.
enum Subresources {
    private static func core(_ name: String, _ kind: String, _ verbs: String...) -> Discovery.Subresource {
        Discovery.Subresource(name: name, group: "", version: "v1", kind: kind, verbs: verbs)
    }

    static let served: [GroupResource: [Discovery.Subresource]] = [
        .pods: [
            core("attach", "PodAttachOptions", "create", "get"),
            core("binding", "Binding", "create"),
            Discovery.Subresource(name: "eviction", group: "policy", version: "v1", kind: "Eviction", verbs: ["create"]),
            core("exec", "PodExecOptions", "create", "get"),
            core("log", "Pod", "get"),
            core("portforward", "PodPortForwardOptions", "create", "get"),
            core("status", "Pod", "get", "patch", "update"),
        ],
        .nodes: [core("status", "Node", "get", "patch", "update")],
        .namespaces: [core("finalize", "Namespace", "update"), core("status", "Namespace", "get", "patch", "update")],
    ]
}
