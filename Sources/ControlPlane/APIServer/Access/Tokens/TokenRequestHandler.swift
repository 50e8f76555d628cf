internal import JSONTree
internal import KubeAPI

/// `serviceaccounts/token`: a token for a service account, bound to a pod, a secret or a node if asked for.
struct TokenRequestHandler: ReviewHandler {
    var typeName: String { "authentication/v1.TokenRequest" }

    func answer(_ review: JSON, _ request: ReviewRequest) async throws(StatusError) -> JSON {
        let tokens = request.server.tokens
        guard let account = tokens.object("serviceaccounts", request.namespace, request.name) else {
            throw .notFound(GroupResource(group: "", resource: "serviceaccounts"), request.name)
        }
        try Self.check("name", review, request.name)
        try Self.check("namespace", review, request.namespace)
        try Self.checkLife(review, request.name)
        var admission = AdmissionRequest(
            operation: .create, resource: GroupResource(group: "", resource: "serviceaccounts"), subresource: "token", namespace: request.namespace,
            name: request.name, user: request.context.user, object: review)
        try await request.server.admission.admit(&admission)

        var review = review
        let asked = (review[path: "spec", "audiences"]?.array ?? []).compactMap(\.string)
        let audiences = asked.isEmpty ? tokens.issuer.audiences : asked
        let seconds = review[path: "spec", "expirationSeconds"]?.int ?? 3600
        let now = request.context.now.seconds
        var claims = TokenClaims(
            issuer: tokens.issuer.issuer, audiences: audiences, account: ServiceAccountName(namespace: request.namespace, name: request.name),
            accountUID: account[path: "metadata", "uid"]?.string ?? "", issuedAt: now, expiresAt: now + seconds, identifier: RandomIdentifiers.uid())
        if let reference = review[path: "spec", "boundObjectRef"], !reference.isNull { try Self.bind(&claims, to: reference, tokens) }

        review["metadata"] = [
            "name": .string(request.name), "namespace": .string(request.namespace), "creationTimestamp": .string(request.context.now.description),
        ]
        if review["spec"]?.object == nil { review["spec"] = [:] }
        review["spec"]?["audiences"] = JSON(audiences)
        review["spec"]?["expirationSeconds"] = JSON(seconds)
        if review[path: "spec", "boundObjectRef"] == nil { review["spec"]?["boundObjectRef"] = .null }
        review["status"] = [
            "token": .string(try tokens.issue(claims)), "expirationTimestamp": .string(Time(seconds: claims.expiresAt).description),
        ]
        return review
    }

    private static func check(_ member: String, _ review: JSON, _ stated: String) throws(StatusError) {
        guard let found = nonEmpty(review[path: "metadata", member]), found != stated else { return }
        throw .badRequest("the \(member) of the object (\(found)) does not match the \(member) on the URL (\(stated))")
    }

    private static func checkLife(_ review: JSON, _ name: String) throws(StatusError) {
        guard let seconds = review[path: "spec", "expirationSeconds"]?.int else { return }
        let problem: String
        switch seconds {
        case ..<600: problem = "may not specify a duration less than 10 minutes"
        case ((1 << 32) + 1)...: problem = "may not specify a duration larger than 2^32 seconds"
        default: return
        }
        let reference = ResourceReference(group: "authentication.k8s.io", version: "v1", resource: "tokenrequests", kind: "TokenRequest", namespaced: true)
        throw .invalid(reference, name: name, [.invalid(FieldPath.spec.child("expirationSeconds"), JSON(seconds), problem)])
    }

    // MARK: bound objects

    private static func bind(_ claims: inout TokenClaims, to reference: JSON, _ tokens: ServiceAccountTokens) throws(StatusError) {
        let kind = reference["kind"]?.string ?? ""
        let apiVersion = reference["apiVersion"]?.string ?? ""
        let name = reference["name"]?.string ?? ""
        guard apiVersion.isEmpty || apiVersion == "v1", ["Pod", "Secret", "Node"].contains(kind) else {
            throw .badRequest("cannot bind token for serviceaccount \"\(claims.account.name)\" to object of type \(apiVersion), Kind=\(kind)")
        }
        let resource = GroupResource(group: "", resource: kind.lowercased() + "s")
        guard let object = tokens.object(resource.resource, kind == "Node" ? "" : claims.account.namespace, name) else { throw .notFound(resource, name) }
        let uid = object[path: "metadata", "uid"]?.string ?? ""
        if let asked = nonEmpty(reference["uid"]), asked != uid {
            throw .conflict(
                resource, name,
                "the UID in the bound object reference (\(asked)) does not match the UID in record. The object might have been deleted and then recreated")
        }
        let bound = TokenClaims.Reference(name: name, uid: uid)
        switch kind {
        case "Secret": claims.secret = bound
        case "Node": claims.node = bound
        default:
            guard object[path: "spec", "serviceAccountName"]?.string == claims.account.name else {
                throw .badRequest("cannot bind token for serviceaccount \"\(claims.account.name)\" to pod running with different serviceaccount name.")
            }
            claims.pod = bound
            if let node = nonEmpty(object[path: "spec", "nodeName"]) {
                claims.node = .init(name: node, uid: tokens.object("nodes", "", node)?[path: "metadata", "uid"]?.string ?? "")
            }
        }
    }
}

/// Whom a token is for: asked by servers that are given one.
struct TokenReviewHandler: ReviewHandler {
    var typeName: String { "authentication/v1.TokenReview" }

    func answer(_ review: JSON, _ request: ReviewRequest) async throws(StatusError) -> JSON {
        guard let token = nonEmpty(review[path: "spec", "token"]) else { throw .badRequest("token is required for TokenReview in authentication") }
        let tokens = request.server.tokens
        let asked = (review[path: "spec", "audiences"]?.array ?? []).compactMap(\.string)
        var review = review
        switch tokens.verify(token, audiences: asked.isEmpty ? tokens.issuer.audiences : asked) {
        case .valid(let claims, let audiences):
            review["status"] = ["authenticated": true, "user": claims.user.userInfo, "audiences": JSON(audiences)]
        case .invalid(let problem):
            review["status"] = ["user": [:], "error": .string(problem)]
        }
        return review
    }
}

extension User {
    /// authentication/v1 UserInfo.
    var userInfo: JSON {
        var info: JSON = ["username": .string(name)]
        if !uid.isEmpty { info["uid"] = .string(uid) }
        if !groups.isEmpty { info["groups"] = JSON(groups) }
        if !extra.isEmpty { info["extra"] = .object(JSONObject(extra.sorted { $0.key < $1.key }.map { ($0.key, JSON($0.value)) })) }
        return info
    }
}
