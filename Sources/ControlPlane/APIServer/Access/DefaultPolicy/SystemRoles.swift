/// What the cluster's parts are given that are no controllers.
enum SystemRoles {
    private static let read = "get list watch"

    static let events: [PolicyRule] = [.on("core events.k8s.io", "events", "create patch update")]

    /// What every node may do, whatever its pods are. What depends on them is the node authorizer's.
    static let nodeRules: [PolicyRule] = [
        .on("authentication.k8s.io", "tokenreviews", "create"),
        .on("authorization.k8s.io", "localsubjectaccessreviews subjectaccessreviews", "create"),
        .on("core", "services", read),
        .on("core", "endpoints", "get"),
        .on("certificates.k8s.io", "certificatesigningrequests", "create get list watch"),
        .on("node.k8s.io", "runtimeclasses", read),
        .on("storage.k8s.io", "csidrivers", read),
    ] + events

    static let all = [
        RoleTable("system:node", nodeRules + [
            .on("core", "nodes", "create get list watch"), .on("core", "nodes nodes/status", "patch update"),
            .on("core", "pods", "create delete get list watch"), .on("core", "pods/status", "patch update"), .on("core", "pods/eviction", "create"),
            .on("core", "configmaps secrets", read), .on("core", "persistentvolumeclaims persistentvolumes", "get"),
            .on("core", "serviceaccounts/token", "create"), .on("coordination.k8s.io", "leases", "create delete get patch update"),
            .on("storage.k8s.io", "csinodes", "create delete get patch update"),
        ]),
        RoleTable("system:node-proxier", [
            .on("core", "endpoints services", "list watch"), .on("core", "nodes", read), .on("discovery.k8s.io", "endpointslices", "list watch"),
        ] + events),
        RoleTable("swiftlet:node-network", [
            .on("core", "namespaces pods", read), .on("networking.k8s.io", "networkpolicies", read),
        ]),
        RoleTable("system:kube-dns", [.on("core", "endpoints services", "list watch"), .on("discovery.k8s.io", "endpointslices", "list watch")]),
        RoleTable("system:kube-scheduler", [
            .on("coordination.k8s.io", "leases", "create get list update patch watch"),
            .on("core", "nodes namespaces", read), .on("core", "pods", "delete get list watch"),
            .on("core", "bindings pods/binding", "create"), .on("core", "pods/status", "patch update"),
            .on("core", "persistentvolumeclaims persistentvolumes replicationcontrollers services", read),
            .on("apps", "replicasets statefulsets", read), .on("policy", "poddisruptionbudgets", read),
            .on("storage.k8s.io", "csidrivers csinodes csistoragecapacities storageclasses volumeattachments", read),
            .on("authentication.k8s.io", "tokenreviews", "create"), .on("authorization.k8s.io", "subjectaccessreviews", "create"),
        ] + events),
        RoleTable("system:kube-controller-manager", [
            .on("coordination.k8s.io", "leases", "create get list update patch watch"),
            .on("core", "secrets serviceaccounts", "create"), .on("core", "secrets", "delete"),
            .on("core", "configmaps namespaces secrets serviceaccounts", "get"), .on("core", "secrets serviceaccounts", "update"),
            .on("core", "serviceaccounts/token", "create"), .on("*", "*", "list watch"),
            .on("authentication.k8s.io", "tokenreviews", "create"), .on("authorization.k8s.io", "subjectaccessreviews", "create"),
        ] + events),
    ]
}
