internal import KubeHTTP
internal import NIOHTTP1

/// What a path and a method mean: `/api/v1/namespaces/default/pods/web/log` is a get of the log of a pod.
struct RequestInfo: Sendable, Hashable {
    var verb: String
    var group: String
    var version: String
    /// Empty for discovery: `/api/v1` itself.
    var resource: String
    var subresource: String
    var namespace: String
    var name: String

    /// Nil when the path does not lead into a version of an API group.
    init?(_ request: ServerRequest) {
        var parts = request.pathSegments[...]
        switch parts.popFirst() {
        case "api":
            group = ""
        case "apis":
            guard let name = parts.popFirst() else { return nil }
            group = name
        default:
            return nil
        }
        guard let version = parts.popFirst() else { return nil }
        self.version = version
        namespace = ""
        // `namespaces/x/pods` is about pods; `namespaces/x`, `namespaces/x/status` and `namespaces/x/finalize` are about x.
        if parts.first == "namespaces", parts.count > 1 {
            let third = parts.dropFirst(2).first
            namespace = parts[parts.startIndex + 1]
            if let third, third != "status", third != "finalize" { parts = parts.dropFirst(2) }
        }
        resource = parts.popFirst() ?? ""
        name = parts.popFirst() ?? ""
        subresource = parts.popFirst() ?? ""
        guard parts.isEmpty else { return nil }
        if resource == "namespaces" { namespace = name }
        verb = Self.verb(request, isCollection: name.isEmpty)
    }

    private static func verb(_ request: ServerRequest, isCollection: Bool) -> String {
        switch request.method {
        case .GET, .HEAD: !isCollection ? "get" : flag(request.query["watch"]) ? "watch" : "list"
        case .POST: "create"
        case .PUT: "update"
        case .PATCH: "patch"
        case .DELETE: isCollection ? "deletecollection" : "delete"
        default: request.method.rawValue.lowercased()
        }
    }

    /// A boolean in a query: present and not `false` or `0`, as Kubernetes reads it.
    static func flag(_ value: String?) -> Bool {
        guard let value else { return false }
        return value != "false" && value != "0"
    }
}
