internal import JSONTree
internal import Synchronization

/// Role-based access control, fed from the watch cache: what a role says counts as soon as its write is acknowledged.
final class RBACAuthorizer: Authorizer, PolicySource {
    private let clusterRoles: CacheView<[String: [PolicyRule]]>
    private let roles: CacheView<[String: [String: [PolicyRule]]]>
    private let clusterBindings: CacheView<BindingIndex>
    private let bindings: CacheView<[String: BindingIndex]>

    /// Nil if the server does not serve the four kinds.
    init?(_ cache: WatchCache) {
        func resource(_ name: String) -> ResourceCache? { cache.cache(GroupResource(group: "rbac.authorization.k8s.io", resource: name)) }
        guard let clusterRoles = resource("clusterroles"), let roles = resource("roles"), let clusterBindings = resource("clusterrolebindings"),
            let bindings = resource("rolebindings")
        else { return nil }
        self.clusterRoles = CacheView(clusterRoles, empty: [:]) { picture, change in
            picture[change.key.name] = change.object.map { PolicyRule.list($0.json()["rules"]) }
        }
        self.roles = CacheView(roles, empty: [:]) { picture, change in
            let key = change.key
            picture[key.namespace, default: [:]][key.name] = change.object.map { PolicyRule.list($0.json()["rules"]) }
            if picture[key.namespace]?.isEmpty == true { picture[key.namespace] = nil }
        }
        self.clusterBindings = CacheView(clusterBindings, empty: BindingIndex()) { picture, change in Self.apply(change, to: &picture) }
        self.bindings = CacheView(bindings, empty: [:]) { picture, change in
            Self.apply(change, to: &picture[change.key.namespace, default: BindingIndex()])
            if picture[change.key.namespace]?.isEmpty == true { picture[change.key.namespace] = nil }
        }
    }

    private static func apply(_ change: CacheChange, to index: inout BindingIndex) {
        if let object = change.object, let binding = PolicyBinding(json: object.json()) {
            index.put(binding)
        } else {
            index.remove(change.key.name)
        }
    }

    // MARK: PolicySource

    func bindings(of subjects: [PolicySubject], namespace: String) -> [(binding: PolicyBinding, subject: PolicySubject)] {
        if namespace.isEmpty { return clusterBindings.read { $0.bindings(of: subjects) } }
        return bindings.read { $0[namespace]?.bindings(of: subjects) ?? [] }
    }

    func rules(_ kind: PolicyBinding.RoleKind, namespace: String, name: String) -> [PolicyRule]? {
        kind == .clusterRole ? clusterRoles.read { $0[name] } : roles.read { $0[namespace]?[name] }
    }

    // MARK: Authorizer

    func decide(_ attributes: AuthorizationAttributes) async -> AuthorizationDecision {
        reason(for: attributes).map { .allowed(reason: $0) } ?? .noOpinion
    }

    func rules(of user: User, namespace: String) async -> SubjectRules { SubjectRules(rules: rules(of: user, namespace: namespace)) }
}
