internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// What a request wants to do.
public struct AuthorizationAttributes: Sendable, Hashable {
    public var user: User
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for paths the method in lower case.
    public var verb: String
    /// Nil when the request is for a path that is no resource.
    public var resource: Resource?
    public var path: String

    public struct Resource: Sendable, Hashable {
        public var group: String
        public var resource: String
        public var subresource: String
        /// Empty for the cluster and for all namespaces.
        public var namespace: String
        /// Empty for collections, unless a field selector chooses one object by its name.
        public var name: String
        /// Fields that the selector of a list or watch wants to be equal to a value.
        public var fields: [String: String]

        public init(
            group: String, resource: String, subresource: String = "", namespace: String = "", name: String = "", fields: [String: String] = [:]
        ) {
            self.group = group
            self.resource = resource
            self.subresource = subresource
            self.namespace = namespace
            self.name = name
            self.fields = fields
        }

        /// `pods`, `pods/log`.
        var fullName: String { subresource.isEmpty ? resource : "\(resource)/\(subresource)" }
    }

    public init(user: User, verb: String, resource: Resource?, path: String = "") {
        self.user = user
        self.verb = verb
        self.resource = resource
        self.path = path
    }
}

/// What an authorizer says. Nobody says no: what no one allows is forbidden.
public enum AuthorizationDecision: Sendable, Hashable {
    case allowed(reason: String)
    /// - Parameter reason: what stands in the way; empty if there is nothing to say.
    case noOpinion(reason: String)

    public static let noOpinion = AuthorizationDecision.noOpinion(reason: "")

    public var isAllowed: Bool {
        if case .allowed = self { true } else { false }
    }

    public var reason: String {
        switch self {
        case .allowed(let reason), .noOpinion(let reason): reason
        }
    }
}

/// What a user may do in one namespace.
public struct SubjectRules: Sendable, Hashable {
    public var rules: [PolicyRule]
    /// Why there may be more than that; empty if there is not.
    public var gap: String

    public init(rules: [PolicyRule], gap: String = "") {
        self.rules = rules
        self.gap = gap
    }
}

/// Decides what users may do.
public protocol Authorizer: Sendable {
    func decide(_ attributes: AuthorizationAttributes) async -> AuthorizationDecision
    /// What the user may do in a namespace, as far as it can be told.
    func rules(of user: User, namespace: String) async -> SubjectRules
}

extension Authorizer {
    public func allows(_ attributes: AuthorizationAttributes) async -> Bool { await decide(attributes).isAllowed }
    public func rules(of user: User, namespace: String) async -> SubjectRules { SubjectRules(rules: []) }
}

/// Administrators, whatever the roles say.
struct MastersAuthorizer: Authorizer {
    func decide(_ attributes: AuthorizationAttributes) async -> AuthorizationDecision {
        attributes.user.groups.contains(User.mastersGroup) ? .allowed(reason: "") : .noOpinion
    }

    func rules(of user: User, namespace: String) async -> SubjectRules {
        SubjectRules(rules: user.groups.contains(User.mastersGroup) ? PolicyRule.everything : [])
    }
}

extension PolicyRule {
    /// Full authority, as two rules.
    static let everything = [
        PolicyRule(verbs: ["*"], apiGroups: ["*"], resources: ["*"]), PolicyRule(verbs: ["*"], nonResourceURLs: ["*"]),
    ]
}

/// What one of several allows is allowed.
struct UnionAuthorizer: Authorizer {
    let authorizers: [any Authorizer]

    func decide(_ attributes: AuthorizationAttributes) async -> AuthorizationDecision {
        var reasons: [String] = []
        for authorizer in authorizers {
            let decision = await authorizer.decide(attributes)
            if decision.isAllowed { return decision }
            if !decision.reason.isEmpty { reasons.append(decision.reason) }
        }
        return .noOpinion(reason: reasons.joined(separator: ", "))
    }

    func rules(of user: User, namespace: String) async -> SubjectRules {
        var result = SubjectRules(rules: [])
        for authorizer in authorizers {
            let part = await authorizer.rules(of: user, namespace: namespace)
            result.rules += part.rules
            result.gap = [result.gap, part.gap].filter { !$0.isEmpty }.joined(separator: ", ")
        }
        return result
    }
}

extension AuthorizationAttributes {
    /// 403 as Kubernetes words it.
    /// - Parameter reason: what an authorizer has to say about it.
    func denial(reason: String = "") -> StatusError {
        let end = reason.isEmpty ? "" : ": \(reason)"
        guard let resource else {
            return StatusError(code: 403, reason: "Forbidden", message: "forbidden: User \"\(user.name)\" cannot \(verb) path \"\(path)\"\(end)")
        }
        let place = resource.namespace.isEmpty ? "at the cluster scope" : "in the namespace \"\(resource.namespace)\""
        return .forbidden(
            GroupResource(group: resource.group, resource: resource.resource), resource.name,
            "User \"\(user.name)\" cannot \(verb) resource \"\(resource.fullName)\" in API group \"\(resource.group)\" \(place)\(end)")
    }

    /// What a request wants to do.
    init(_ request: ServerRequest, _ info: RequestInfo?, user: User) {
        guard let info, !info.resource.isEmpty else {
            self.init(user: user, verb: request.method.rawValue.lowercased(), resource: nil, path: request.path)
            return
        }
        var (name, fields) = (info.name, [String: String]())
        // Lists and watches of one object by its name are about that object: rules may name it.
        if ["list", "watch", "deletecollection"].contains(info.verb), let text = request.query["fieldSelector"], !text.isEmpty,
            let selector = try? FieldRequirements(parsing: text)  // A selector that cannot be read is refused where it is used.
        {
            for requirement in selector.requirements where requirement.equal { fields[requirement.field] = requirement.value }
            name = fields["metadata.name"] ?? name
        }
        self.init(
            user: user, verb: Self.verb(info),
            resource: Resource(
                group: info.group, resource: info.resource, subresource: info.subresource, namespace: info.namespace, name: name, fields: fields),
            path: request.path)
    }

    /// Opening a stream into a container is a create, whatever the method: a WebSocket begins with GET, and who may only read
    /// must not get a shell by it.
    private static func verb(_ info: RequestInfo) -> String {
        ["exec", "attach", "portforward"].contains(info.subresource) ? "create" : info.verb
    }
}
