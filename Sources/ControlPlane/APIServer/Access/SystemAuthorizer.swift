/// The fixed rules for the cluster's own parts, until there is RBAC: administrators may do all, nodes and the control plane's
/// parts what their work needs, everyone who is authenticated may read discovery, and nobody else anything.
public struct SystemAuthorizer: Authorizer {
    /// One line: these verbs on these resources (`*` for all; `pods/status` for a subresource).
    struct Rule: Sendable {
        let verbs: Set<String>
        let group: String
        let resources: Set<String>

        init(_ verbs: String, _ group: String, _ resources: String) {
            self.verbs = Set(verbs.split(separator: " ").map(String.init))
            self.group = group
            self.resources = Set(resources.split(separator: " ").map(String.init))
        }

        func covers(_ verb: String, _ resource: AuthorizationAttributes.Resource) -> Bool {
            let name = resource.subresource.isEmpty ? resource.resource : "\(resource.resource)/\(resource.subresource)"
            return (verbs.contains("*") || verbs.contains(verb)) && (group == "*" || group == resource.group)
                && (resources.contains("*") || resources.contains(name))
        }
    }

    static let node = [
        Rule("get list watch create update patch", "", "nodes"),
        Rule("update patch", "", "nodes/status pods/status"),
        Rule("get list watch create delete", "", "pods"),
        Rule("get list watch", "", "configmaps secrets serviceaccounts namespaces services"),
        Rule("get list watch", "discovery.k8s.io", "endpointslices"),
        Rule("get list watch", "networking.k8s.io", "networkpolicies"),
        Rule("create update patch", "", "events"),
        Rule("create update patch", "events.k8s.io", "events"),
        Rule("get create update patch delete", "coordination.k8s.io", "leases"),
    ]

    static let scheduler = [
        Rule("get list watch", "", "pods nodes namespaces"),
        Rule("create", "", "pods/binding bindings"),
        Rule("update patch", "", "pods/status"),
        Rule("delete", "", "pods"),
        Rule("create update patch", "", "events"),
        Rule("create update patch", "events.k8s.io", "events"),
        Rule("get list watch create update patch", "coordination.k8s.io", "leases"),
    ]

    /// Deleting a namespace means deleting everything in it, and status is written for many kinds.
    static let controllerManager = [Rule("*", "*", "*")]

    /// What everyone who is authenticated may read: where the API is and what it looks like.
    static let discoveryPaths = ["/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz"]

    public init() {}

    public func allows(_ attributes: AuthorizationAttributes) async -> Bool {
        let user = attributes.user
        if user.groups.contains("system:masters") { return true }
        guard let resource = attributes.resource else {
            return attributes.verb == "get" && Self.discoveryPaths.contains { attributes.path == $0 || attributes.path.hasPrefix($0 + "/") }
        }
        if user.groups.contains("system:nodes"), user.name.hasPrefix("system:node:") {
            return Self.node.contains { $0.covers(attributes.verb, resource) } && Self.isOwn(attributes, resource)
        }
        let rules: [Rule] =
            switch user.name {
            case "system:kube-scheduler": Self.scheduler
            case "system:kube-controller-manager": Self.controllerManager
            default: []
            }
        return rules.contains { $0.covers(attributes.verb, resource) }
    }

    /// A node writes to its own Node and to its own Lease only, so that a stolen node cannot drain the others.
    private static func isOwn(_ attributes: AuthorizationAttributes, _ resource: AuthorizationAttributes.Resource) -> Bool {
        let reads: Set = ["get", "list", "watch"]
        if resource.resource == "leases", resource.namespace != "kube-node-lease" { return false }
        guard resource.resource == "nodes" || resource.resource == "leases", !reads.contains(attributes.verb), !resource.name.isEmpty
        else { return true }
        return attributes.user.name == "system:node:" + resource.name
    }
}
