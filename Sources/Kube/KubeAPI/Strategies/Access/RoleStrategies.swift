import JSONTree

enum RBACRules {
    static let group = "rbac.authorization.k8s.io"

    /// Names of roles are segments of paths, and nothing else is asked of them.
    static func nameProblems(_ name: String) -> [String] {
        if name == "." || name == ".." { return ["may not be '\(name)'"] }
        return ["/", "%"].filter { name.contains($0) }.map { "may not contain '\($0)'" }
    }

    static func validateRules(_ object: JSON, namespaced: Bool, _ errors: inout [FieldError]) {
        for (index, rule) in (object["rules"]?.array ?? []).enumerated() {
            let path = FieldPath("rules").index(index)
            func isEmpty(_ key: String) -> Bool { (rule[key]?.array ?? []).isEmpty }
            if isEmpty("verbs") { errors.append(.required(path.child("verbs"), "verbs must contain at least one value")) }
            if !isEmpty("nonResourceURLs") {
                let urls = rule["nonResourceURLs"] ?? []
                if namespaced {
                    errors.append(.invalid(path.child("nonResourceURLs"), urls, "namespaced rules cannot apply to non-resource URLs"))
                }
                if !isEmpty("apiGroups") || !isEmpty("resources") || !isEmpty("resourceNames") {
                    errors.append(.invalid(path.child("nonResourceURLs"), urls, "rules cannot apply to both regular resources and non-resource URLs"))
                }
                continue
            }
            if isEmpty("apiGroups") { errors.append(.required(path.child("apiGroups"), "resource rules must supply at least one api group")) }
            if isEmpty("resources") { errors.append(.required(path.child("resources"), "resource rules must supply at least one resource")) }
        }
    }
}

struct RoleStrategy: ResourceStrategy {
    var allowsCreateOnUpdate: Bool { true }

    func nameProblems(_ name: String) -> [String] { RBACRules.nameProblems(name) }

    func validate(_ object: JSON, _ errors: inout [FieldError]) { RBACRules.validateRules(object, namespaced: true, &errors) }
}

struct ClusterRoleStrategy: ResourceStrategy {
    var allowsCreateOnUpdate: Bool { true }

    func nameProblems(_ name: String) -> [String] { RBACRules.nameProblems(name) }

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        RBACRules.validateRules(object, namespaced: false, &errors)
        guard let aggregation = object["aggregationRule"] else { return }
        let path = FieldPath("aggregationRule").child("clusterRoleSelectors")
        let selectors = aggregation["clusterRoleSelectors"]?.array ?? []
        if selectors.isEmpty { errors.append(.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")) }
        for (index, selector) in selectors.enumerated() { LabelSelectorValidation.validate(selector, at: path.index(index), &errors) }
    }
}

/// Bindings of either scope: whom (subjects) and to what (roleRef).
struct RoleBindingStrategy: ResourceStrategy {
    /// Whether the binding holds in one namespace, and so may refer to a Role.
    let namespaced: Bool
    var allowsCreateOnUpdate: Bool { true }

    func nameProblems(_ name: String) -> [String] { RBACRules.nameProblems(name) }

    /// Users and groups are of this group, service accounts of the core one.
    func applyDefaults(to object: inout JSON) {
        object["subjects"]?.withArray { subjects in
            for index in subjects.indices where (subjects[index]["apiGroup"]?.string ?? "").isEmpty {
                let kind = subjects[index]["kind"]
                if kind == "User" || kind == "Group" { subjects[index]["apiGroup"] = .string(RBACRules.group) }
            }
        }
    }

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        let path = FieldPath("roleRef")
        let role = object["roleRef"] ?? [:]
        if role["apiGroup"] != .string(RBACRules.group) {
            errors.append(.unsupported(path.child("apiGroup"), role["apiGroup"] ?? "", supported: [RBACRules.group]))
        }
        let kinds = namespaced ? ["Role", "ClusterRole"] : ["ClusterRole"]
        if !kinds.contains(role["kind"]?.string ?? "") { errors.append(.unsupported(path.child("kind"), role["kind"] ?? "", supported: kinds)) }
        let name = role["name"]?.string ?? ""
        if name.isEmpty { errors.append(.required(path.child("name"))) }
        errors += RBACRules.nameProblems(name).map { .invalid(path.child("name"), JSON(name), $0) }
        for (index, subject) in (object["subjects"]?.array ?? []).enumerated() {
            validateSubject(subject, at: FieldPath("subjects").index(index), &errors)
        }
    }

    private func validateSubject(_ subject: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        let name = subject["name"]?.string ?? ""
        let group = subject["apiGroup"]?.string ?? ""
        if name.isEmpty { errors.append(.required(path.child("name"))) }
        switch subject["kind"]?.string {
        case "ServiceAccount":
            if !name.isEmpty { errors += ValueFormat.dnsSubdomain(name).map { .invalid(path.child("name"), JSON(name), $0) } }
            if !group.isEmpty { errors.append(.unsupported(path.child("apiGroup"), JSON(group), supported: [""])) }
            if (subject["namespace"]?.string ?? "").isEmpty { errors.append(.required(path.child("namespace"))) }
        case "User", "Group":
            if group != RBACRules.group { errors.append(.unsupported(path.child("apiGroup"), JSON(group), supported: [RBACRules.group])) }
        default:
            errors.append(.unsupported(path.child("kind"), subject["kind"] ?? "", supported: ["ServiceAccount", "User", "Group"]))
        }
    }

    /// What a binding grants stays; whom it grants it to may change.
    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        guard object["roleRef"] != old["roleRef"] else { return }
        errors.append(.invalid(FieldPath("roleRef"), object["roleRef"] ?? .null, "cannot change roleRef"))
    }
}
