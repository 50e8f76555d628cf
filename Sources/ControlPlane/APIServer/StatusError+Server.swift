internal import JSONTree
internal import KubeAPI
internal import Storage

/// A resource within its API group; written `deployments.apps`, or `pods` in the core group.
struct GroupResource: Sendable, Hashable, CustomStringConvertible {
    let group: String
    let resource: String

    init(group: String, resource: String) {
        self.group = group
        self.resource = resource
    }

    init(_ reference: ResourceReference) {
        self.init(group: reference.group, resource: reference.resource)
    }

    var description: String { group.isEmpty ? resource : "\(resource).\(group)" }

    static let pods = GroupResource(group: "", resource: "pods")
    static let nodes = GroupResource(group: "", resource: "nodes")
    static let customResourceDefinitions = GroupResource(group: "apiextensions.k8s.io", resource: "customresourcedefinitions")
    static let services = GroupResource(group: "", resource: "services")
    static let namespaces = GroupResource(group: "", resource: "namespaces")
}

/// The server's errors beside those of KubeAPI, in Kubernetes' words. `StatusError` is this module's error too: every error of
/// the server ends as the `Status` of an answer.
extension StatusError {
    static func details(_ resource: GroupResource, _ name: String = "", uid: String = "") -> JSONObject {
        var details = JSONObject()
        if !name.isEmpty { details["name"] = .string(name) }
        if !resource.group.isEmpty { details["group"] = .string(resource.group) }
        details["kind"] = .string(resource.resource)
        if !uid.isEmpty { details["uid"] = .string(uid) }
        return details
    }

    static func notFound(_ resource: GroupResource, _ name: String) -> StatusError {
        StatusError(code: 404, reason: "NotFound", message: "\(resource) \"\(name)\" not found", details: details(resource, name))
    }

    static func alreadyExists(_ resource: GroupResource, _ name: String) -> StatusError {
        StatusError(code: 409, reason: "AlreadyExists", message: "\(resource) \"\(name)\" already exists", details: details(resource, name))
    }

    static func conflict(_ resource: GroupResource, _ name: String, _ why: String) -> StatusError {
        StatusError(
            code: 409, reason: "Conflict", message: "Operation cannot be fulfilled on \(resource) \"\(name)\": \(why)",
            details: details(resource, name))
    }

    /// The object was changed since the client read it.
    static func modified(_ resource: GroupResource, _ name: String) -> StatusError {
        conflict(resource, name, "the object has been modified; please apply your changes to the latest version and try again")
    }

    static func forbidden(_ resource: GroupResource, _ name: String, _ why: String) -> StatusError {
        let subject = name.isEmpty ? "\(resource)" : "\(resource) \"\(name)\""
        return StatusError(code: 403, reason: "Forbidden", message: "\(subject) is forbidden: \(why)", details: details(resource, name))
    }

    static func methodNotAllowed(_ resource: GroupResource, _ action: String) -> StatusError {
        StatusError(
            code: 405, reason: "MethodNotAllowed", message: "\(action) is not supported on resources of kind \"\(resource)\"",
            details: details(resource))
    }

    static let unauthorized = StatusError(code: 401, reason: "Unauthorized", message: "Unauthorized")

    /// Options of a request that do not fit; `kind` is that of the options.
    static func invalid(options kind: String, _ errors: FieldError...) -> StatusError {
        .invalid(ResourceReference(group: "meta.k8s.io", version: "v1", resource: "", kind: kind, namespaced: false), name: "", errors)
    }

    /// The client knows a revision that this server does not have yet.
    static func tooLargeRevision(_ asked: Int64, _ current: Int64) -> StatusError {
        StatusError(
            code: 504, reason: "Timeout", message: "Too large resource version: \(asked), current: \(current)",
            details: [
                "causes": [["reason": "ResourceVersionTooLarge", "message": "Too large resource version"]], "retryAfterSeconds": 1,
            ])
    }

    static func failure(_ error: any Error) -> StatusError { .internalError("\(error)", cause: error) }

    /// What a failure of the storage is to a client.
    static func failure(_ error: StorageError) -> StatusError {
        error.code == .closed ? .serviceUnavailable("the server is shutting down") : .internalError("\(error)", cause: error)
    }
}
