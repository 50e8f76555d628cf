internal import KubeAPI

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
        /// Empty for collections.
        public var name: String

        public init(group: String, resource: String, subresource: String = "", namespace: String = "", name: String = "") {
            self.group = group
            self.resource = resource
            self.subresource = subresource
            self.namespace = namespace
            self.name = name
        }
    }

    public init(user: User, verb: String, resource: Resource?, path: String = "") {
        self.user = user
        self.verb = verb
        self.resource = resource
        self.path = path
    }
}

/// Decides what users may do.
public protocol Authorizer: Sendable {
    func allows(_ attributes: AuthorizationAttributes) async -> Bool
}

extension AuthorizationAttributes {
    /// 403 as Kubernetes words it.
    var denial: StatusError {
        guard let resource else {
            return StatusError(code: 403, reason: "Forbidden", message: "forbidden: User \"\(user.name)\" cannot \(verb) path \"\(path)\"")
        }
        let full = resource.subresource.isEmpty ? resource.resource : "\(resource.resource)/\(resource.subresource)"
        let place = resource.namespace.isEmpty ? "at the cluster scope" : "in the namespace \"\(resource.namespace)\""
        return .forbidden(
            GroupResource(group: resource.group, resource: resource.resource), resource.name,
            "User \"\(user.name)\" cannot \(verb) resource \"\(full)\" in API group \"\(resource.group)\" \(place)")
    }
}
