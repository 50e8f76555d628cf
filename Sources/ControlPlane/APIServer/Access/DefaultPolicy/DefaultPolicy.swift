internal import JSONTree

/// The roles and bindings that every cluster has: who is what users of Kubernetes expect, with the rights that upstream gives.
///
/// Reconciled at each start: what is missing is added, what somebody added stays, and an object whose annotation
/// `rbac.authorization.kubernetes.io/autoupdate` is `false` is left alone.
enum DefaultPolicy {
    static let autoUpdate = "rbac.authorization.kubernetes.io/autoupdate"

    static func metadata(_ name: String, namespace: String? = nil) -> JSON {
        var metadata: JSON = ["name": .string(name)]
        if let namespace { metadata["namespace"] = .string(namespace) }
        metadata["labels"] = ["kubernetes.io/bootstrapping": "rbac-defaults"]
        metadata["annotations"] = .object([autoUpdate: "true"])
        return metadata
    }

    /// All ClusterRoles. Those that gather the rules of others have them already, so that they hold from the first moment.
    static let clusterRoles: [JSON] = {
        var roles = (UserRoles.all + SystemRoles.all + JoinRoles.clusterRoles + ControllerRoles.all).map(\.json)
        // `admin` gathers `edit`, which gathers `view`: each round brings rules one step further.
        for _ in 0..<3 {
            let known = roles
            for index in roles.indices {
                if let rules = ClusterRoleAggregation.rules(of: roles[index], among: known) { roles[index]["rules"] = .array(rules) }
            }
        }
        return roles
    }()

    static let clusterRoleBindings: [JSON] = {
        var bindings = [
            binding("cluster-admin", to: .group("system:masters")),
            binding("system:basic-user", to: .group("system:authenticated")),
            binding("system:discovery", to: .group("system:authenticated")),
            binding("system:public-info-viewer", to: .group("system:authenticated"), .group("system:unauthenticated")),
            binding("system:monitoring", to: .group("system:monitoring")),
            binding("system:service-account-issuer-discovery", to: .group("system:serviceaccounts")),
            binding("system:kube-scheduler", to: .user("system:kube-scheduler")),
            binding("system:kube-controller-manager", to: .user("system:kube-controller-manager")),
            binding("system:kube-dns", to: .serviceAccount(namespace: "kube-system", name: "kube-dns")),
            // Each Swiftlet node is its own service proxy, DNS server and policy enforcer.
            binding("system:node-proxier", to: .user("system:kube-proxy"), .group("system:nodes")),
            binding("swiftlet:node-network", to: .group("system:nodes")),
            // Nodes have their rights from the node authorizer, each for its own pods.
            binding("system:node"),
        ]
        for role in ControllerRoles.all {
            let account = String(role.name.dropFirst(ControllerRoles.prefix.count))
            bindings.append(binding(role.name, to: .serviceAccount(namespace: "kube-system", name: account)))
        }
        for (name, role, group) in JoinRoles.clusterRoleBindings { bindings.append(binding(role, name: name, to: .group(group))) }
        return bindings
    }()

    /// - Parameter name: the binding's; by default the role's.
    private static func binding(_ role: String, name: String? = nil, to subjects: PolicySubject...) -> JSON {
        [
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": metadata(name ?? role),
            "roleRef": ["apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": .string(role)],
            "subjects": .array(subjects.map(\.json)),
        ]
    }
}

extension PolicySubject {
    var json: JSON {
        switch self {
        case .user(let name): ["apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": .string(name)]
        case .group(let name): ["apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": .string(name)]
        case .serviceAccount(let namespace, let name): ["kind": "ServiceAccount", "name": .string(name), "namespace": .string(namespace)]
        }
    }
}

/// What has to change of an object of the default policy.
enum PolicyReconciliation: Equatable {
    case nothing
    case update(JSON)
    /// A binding's role cannot be changed: it is made anew.
    case replace(JSON)

    /// - Parameters:
    ///   - found: as stored.
    ///   - desired: as `DefaultPolicy` has it.
    static func of(_ found: JSON, desired: JSON) -> PolicyReconciliation {
        if found[path: "metadata", "annotations"]?[DefaultPolicy.autoUpdate] == "false" { return .nothing }
        if found["roleRef"] != desired["roleRef"] { return .replace(desired) }
        var object = found
        for member in ["labels", "annotations"] {
            for (key, value) in desired[path: "metadata", member]?.object ?? [:] where object[path: "metadata", member]?[key] != value {
                if object[path: "metadata", member]?.object == nil { object["metadata"]?[member] = [:] }
                object["metadata"]?[member]?[key] = value
            }
        }
        addRules(&object, desired)
        addElements("subjects", &object, desired)
        if let selectors = desired["aggregationRule"], object["aggregationRule"] == nil { object["aggregationRule"] = selectors }
        return object == found ? .nothing : .update(object)
    }

    private static func addRules(_ object: inout JSON, _ desired: JSON) {
        // The rules of a role that gathers are the aggregation's business.
        guard object["aggregationRule"] == nil, desired["rules"] != nil else { return }
        let missing = PolicyRules.missing(from: PolicyRule.list(object["rules"]), of: PolicyRule.list(desired["rules"]))
        if !missing.isEmpty { object["rules"] = .array((object["rules"]?.array ?? []) + PolicyRules.compact(missing).map(\.json)) }
    }

    private static func addElements(_ member: String, _ object: inout JSON, _ desired: JSON) {
        let found = object[member]?.array ?? []
        let missing = (desired[member]?.array ?? []).filter { !found.contains($0) }
        if !missing.isEmpty { object[member] = .array(found + missing) }
    }
}
