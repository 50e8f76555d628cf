internal import JSONTree

/// One rule of a role (rbac/v1 PolicyRule): verbs on resources, or on paths that are no resource.
public struct PolicyRule: Sendable, Hashable {
    public var verbs: [String]
    /// API groups; the core group is empty.
    public var apiGroups: [String]
    /// `pods`, `pods/log`, `*/scale`, `*`.
    public var resources: [String]
    /// Empty for every name.
    public var resourceNames: [String]
    /// `/healthz`, `/api/*`, `*`.
    public var nonResourceURLs: [String]

    public init(verbs: [String], apiGroups: [String] = [], resources: [String] = [], resourceNames: [String] = [], nonResourceURLs: [String] = []) {
        self.verbs = verbs
        self.apiGroups = apiGroups
        self.resources = resources
        self.resourceNames = resourceNames
        self.nonResourceURLs = nonResourceURLs
    }

    // MARK: what it allows

    public func allows(_ attributes: AuthorizationAttributes) -> Bool {
        guard let resource = attributes.resource else { return allows(verb: attributes.verb, path: attributes.path) }
        return allows(verb: attributes.verb, resource)
    }

    private func allows(verb: String, _ asked: AuthorizationAttributes.Resource) -> Bool {
        Self.contains(verbs, verb) && Self.contains(apiGroups, asked.group) && names(asked) && (resourceNames.isEmpty || resourceNames.contains(asked.name))
    }

    private func names(_ asked: AuthorizationAttributes.Resource) -> Bool {
        resources.contains { rule in
            rule == "*" || rule == asked.fullName || (!asked.subresource.isEmpty && rule == "*/" + asked.subresource)
        }
    }

    private func allows(verb: String, path: String) -> Bool {
        Self.contains(verbs, verb) && nonResourceURLs.contains { Self.pattern($0, covers: path) }
    }

    private static func contains(_ list: [String], _ value: String) -> Bool { list.contains("*") || list.contains(value) }

    /// `*` at the end of a pattern stands for any rest, also an empty one.
    private static func pattern(_ pattern: String, covers path: String) -> Bool {
        if pattern == "*" || pattern == path { return true }
        return pattern.hasSuffix("*") && path.hasPrefix(String(pattern.dropLast()))
    }

    // MARK: what it covers

    /// The same as rules of one verb on one resource, one name, one path each: a set of rules covers another one if each of these
    /// is covered by one of its own.
    var atoms: [PolicyRule] {
        var atoms: [PolicyRule] = []
        for verb in verbs {
            for group in apiGroups {
                for resource in resources {
                    let names = resourceNames.isEmpty ? [[]] : resourceNames.map { [$0] }
                    for name in names { atoms.append(PolicyRule(verbs: [verb], apiGroups: [group], resources: [resource], resourceNames: name)) }
                }
            }
            for url in nonResourceURLs { atoms.append(PolicyRule(verbs: [verb], nonResourceURLs: [url])) }
        }
        return atoms
    }

    /// Whether this rule alone gives all that an atom does.
    func covers(_ atom: PolicyRule) -> Bool {
        atom.verbs.allSatisfy { Self.contains(verbs, $0) } && atom.apiGroups.allSatisfy { Self.contains(apiGroups, $0) }
            && atom.resources.allSatisfy(coversResource) && atom.nonResourceURLs.allSatisfy { url in nonResourceURLs.contains { Self.pattern($0, covers: url) } }
            && (resourceNames.isEmpty || (!atom.resourceNames.isEmpty && atom.resourceNames.allSatisfy(resourceNames.contains)))
    }

    private func coversResource(_ asked: String) -> Bool {
        if Self.contains(resources, asked) { return true }
        guard let slash = asked.firstIndex(of: "/") else { return false }
        return resources.contains("*" + asked[slash...])
    }
}

extension PolicyRule {
    init(json: JSON) {
        func texts(_ key: String) -> [String] { (json[key]?.array ?? []).compactMap(\.string) }
        self.init(
            verbs: texts("verbs"), apiGroups: texts("apiGroups"), resources: texts("resources"), resourceNames: texts("resourceNames"),
            nonResourceURLs: texts("nonResourceURLs"))
    }

    static func list(_ json: JSON?) -> [PolicyRule] { (json?.array ?? []).map(PolicyRule.init(json:)) }

    /// In the order of fields in which upstream's objects are shown.
    var json: JSON {
        var object = JSONObject()
        for (key, values) in [("apiGroups", apiGroups), ("nonResourceURLs", nonResourceURLs), ("resourceNames", resourceNames), ("resources", resources)]
        where !values.isEmpty { object[key] = JSON(values) }
        object["verbs"] = JSON(verbs)
        return .object(object)
    }

    /// `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`, as kube-apiserver words a missing permission.
    var summary: String {
        let parts = [
            ("APIGroups", apiGroups), ("Resources", resources), ("NonResourceURLs", nonResourceURLs), ("ResourceNames", resourceNames), ("Verbs", verbs),
        ]
        return "{" + parts.filter { !$0.1.isEmpty }.map { "\($0.0):\(Self.quoted($0.1))" }.joined(separator: ", ") + "}"
    }

    /// `["a" "b"]`, Go's way of writing a list of texts.
    static func quoted(_ list: [String]) -> String { "[" + list.map { "\"\($0)\"" }.joined(separator: " ") + "]" }
}

/// What sets of rules are to each other.
enum PolicyRules {
    /// What `asked` gives and `held` does not.
    static func missing(from held: [PolicyRule], of asked: [PolicyRule]) -> [PolicyRule] {
        asked.flatMap(\.atoms).filter { atom in !held.contains { $0.covers(atom) } }
    }

    /// Rules for one resource that differ in their verbs only, put together; the order stays.
    static func compact(_ rules: [PolicyRule]) -> [PolicyRule] {
        var result: [PolicyRule] = []
        for rule in rules {
            let isSimple = rule.apiGroups.count == 1 && rule.resources.count == 1 && rule.resourceNames.isEmpty && rule.nonResourceURLs.isEmpty
            if isSimple, let index = result.firstIndex(where: { $0.apiGroups == rule.apiGroups && $0.resources == rule.resources && $0.resourceNames.isEmpty }) {
                result[index].verbs += rule.verbs.filter { !result[index].verbs.contains($0) }
            } else if !result.contains(rule) {
                result.append(rule)
            }
        }
        return result
    }
}
