internal import JSONTree
internal import KubeAPI

/// What a service account's token says (RFC 7519, with Kubernetes' private claims).
struct TokenClaims: Sendable, Hashable {
    /// An object with the token's life: when it is gone, so is the token.
    struct Reference: Sendable, Hashable {
        var name: String
        var uid: String
    }

    var issuer: String
    var audiences: [String]
    var account: ServiceAccountName
    var accountUID: String
    var pod: Reference?
    var secret: Reference?
    var node: Reference?
    /// Seconds since 1970.
    var issuedAt: Int64
    var expiresAt: Int64
    var identifier: String

    var json: JSON {
        var kubernetes: JSON = ["namespace": .string(account.namespace)]
        for (kind, reference) in [("node", node), ("pod", pod), ("secret", secret)] {
            if let reference { kubernetes[kind] = ["name": .string(reference.name), "uid": .string(reference.uid)] }
        }
        kubernetes["serviceaccount"] = ["name": .string(account.name), "uid": .string(accountUID)]
        return [
            "aud": JSON(audiences), "exp": JSON(expiresAt), "iat": JSON(issuedAt), "iss": .string(issuer), "jti": .string(identifier),
            "kubernetes.io": kubernetes, "nbf": JSON(issuedAt), "sub": .string(account.userName),
        ]
    }

    /// Nil if something is missing or contradicts itself.
    init?(json: JSON) {
        func reference(_ kind: String) -> Reference? {
            guard let value = json[path: "kubernetes.io", kind], let name = value["name"]?.string, let uid = value["uid"]?.string else { return nil }
            return Reference(name: name, uid: uid)
        }
        // RFC 7519 section 4.1.3: one audience may stand as a text.
        let audiences = json["aud"]?.string.map { [$0] } ?? (json["aud"]?.array ?? []).compactMap(\.string)
        guard let issuer = json["iss"]?.string, let subject = json["sub"]?.string, let account = ServiceAccountName(userName: subject),
            let expiry = json["exp"]?.int, let own = reference("serviceaccount"), own.name == account.name,
            json[path: "kubernetes.io", "namespace"]?.string == account.namespace
        else { return nil }
        self.init(
            issuer: issuer, audiences: audiences, account: account, accountUID: own.uid, pod: reference("pod"), secret: reference("secret"),
            node: reference("node"), issuedAt: max(json["iat"]?.int ?? 0, json["nbf"]?.int ?? 0), expiresAt: expiry, identifier: json["jti"]?.string ?? "")
    }

    init(
        issuer: String, audiences: [String], account: ServiceAccountName, accountUID: String, pod: Reference? = nil, secret: Reference? = nil,
        node: Reference? = nil, issuedAt: Int64, expiresAt: Int64, identifier: String
    ) {
        (self.issuer, self.audiences, self.account, self.accountUID) = (issuer, audiences, account, accountUID)
        (self.pod, self.secret, self.node) = (pod, secret, node)
        (self.issuedAt, self.expiresAt, self.identifier) = (issuedAt, expiresAt, identifier)
    }

    /// The user that the token is for.
    var user: User {
        var extra: [String: [String]] = [:]
        func add(_ key: String, _ value: String?) {
            if let value, !value.isEmpty { extra["authentication.kubernetes.io/\(key)"] = [value] }
        }
        add("credential-id", identifier.isEmpty ? nil : "JTI=\(identifier)")
        add("node-name", node?.name)
        add("node-uid", node?.uid)
        add("pod-name", pod?.name)
        add("pod-uid", pod?.uid)
        return User(name: account.userName, groups: account.groups + [User.authenticatedGroup], uid: accountUID, extra: extra)
    }
}
