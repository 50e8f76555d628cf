internal import JSONTree
internal import KubeAPI

/// Nobody gives what they do not have: not by a role, not by a binding, unless they may `escalate` or `bind`.
struct RoleEscalation: AdmissionPlugin {
    let authorizer: any Authorizer
    let policy: any PolicySource

    static let group = "rbac.authorization.k8s.io"

    func admit(_ request: inout AdmissionRequest) async throws(StatusError) {
        guard request.resource.group == Self.group, request.operation != .delete, let object = request.object,
            !request.user.groups.contains(User.mastersGroup), !Self.changesOnlyWhatDeletionNeeds(object, request.old)
        else { return }
        switch request.resource.resource {
        case "roles", "clusterroles": try await checkRole(object, request)
        case "rolebindings", "clusterrolebindings": try await checkBinding(object, request)
        default: return
        }
    }

    /// The garbage collector takes finalizers and owners off objects whose rules it does not have.
    private static func changesOnlyWhatDeletionNeeds(_ object: JSON, _ old: JSON?) -> Bool {
        guard var old else { return false }
        var object = object
        for member in ["finalizers", "ownerReferences", "managedFields", "resourceVersion"] {
            object["metadata"]?[member] = nil
            old["metadata"]?[member] = nil
        }
        return object == old
    }

    private func checkRole(_ role: JSON, _ request: AdmissionRequest) async throws(StatusError) {
        if await may("escalate", request.resource.resource, request.namespace, request.name, request.user) { return }
        if role["aggregationRule"] != nil, request.old?["aggregationRule"] != role["aggregationRule"] {
            // Whoever gathers rules by label gets what others label later.
            let held = await authorizer.rules(of: request.user, namespace: "").rules
            guard PolicyRules.missing(from: held, of: PolicyRule.everything).isEmpty else {
                throw .forbidden(request.resource, request.name, "must have cluster-admin privileges to use an aggregationRule")
            }
        }
        try await confirm(PolicyRule.list(role["rules"]), request)
    }

    private func checkBinding(_ json: JSON, _ request: AdmissionRequest) async throws(StatusError) {
        let role = json[path: "roleRef", "name"]?.string ?? ""
        // What is wrong with the reference itself, validation tells.
        guard let kind = json[path: "roleRef", "kind"]?.string.flatMap(PolicyBinding.RoleKind.init) else { return }
        let resource = kind == .role ? "roles" : "clusterroles"
        if await may("bind", resource, request.namespace, role, request.user) { return }
        guard let rules = policy.rules(kind, namespace: request.namespace, name: role) else {
            throw .notFound(GroupResource(group: Self.group, resource: resource), role)
        }
        try await confirm(rules, request)
    }

    private func may(_ verb: String, _ resource: String, _ namespace: String, _ name: String, _ user: User) async -> Bool {
        await authorizer.allows(AuthorizationAttributes(
            user: user, verb: verb, resource: .init(group: Self.group, resource: resource, namespace: namespace, name: name)))
    }

    private func confirm(_ rules: [PolicyRule], _ request: AdmissionRequest) async throws(StatusError) {
        let held = await authorizer.rules(of: request.user, namespace: request.namespace).rules
        let missing = PolicyRules.missing(from: held, of: rules)
        guard !missing.isEmpty else { return }
        let summaries = Set(PolicyRules.compact(missing).map(\.summary)).sorted().joined(separator: "\n")
        throw .forbidden(
            request.resource, request.name,
            "user \"\(request.user.name)\" (groups=\(PolicyRule.quoted(request.user.groups))) is attempting to grant RBAC permissions not currently held:\n\(summaries)")
    }
}
