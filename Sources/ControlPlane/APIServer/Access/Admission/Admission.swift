internal import JSONTree
internal import KubeAPI

/// A write as admission sees it: authorized, decoded, defaulted, not yet validated or stored.
struct AdmissionRequest: Sendable {
    enum Operation: String, Sendable { case create, update, delete }

    let operation: Operation
    let resource: GroupResource
    /// Empty for the object itself.
    var subresource = ""
    let namespace: String
    /// Empty if the server makes the name.
    let name: String
    let user: User
    /// The object as it is to be; nil for a delete. Plugins may change it.
    var object: JSON?
    /// As it is; nil for a create.
    var old: JSON?
}

/// Judges writes by who makes them and by other objects, and sets what depends on these.
protocol AdmissionPlugin: Sendable {
    func admit(_ request: inout AdmissionRequest) async throws(StatusError)
}

/// The plugins, one after the other.
struct AdmissionChain: Sendable {
    var plugins: [any AdmissionPlugin] = []

    func admit(_ request: inout AdmissionRequest) async throws(StatusError) {
        for plugin in plugins { try await plugin.admit(&request) }
    }
}

extension ObjectStore {
    /// Asks admission about a new object.
    func admit(new object: inout JSON, namespace: String, user: User) async throws(StatusError) {
        var request = AdmissionRequest(
            operation: .create, resource: resource, namespace: definition.namespaced ? namespace : "",
            name: object[path: "metadata", "name"]?.string ?? "", user: user, object: object)
        try await environment.admission.admit(&request)
        object = request.object ?? object
    }

    /// Asks admission about a change. What the server changes by itself is not asked for.
    func admit(_ object: inout JSON, old: JSON, key: ObjectKey, part: Part, user: User) async throws(StatusError) {
        let subresource: String
        switch part {
        case .whole: subresource = ""
        case .status: subresource = "status"
        case .approval: subresource = "approval"
        case .finalizers: subresource = "finalize"
        default: return
        }
        var request = AdmissionRequest(
            operation: .update, resource: resource, subresource: subresource, namespace: key.namespace, name: key.name, user: user, object: object, old: old)
        try await environment.admission.admit(&request)
        object = request.object ?? object
    }

    /// Asks admission about a delete.
    func admitDelete(of old: JSON, key: ObjectKey, user: User) async throws(StatusError) {
        var request = AdmissionRequest(operation: .delete, resource: resource, namespace: key.namespace, name: key.name, user: user, old: old)
        try await environment.admission.admit(&request)
    }
}
