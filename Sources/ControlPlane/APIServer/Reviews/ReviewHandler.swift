internal import JSONTree
internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// Answers what is asked by a create and never stored: reviews of access and identity, requests for tokens.
protocol ReviewHandler: Sendable {
    /// The type of the body, like `authorization/v1.SubjectAccessReview`.
    var typeName: String { get }
    /// - Parameter review: decoded and defaulted.
    /// - Returns: the review with its status.
    func answer(_ review: JSON, _ request: ReviewRequest) async throws(StatusError) -> JSON
}

/// Who asks, and about what.
struct ReviewRequest: Sendable {
    let server: APIServer
    let context: WriteContext
    /// Empty for reviews of the cluster.
    let namespace: String
    /// The object, for a subresource such as `serviceaccounts/token`.
    let name: String
}

/// The handlers, one for each resource that is not stored. A resource without one is not served.
enum ReviewHandlers {
    static func handler(_ resource: GroupResource, _ subresource: String = "") -> (any ReviewHandler)? {
        switch (resource.description, subresource) {
        case ("serviceaccounts", "token"): TokenRequestHandler()
        case ("tokenreviews.authentication.k8s.io", ""): TokenReviewHandler()
        case ("selfsubjectrulesreviews.authorization.k8s.io", ""): RulesReviewHandler()
        case ("selfsubjectreviews.authentication.k8s.io", ""): SelfSubjectReviewHandler()
        case ("selfsubjectaccessreviews.authorization.k8s.io", ""): AccessReviewHandler(kind: .own)
        case ("subjectaccessreviews.authorization.k8s.io", ""): AccessReviewHandler(kind: .other)
        case ("localsubjectaccessreviews.authorization.k8s.io", ""): AccessReviewHandler(kind: .local)
        default: nil
        }
    }
}

extension ResourceDefinition {
    /// Whether objects of this kind are never stored. Bindings are a change of a pod and have a way of their own.
    var isReview: Bool { verbs == ["create"] && !(reference.group.isEmpty && reference.resource == "bindings") }
}

extension ResourceRequest {
    func respondReview(_ handler: any ReviewHandler, _ definition: ResourceDefinition) async throws(StatusError) -> ServerResponse {
        guard info.verb == "create" else { throw .methodNotAllowed(GroupResource(definition.reference), info.verb) }
        let (body, duplicates) = try await RequestBodies.json(request, server.configuration.registry)
        var (review, warnings) = try definition.decode(body, duplicates: duplicates, fieldValidation: try fieldValidation)
        definition.applyDefaults(to: &review)
        let asked = ReviewRequest(server: server, context: context, namespace: info.namespace, name: info.name)
        return .json(try await handler.answer(review, asked), status: .created, warnings: warnings)
    }
}
