import APIServer
import JSONTree
import KubeHTTP
import NIOHTTP1
import Testing

let rbac = "/apis/rbac.authorization.k8s.io/v1"
let accessReviews = "/apis/authorization.k8s.io/v1"
let identityReviews = "/apis/authentication.k8s.io/v1"

extension ClientCertificate {
    static func user(_ name: String, _ groups: String...) -> ClientCertificate { ClientCertificate(commonName: name, organizations: groups) }
    static func node(_ name: String) -> ClientCertificate { user("system:node:\(name)", "system:nodes") }
    static func account(_ name: String, in namespace: String = "kube-system") -> ClientCertificate {
        user("system:serviceaccount:\(namespace):\(name)", "system:serviceaccounts", "system:serviceaccounts:\(namespace)")
    }
}

extension TestServer {
    /// A request with headers of its own.
    func call(_ method: HTTPMethod, _ target: String, _ body: JSON? = nil, headers: HTTPHeaders, as certificate: ClientCertificate? = nil) async -> Answer {
        var headers = headers
        if body != nil { headers.add(name: "Content-Type", value: "application/json") }
        let parts = target.split(separator: "?", maxSplits: 1)
        return await Answer(server.respond(to: ServerRequest(
            method: method, path: String(parts[0]), query: parts.count == 2 ? QueryItems(parsing: parts[1]) : [:], headers: headers,
            clientCertificate: certificate, body: .bytes(body?.bytes() ?? []))))
    }

    func call(_ method: HTTPMethod, _ target: String, _ body: JSON? = nil, token: String) async -> Answer {
        await call(method, target, body, headers: ["Authorization": "Bearer \(token)"])
    }

    /// Makes a role and binds it to a user, in a namespace or, without one, in the cluster.
    func grant(_ user: String, _ rules: JSON, namespace: String? = nil, name: String = "granted") async throws {
        let prefix = namespace.map { "\(rbac)/namespaces/\($0)/" } ?? "\(rbac)/cluster"
        let kind = namespace == nil ? "ClusterRole" : "Role"
        try await create("\(prefix)roles", .role(kind, name, rules))
        try await create("\(prefix)rolebindings", .binding(kind + "Binding", name, to: kind, name, [.userSubject(user)]))
    }
}

extension JSON {
    static func role(_ kind: String, _ name: String, _ rules: JSON) -> JSON {
        ["apiVersion": "rbac.authorization.k8s.io/v1", "kind": .string(kind), "metadata": ["name": .string(name)], "rules": rules]
    }

    static func binding(_ kind: String, _ name: String, to roleKind: String, _ role: String, _ subjects: [JSON]) -> JSON {
        [
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": .string(kind), "metadata": ["name": .string(name)],
            "roleRef": ["apiGroup": "rbac.authorization.k8s.io", "kind": .string(roleKind), "name": .string(role)], "subjects": .array(subjects),
        ]
    }

    static func userSubject(_ name: String) -> JSON { ["kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": .string(name)] }

    static func rule(_ verbs: [String], _ resources: [String], group: String = "") -> JSON {
        ["apiGroups": [.string(group)], "resources": JSON(resources), "verbs": JSON(verbs)]
    }

    static func serviceAccount(_ name: String) -> JSON { ["apiVersion": "v1", "kind": "ServiceAccount", "metadata": ["name": .string(name)]] }
}
