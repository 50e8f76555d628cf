internal import JSONTree

/// The notation of the default roles: words separated by spaces, `core` for the core group.
struct RoleTable: Sendable {
    let name: String
    /// Roles that gather the rules of this one: `admin`, `edit`, `view`.
    var aggregatesTo: String?
    /// The roles whose rules this one gathers, by what they aggregate to.
    var gathers: String?
    var rules: [PolicyRule] = []

    /// - Parameter aggregatesTo: the value of `x` in the label `rbac.authorization.k8s.io/aggregate-to-x`.
    init(_ name: String, aggregatesTo: String? = nil, gathers: String? = nil, _ rules: [PolicyRule] = []) {
        (self.name, self.aggregatesTo, self.gathers, self.rules) = (name, aggregatesTo, gathers, rules)
    }

    static func label(_ role: String) -> String { "rbac.authorization.k8s.io/aggregate-to-\(role)" }

    var json: JSON {
        var metadata = DefaultPolicy.metadata(name)
        if let aggregatesTo { metadata["labels"]?[Self.label(aggregatesTo)] = "true" }
        var role: JSON = ["apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata]
        if let gathers {
            role["aggregationRule"] = ["clusterRoleSelectors": [["matchLabels": .object([Self.label(gathers): "true"])]]]
        }
        role["rules"] = .array(rules.map(\.json))
        return role
    }
}

extension PolicyRule {
    private static func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }

    /// Verbs on resources of one or more groups.
    static func on(_ groups: String, _ resources: String, _ verbs: String, names: String = "") -> PolicyRule {
        PolicyRule(
            verbs: words(verbs), apiGroups: words(groups).map { $0 == "core" ? "" : $0 }, resources: words(resources), resourceNames: words(names))
    }

    /// Reading paths that are no resource.
    static func get(_ paths: String) -> PolicyRule { PolicyRule(verbs: ["get"], nonResourceURLs: words(paths)) }
}
