/// The name of a resource of the API and of its kind.
public struct ResourceReference: Sendable, Hashable {
    /// The API group; empty for the core group.
    public let group: String
    public let version: String
    /// The plural name, as in paths.
    public let resource: String
    public let kind: String
    public let namespaced: Bool

    public init(group: String, version: String, resource: String, kind: String, namespaced: Bool) {
        self.group = group
        self.version = version
        self.resource = resource
        self.kind = kind
        self.namespaced = namespaced
    }

    /// `v1`, `coordination.k8s.io/v1`.
    public var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

    /// `pods`, `leases.coordination.k8s.io`, as messages name a resource.
    public var groupResource: String { group.isEmpty ? resource : "\(resource).\(group)" }

    /// The path of the collection, without a trailing slash; all namespaces if none is given.
    public func path(namespace: String? = nil) -> String {
        let root = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
        if namespaced, let namespace { return "\(root)/namespaces/\(namespace)/\(resource)" }
        return "\(root)/\(resource)"
    }

    /// The path of one object, of a subresource of it if one is given.
    public func path(namespace: String?, name: String, subresource: String? = nil) -> String {
        let object = "\(path(namespace: namespace))/\(name)"
        return subresource.map { "\(object)/\($0)" } ?? object
    }
}
