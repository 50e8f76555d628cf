internal import JSONTree
internal import KubeAPI

/// Who am I?
struct SelfSubjectReviewHandler: ReviewHandler {
    var typeName: String { "authentication/v1.SelfSubjectReview" }

    func answer(_ review: JSON, _ request: ReviewRequest) async throws(StatusError) -> JSON {
        var review = review
        review["metadata"] = ["creationTimestamp": .string(request.context.now.description)]
        review["status"] = ["userInfo": request.context.user.userInfo]
        return review
    }
}

/// May I, or may somebody else, do this?
struct AccessReviewHandler: ReviewHandler {
    enum Kind: String, Sendable {
        case own = "SelfSubjectAccessReview", other = "SubjectAccessReview", local = "LocalSubjectAccessReview"
    }

    let kind: Kind
    var typeName: String { "authorization/v1.\(kind.rawValue)" }

    func answer(_ review: JSON, _ request: ReviewRequest) async throws(StatusError) -> JSON {
        let spec = review["spec"] ?? [:]
        let errors = problems(spec, namespace: request.namespace)
        guard errors.isEmpty else {
            throw .invalid(
                ResourceReference(group: "authorization.k8s.io", version: "v1", resource: "", kind: kind.rawValue, namespaced: kind == .local),
                name: "", errors)
        }
        let attributes = Self.attributes(spec, user: kind == .own ? request.context.user : Self.user(spec))
        let decision = await request.server.authorizer.decide(attributes)
        var review = review
        review["status"] = ["allowed": .bool(decision.isAllowed)]
        if !decision.reason.isEmpty { review["status"]?["reason"] = .string(decision.reason) }
        return review
    }

    private func problems(_ spec: JSON, namespace: String) -> [FieldError] {
        var errors: [FieldError] = []
        let (resource, other) = (spec["resourceAttributes"], spec["nonResourceAttributes"])
        if resource != nil, let other {
            errors.append(.invalid(FieldPath.spec.child("nonResourceAttributes"), other, "cannot be specified in combination with resourceAttributes"))
        }
        if resource == nil, other == nil {
            let words = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            errors.append(.invalid(FieldPath.spec.child("resourceAttributes"), .null, words))
        }
        if kind != .own, (spec["user"]?.string ?? "").isEmpty, (spec["groups"]?.array ?? []).isEmpty {
            errors.append(.invalid(FieldPath.spec.child("user"), "", "at least one of user or group must be specified"))
        }
        if kind == .local, let resource, resource["namespace"]?.string ?? "" != namespace {
            errors.append(.invalid(
                FieldPath.spec.child("resourceAttributes").child("namespace"), resource["namespace"] ?? "", "must match metadata.namespace"))
        }
        return errors
    }

    private static func user(_ spec: JSON) -> User {
        func texts(_ json: JSON?) -> [String] { (json?.array ?? []).compactMap(\.string) }
        var extra: [String: [String]] = [:]
        for (key, values) in spec["extra"]?.object ?? [:] { extra[key.lowercased()] = texts(values) }
        return User(name: spec["user"]?.string ?? "", groups: texts(spec["groups"]), uid: spec["uid"]?.string ?? "", extra: extra)
    }

    private static func attributes(_ spec: JSON, user: User) -> AuthorizationAttributes {
        guard let asked = spec["resourceAttributes"] else {
            let asked = spec["nonResourceAttributes"]
            return AuthorizationAttributes(
                user: user, verb: asked?["verb"]?.string ?? "", resource: nil, path: asked?["path"]?.string ?? "")
        }
        func text(_ key: String) -> String { asked[key]?.string ?? "" }
        return AuthorizationAttributes(
            user: user, verb: text("verb"),
            resource: .init(
                group: text("group"), resource: text("resource"), subresource: text("subresource"), namespace: text("namespace"),
                name: text("name")))
    }
}

/// What may I do here?
struct RulesReviewHandler: ReviewHandler {
    var typeName: String { "authorization/v1.SelfSubjectRulesReview" }

    func answer(_ review: JSON, _ request: ReviewRequest) async throws(StatusError) -> JSON {
        guard let namespace = nonEmpty(review[path: "spec", "namespace"]) else { throw .badRequest("no namespace on request") }
        let found = await request.server.authorizer.rules(of: request.context.user, namespace: namespace)
        var (resources, paths): ([JSON], [JSON]) = ([], [])
        for rule in found.rules {
            if !rule.resources.isEmpty {
                var json: JSON = ["verbs": JSON(rule.verbs), "apiGroups": JSON(rule.apiGroups), "resources": JSON(rule.resources)]
                if !rule.resourceNames.isEmpty { json["resourceNames"] = JSON(rule.resourceNames) }
                resources.append(json)
            }
            if !rule.nonResourceURLs.isEmpty { paths.append(["verbs": JSON(rule.verbs), "nonResourceURLs": JSON(rule.nonResourceURLs)]) }
        }
        var review = review
        review["status"] = ["resourceRules": .array(resources), "nonResourceRules": .array(paths), "incomplete": .bool(!found.gap.isEmpty)]
        if !found.gap.isEmpty { review["status"]?["evaluationError"] = .string(found.gap) }
        return review
    }
}
