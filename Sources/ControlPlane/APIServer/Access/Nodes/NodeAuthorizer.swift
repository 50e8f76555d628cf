/// What nodes may do: their own Node and Lease, the pods that are bound to them, and what those pods refer to. A stolen node can
/// read no more secrets than those that were on it anyway.
struct NodeAuthorizer: Authorizer {
    static let group = "system:nodes"
    private static let prefix = "system:node:"

    private let graph: CacheView<NodeGraph>

    init(pods: ResourceCache) {
        graph = CacheView(pods, empty: NodeGraph()) { graph, change in graph.apply(change) }
    }

    /// The name of the node that a user is; nil for others.
    static func nodeName(of user: User) -> String? {
        guard user.name.hasPrefix(prefix), user.groups.contains(group) else { return nil }
        let name = String(user.name.dropFirst(prefix.count))
        return name.isEmpty ? nil : name
    }

    func decide(_ attributes: AuthorizationAttributes) async -> AuthorizationDecision {
        guard let node = Self.nodeName(of: attributes.user) else { return .noOpinion }
        // Every request of a node, be it the renewal of its lease, empties the mailbox of pods.
        graph.read { _ in }
        if let resource = attributes.resource, Self.isSubdivided(resource) {
            return refusal(node, attributes.verb, resource).map { .noOpinion(reason: $0) } ?? .allowed(reason: "")
        }
        return SystemRoles.nodeRules.contains { $0.allows(attributes) } ? .allowed(reason: "") : .noOpinion
    }

    func rules(of user: User, namespace: String) async -> SubjectRules {
        guard Self.nodeName(of: user) != nil else { return SubjectRules(rules: []) }
        return SubjectRules(rules: SystemRoles.nodeRules, gap: "node authorizer does not support user rule resolution")
    }

    // MARK: kinds that depend on the node

    private static func isSubdivided(_ resource: AuthorizationAttributes.Resource) -> Bool {
        switch (resource.group, resource.resource) {
        case ("", "secrets"), ("", "configmaps"), ("", "persistentvolumeclaims"), ("", "serviceaccounts"), ("", "pods"), ("", "nodes"),
            ("coordination.k8s.io", "leases"), ("storage.k8s.io", "csinodes"): true
        default: false
        }
    }

    /// Why a node may not; nil if it may.
    private func refusal(_ node: String, _ verb: String, _ resource: AuthorizationAttributes.Resource) -> String? {
        let (namespace, name) = (resource.namespace, resource.name)
        switch (resource.group, resource.resource) {
        case ("", "secrets"): return reading(node, verb, resource, .secret(namespace: namespace, name: name))
        case ("", "configmaps"): return reading(node, verb, resource, .configMap(namespace: namespace, name: name))
        case ("", "persistentvolumeclaims"):
            if verb != "get" { return "can only get individual resources of this type" }
            return path(node, .claim(namespace: namespace, name: name), resource)
        case ("", "serviceaccounts"):
            if verb != "create" || resource.subresource != "token" { return "can only create tokens for individual service accounts" }
            return path(node, .serviceAccount(namespace: namespace, name: name), resource)
        case ("coordination.k8s.io", "leases"): return lease(node, verb, resource)
        case ("storage.k8s.io", "csinodes"): return csiNode(node, verb, resource)
        case ("", "nodes"): return ownNode(node, verb, resource)
        case ("", "pods"): return pod(node, verb, resource)
        default: return nil
        }
    }

    private func reading(_ node: String, _ verb: String, _ resource: AuthorizationAttributes.Resource, _ reference: PodReference) -> String? {
        if !["get", "list", "watch"].contains(verb) { return "can only read resources of this type" }
        if !resource.subresource.isEmpty { return "cannot read subresource" }
        if resource.namespace.isEmpty { return "can only read namespaced object of this type" }
        return path(node, reference, resource)
    }

    private func path(_ node: String, _ reference: PodReference, _ resource: AuthorizationAttributes.Resource) -> String? {
        if resource.name.isEmpty { return "No Object name found" }
        return graph.read { $0.has(node, reference) } ? nil : "no relationship found between node '\(node)' and this object"
    }

    private func lease(_ node: String, _ verb: String, _ resource: AuthorizationAttributes.Resource) -> String? {
        guard ["get", "create", "update", "patch", "delete"].contains(verb) else { return "can only get, create, update, patch, or delete a node lease" }
        guard resource.namespace == "kube-node-lease" else { return "can only access leases in the \"kube-node-lease\" system namespace" }
        guard verb == "create" || resource.name == node else { return "can only access node lease with the same name as the requesting node" }
        return nil
    }

    private func csiNode(_ node: String, _ verb: String, _ resource: AuthorizationAttributes.Resource) -> String? {
        guard ["get", "create", "update", "patch", "delete"].contains(verb) else { return "can only get, create, update, patch, or delete a CSINode" }
        guard resource.subresource.isEmpty else { return "cannot authorize CSINode subresources" }
        guard verb == "create" || resource.name == node else { return "can only access CSINode with the same name as the requesting node" }
        return nil
    }

    private func ownNode(_ node: String, _ verb: String, _ resource: AuthorizationAttributes.Resource) -> String? {
        switch (resource.subresource, verb) {
        case ("", "create"): return nil
        case ("", "get"), ("", "list"), ("", "watch"), ("", "update"), ("", "patch"), ("status", "update"), ("status", "patch"):
            return resource.name == node ? nil : "node '\(node)' cannot access the Node of another one"
        default: return "nodes cannot \(verb) \(resource.fullName)"
        }
    }

    private func pod(_ node: String, _ verb: String, _ resource: AuthorizationAttributes.Resource) -> String? {
        switch (resource.subresource, verb) {
        // Admission looks at the object: a node writes only the pods that are bound to it.
        case ("", "create"), ("", "delete"), ("status", "update"), ("status", "patch"), ("eviction", "create"): return nil
        case ("", "get"): return path(node, .pod(namespace: resource.namespace, name: resource.name), resource)
        case ("", "list"), ("", "watch"):
            if resource.fields["spec.nodeName"] == node { return nil }
            guard resource.name.isEmpty else { return path(node, .pod(namespace: resource.namespace, name: resource.name), resource) }
            return "can only list/watch pods with spec.nodeName field selector"
        default: return "nodes cannot \(verb) \(resource.fullName)"
        }
    }
}
