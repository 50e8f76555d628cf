internal import JSONTree
internal import KubeAPI

/// Who am I?
struct SelfSubjectReviewHandler: ReviewHandler {
    var typeName: String { "authentication/v1.SelfSubjectReview" }

    func answer(_ review: JSON, _ request: ReviewRequest) async throws(StatusError) -> JSON {
        var review = review
        let user = request.context.user
        review["metadata"] = ["creationTimestamp": .string(request.context.now.description)]
        review["status"] = ["userInfo": ["username": .string(user.name), "groups": JSON(user.groups)]]
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
        let groups = (spec["groups"]?.array ?? []).compactMap(\.string)
        let user = kind == .own ? request.context.user : User(name: spec["user"]?.string ?? "", groups: groups)
        let attributes = Self.attributes(spec, user: user)
        var review = review
        review["status"] = ["allowed": .bool(await request.server.configuration.authorizer.allows(attributes))]
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
