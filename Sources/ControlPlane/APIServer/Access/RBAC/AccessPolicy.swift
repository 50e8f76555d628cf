internal import JSONTree

/// Whom a binding is for. A service account is a user with a name made of its namespace and name.
enum PolicySubject: Sendable, Hashable {
    case user(String)
    case group(String)
    case serviceAccount(namespace: String, name: String)

    /// Nil for a kind that does not exist.
    init?(json: JSON) {
        guard let name = json["name"]?.string else { return nil }
        switch json["kind"]?.string {
        case "User": self = .user(name)
        case "Group": self = .group(name)
        case "ServiceAccount": self = .serviceAccount(namespace: json["namespace"]?.string ?? "", name: name)
        default: return nil
        }
    }

    /// As reasons name it.
    var description: String {
        switch self {
        case .user(let name): "User \"\(name)\""
        case .group(let name): "Group \"\(name)\""
        case .serviceAccount(let namespace, let name): "ServiceAccount \"\(name)/\(namespace)\""
        }
    }

    /// All that a user is to bindings.
    static func all(of user: User) -> [PolicySubject] {
        var subjects: [PolicySubject] = [.user(user.name)]
        if let account = ServiceAccountName(userName: user.name) { subjects.append(.serviceAccount(namespace: account.namespace, name: account.name)) }
        return subjects + user.groups.map { .group($0) }
    }
}

/// A RoleBinding, or a ClusterRoleBinding if it has no namespace.
struct PolicyBinding: Sendable, Hashable {
    enum RoleKind: String, Sendable { case role = "Role", clusterRole = "ClusterRole" }

    let namespace: String
    let name: String
    let roleKind: RoleKind
    let roleName: String
    let subjects: [PolicySubject]

    /// Nil if it refers to nothing that exists.
    init?(json: JSON) {
        guard let kind = json[path: "roleRef", "kind"]?.string.flatMap(RoleKind.init), let role = json[path: "roleRef", "name"]?.string else { return nil }
        namespace = json[path: "metadata", "namespace"]?.string ?? ""
        name = json[path: "metadata", "name"]?.string ?? ""
        (roleKind, roleName) = (kind, role)
        subjects = (json["subjects"]?.array ?? []).compactMap(PolicySubject.init(json:))
    }

    /// Why somebody may do something, in upstream's words.
    func reason(for subject: PolicySubject) -> String {
        let binding = namespace.isEmpty ? "ClusterRoleBinding \"\(name)\"" : "RoleBinding \"\(name)/\(namespace)\""
        return "RBAC: allowed by \(binding) of \(roleKind.rawValue) \"\(roleName)\" to \(subject.description)"
    }
}

/// The bindings of the cluster, or of one namespace, found by whom they are for.
struct BindingIndex: Sendable {
    private var byName: [String: PolicyBinding] = [:]
    private var bySubject: [PolicySubject: Set<String>] = [:]

    var isEmpty: Bool { byName.isEmpty }

    mutating func put(_ binding: PolicyBinding) {
        remove(binding.name)
        byName[binding.name] = binding
        for subject in binding.subjects { bySubject[subject, default: []].insert(binding.name) }
    }

    mutating func remove(_ name: String) {
        guard let old = byName.removeValue(forKey: name) else { return }
        for subject in old.subjects {
            bySubject[subject]?.remove(name)
            if bySubject[subject]?.isEmpty == true { bySubject[subject] = nil }
        }
    }

    /// Bindings in the order of their names, so that reasons are the same each time.
    func bindings(of subjects: [PolicySubject]) -> [(binding: PolicyBinding, subject: PolicySubject)] {
        var found: [String: PolicySubject] = [:]
        for subject in subjects {
            for name in bySubject[subject] ?? [] where found[name] == nil { found[name] = subject }
        }
        return found.sorted { $0.key < $1.key }.compactMap { name, subject in byName[name].map { ($0, subject) } }
    }
}

/// Where the evaluator finds roles and bindings.
protocol PolicySource: Sendable {
    /// - Parameter namespace: empty for ClusterRoleBindings.
    func bindings(of subjects: [PolicySubject], namespace: String) -> [(binding: PolicyBinding, subject: PolicySubject)]
    /// Nil if there is no such role.
    func rules(_ kind: PolicyBinding.RoleKind, namespace: String, name: String) -> [PolicyRule]?
}

/// Roles and bindings as a value.
struct AccessPolicy: PolicySource {
    private var clusterRoles: [String: [PolicyRule]] = [:]
    private var roles: [String: [String: [PolicyRule]]] = [:]
    private var bindings: [String: BindingIndex] = [:]

    init() {}

    /// - Parameter objects: of the four kinds.
    init(_ objects: [JSON]) {
        for object in objects {
            let namespace = object[path: "metadata", "namespace"]?.string ?? ""
            let name = object[path: "metadata", "name"]?.string ?? ""
            switch object["kind"]?.string {
            case "ClusterRole": clusterRoles[name] = PolicyRule.list(object["rules"])
            case "Role": roles[namespace, default: [:]][name] = PolicyRule.list(object["rules"])
            case "ClusterRoleBinding", "RoleBinding":
                if let binding = PolicyBinding(json: object) { bindings[namespace, default: BindingIndex()].put(binding) }
            default: continue
            }
        }
    }

    func bindings(of subjects: [PolicySubject], namespace: String) -> [(binding: PolicyBinding, subject: PolicySubject)] {
        bindings[namespace]?.bindings(of: subjects) ?? []
    }

    func rules(_ kind: PolicyBinding.RoleKind, namespace: String, name: String) -> [PolicyRule]? {
        kind == .clusterRole ? clusterRoles[name] : roles[namespace]?[name]
    }
}

extension PolicySource {
    /// Why a user may do something; nil if no rule says so.
    func reason(for attributes: AuthorizationAttributes) -> String? {
        let subjects = PolicySubject.all(of: attributes.user)
        for namespace in Self.places(attributes.resource?.namespace ?? "") {
            for (binding, subject) in bindings(of: subjects, namespace: namespace) {
                let rules = rules(binding.roleKind, namespace: namespace, name: binding.roleName) ?? []
                if rules.contains(where: { $0.allows(attributes) }) { return binding.reason(for: subject) }
            }
        }
        return nil
    }

    /// All that a user may do in a namespace, or in the whole cluster if it is empty.
    func rules(of user: User, namespace: String) -> [PolicyRule] {
        let subjects = PolicySubject.all(of: user)
        return Self.places(namespace).flatMap { place in
            bindings(of: subjects, namespace: place).flatMap { rules($0.binding.roleKind, namespace: place, name: $0.binding.roleName) ?? [] }
        }
    }

    /// ClusterRoleBindings hold everywhere; RoleBindings in their namespace.
    private static func places(_ namespace: String) -> [String] { namespace.isEmpty ? [""] : ["", namespace] }
}
