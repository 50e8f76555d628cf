internal import JSONTree
internal import KubeAPI

/// The kinds whose rows are a field or two.
extension TableDefinition {
    static let namespaces = TableDefinition(columns: [name, Column(name: "Status", description: "Active or Terminating."), age]) { object, now in
        [objectName(object), .string(nonEmpty(object[path: "status", "phase"]) ?? ""), age(object, now)]
    }

    static let configMaps = TableDefinition(columns: [name, Column(name: "Data", type: "integer", description: "The number of entries."), age]) { object, now in
        let entries = (object["data"]?.object?.count ?? 0) + (object["binaryData"]?.object?.count ?? 0)
        return [objectName(object), JSON(entries), age(object, now)]
    }

    static let secrets = TableDefinition(
        columns: [
            name, Column(name: "Type", description: "What the secret is for."),
            Column(name: "Data", type: "integer", description: "The number of entries."), age,
        ]
    ) { object, now in
        [objectName(object), object["type"] ?? "", JSON(object["data"]?.object?.count ?? 0), age(object, now)]
    }

    static let serviceAccounts = TableDefinition(
        columns: [name, Column(name: "Secrets", type: "integer", description: "The number of secrets."), age]
    ) { object, now in
        [objectName(object), JSON(object["secrets"]?.array?.count ?? 0), age(object, now)]
    }

    static let leases = TableDefinition(columns: [name, Column(name: "Holder", description: "Who holds the lease."), age]) { object, now in
        [objectName(object), object[path: "spec", "holderIdentity"] ?? "", age(object, now)]
    }

    /// By group and resource.
    static let all: [GroupResource: TableDefinition] = [
        GroupResource(group: "", resource: "pods"): pods,
        GroupResource(group: "", resource: "nodes"): nodes,
        GroupResource(group: "", resource: "namespaces"): namespaces,
        GroupResource(group: "", resource: "events"): events,
        GroupResource(group: "", resource: "services"): services,
        GroupResource(group: "", resource: "configmaps"): configMaps,
        GroupResource(group: "", resource: "secrets"): secrets,
        GroupResource(group: "", resource: "serviceaccounts"): serviceAccounts,
        GroupResource(group: "coordination.k8s.io", resource: "leases"): leases,
        GroupResource(group: "", resource: "endpoints"): endpoints,
        GroupResource(group: "discovery.k8s.io", resource: "endpointslices"): endpointSlices,
        GroupResource(group: "certificates.k8s.io", resource: "certificatesigningrequests"): certificateRequests,
        GroupResource(group: "node.k8s.io", resource: "runtimeclasses"): runtimeClasses,
        GroupResource(group: "storage.k8s.io", resource: "csidrivers"): csiDrivers,
        GroupResource(group: "storage.k8s.io", resource: "csinodes"): csiNodes,
        GroupResource(group: "apps", resource: "deployments"): deployments,
        GroupResource(group: "apps", resource: "replicasets"): replicaSets,
        GroupResource(group: "apps", resource: "controllerrevisions"): controllerRevisions,
        GroupResource(group: "networking.k8s.io", resource: "networkpolicies"): networkPolicies,
        GroupResource(group: "rbac.authorization.k8s.io", resource: "rolebindings"): roleBindings,
        GroupResource(group: "rbac.authorization.k8s.io", resource: "clusterrolebindings"): roleBindings,
    ]
}
