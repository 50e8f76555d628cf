internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// Acting as somebody else (`kubectl --as`): every name that is taken on has to be allowed by the verb `impersonate`.
struct Impersonation {
    private let userName: String
    private let groups: [String]
    private let uid: String
    private let extra: [String: [String]]

    /// Nil if the request does not ask for it.
    init?(_ request: ServerRequest) throws(StatusError) {
        userName = request.headers.first(name: "impersonate-user") ?? ""
        groups = request.headers["impersonate-group"]
        uid = request.headers.first(name: "impersonate-uid") ?? ""
        var extra: [String: [String]] = [:]
        let prefix = "impersonate-extra-"
        for (name, value) in request.headers where name.lowercased().hasPrefix(prefix) {
            extra[Self.percentDecoded(name.lowercased().dropFirst(prefix.count)), default: []].append(value)
        }
        self.extra = extra
        if userName.isEmpty {
            guard groups.isEmpty, uid.isEmpty, extra.isEmpty else {
                throw .badRequest("requested groups \(PolicyRule.quoted(groups)) without impersonating a user")
            }
            return nil
        }
    }

    /// The user that the request is from here on made by.
    func user(by authorizer: any Authorizer, for real: User) async throws(StatusError) -> User {
        let account = ServiceAccountName(userName: userName)
        if let account {
            try await check(real, authorizer, .init(group: "", resource: "serviceaccounts", namespace: account.namespace, name: account.name))
        } else {
            try await check(real, authorizer, .init(group: "", resource: "users", name: userName))
        }
        for group in groups { try await check(real, authorizer, .init(group: "", resource: "groups", name: group)) }
        if !uid.isEmpty { try await check(real, authorizer, .init(group: "authentication.k8s.io", resource: "uids", name: uid)) }
        for (key, values) in extra.sorted(by: { $0.key < $1.key }) {
            for value in values {
                try await check(real, authorizer, .init(group: "authentication.k8s.io", resource: "userextras", subresource: key, name: value))
            }
        }
        var all = groups
        // A service account is in its groups, unless others were asked for.
        if groups.isEmpty, let account { all = account.groups }
        let isAnonymous = userName == User.anonymousName || all.contains(User.unauthenticatedGroup)
        if !isAnonymous, !all.contains(User.authenticatedGroup) { all.append(User.authenticatedGroup) }
        if isAnonymous, !all.contains(User.unauthenticatedGroup) { all.append(User.unauthenticatedGroup) }
        return User(name: userName, groups: all, uid: uid, extra: extra)
    }

    private func check(_ user: User, _ authorizer: any Authorizer, _ resource: AuthorizationAttributes.Resource) async throws(StatusError) {
        let attributes = AuthorizationAttributes(user: user, verb: "impersonate", resource: resource)
        let decision = await authorizer.decide(attributes)
        guard decision.isAllowed else { throw attributes.denial(reason: decision.reason) }
    }

    private static func percentDecoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
