internal import JSONTree
internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// Passes what is about a running container on to its node's agent: log, exec, attach, port-forward.
struct NodeProxy: Sendable {
    let connection: NodeConnection
    let nodes: ResourceCache

    // MARK: requests

    func log(_ pod: CachedObject, _ query: QueryItems) throws(StatusError) -> ServerResponse {
        let json = pod.json()
        let container = try container(of: json, name: query["container"])
        // A pod without a node has no log yet, which is not an error.
        guard let node = nonEmpty(json[path: "spec", "nodeName"]) else { return .full(status: .ok, headers: ["content-type": "text/plain"]) }
        let passed = ["follow", "previous", "timestamps", "sinceSeconds", "sinceTime", "tailLines", "limitBytes", "stream"]
        let items = query.items.filter { passed.contains($0.name) && !$0.value.isEmpty }
        return try tunnel(to: node, "containerLogs", pod.key, container, items)
    }

    func exec(_ pod: CachedObject, _ query: QueryItems, attach: Bool) throws(StatusError) -> ServerResponse {
        let json = pod.json()
        let container = try container(of: json, name: query["container"])
        let node = try assignedNode(json, pod.key.name)
        // The agents' names for the streams are older than the API's.
        var items = [("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty")]
            .filter { RequestInfo.flag(query[$0.0]) }.map { QueryItems.Item(name: $0.1, value: "1") }
        if !attach {
            let command = query.all("command")
            guard !command.isEmpty else { throw .badRequest("you must specify at least 1 command for the container") }
            items += command.map { QueryItems.Item(name: "command", value: $0) }
        }
        guard items.contains(where: { ["input", "output", "error"].contains($0.name) }) else {
            throw .badRequest("you must specify at least 1 of stdin, stdout, stderr")
        }
        return try tunnel(to: node, attach ? "attach" : "exec", pod.key, container, items)
    }

    func portForward(_ pod: CachedObject, _ query: QueryItems) throws(StatusError) -> ServerResponse {
        let node = try assignedNode(pod.json(), pod.key.name)
        let items = query.all("ports").map { QueryItems.Item(name: "port", value: $0) }
        return try tunnel(to: node, "portForward", pod.key, nil, items)
    }

    // MARK: containers

    /// The container that is meant: the named one, or the only one.
    private func container(of pod: JSON, name: String?) throws(StatusError) -> String {
        func names(_ list: String) -> [String] { (pod[path: "spec", list]?.array ?? []).compactMap { $0["name"]?.string } }
        let podName = pod[path: "metadata", "name"]?.string ?? ""
        let (containers, initContainers, ephemeral) = (names("containers"), names("initContainers"), names("ephemeralContainers"))
        if let name, !name.isEmpty {
            guard (containers + initContainers + ephemeral).contains(name) else {
                throw .badRequest("container \(name) is not valid for pod \(podName)")
            }
            return name
        }
        if containers.count == 1, initContainers.isEmpty, ephemeral.isEmpty { return containers[0] }
        if let annotated = pod[path: "metadata", "annotations"]?["kubectl.kubernetes.io/default-container"]?.string, containers.contains(annotated) {
            return annotated
        }
        guard !containers.isEmpty else { throw .badRequest("a container name must be specified for pod \(podName)") }
        var choices = "choose one of: [\(containers.joined(separator: " "))]"
        if !initContainers.isEmpty { choices += " or one of the init containers: [\(initContainers.joined(separator: " "))]" }
        if !ephemeral.isEmpty { choices += " or one of the ephemeral containers: [\(ephemeral.joined(separator: " "))]" }
        throw .badRequest("a container name must be specified for pod \(podName), \(choices)")
    }

    // MARK: the way there

    private func assignedNode(_ pod: JSON, _ name: String) throws(StatusError) -> String {
        guard let node = nonEmpty(pod[path: "spec", "nodeName"]) else { throw .badRequest("pod \(name) does not have a host assigned") }
        return node
    }

    private func tunnel(
        to node: String, _ endpoint: String, _ pod: ObjectKey, _ container: String?, _ query: [QueryItems.Item]
    ) throws(StatusError) -> ServerResponse {
        let (host, port) = try address(of: node)
        // The parts are names that passed validation, so they need no escaping.
        var uri = "/\(endpoint)/\(pod.namespace)/\(pod.name)"
        if let container { uri += "/\(container)" }
        let encoded = QueryItems(query).encoded
        if !encoded.isEmpty { uri += "?\(encoded)" }
        return .tunnel(TunnelTarget(host: host, port: port, tls: connection.tls, uri: uri) { error in
            StatusError(
                code: 500, reason: "InternalError", message: "error dialing backend: node \(node) at \(host):\(port): \(error)", cause: error
            ).response
        })
    }

    private func address(of name: String) throws(StatusError) -> (host: String, port: Int) {
        guard let node = nodes.object(namespace: "", name: name)?.json() else { throw .notFound(nodes.resource, name) }
        let addresses = node[path: "status", "addresses"]?.array ?? []
        for type in connection.addressTypes {
            guard let found = addresses.first(where: { $0["type"]?.string == type }), let host = nonEmpty(found["address"]) else { continue }
            let port = node[path: "status", "daemonEndpoints", "kubeletEndpoint", "Port"]?.int ?? 10250
            guard (1...65535).contains(port) else { break }
            return (host, Int(port))
        }
        throw StatusError(code: 500, reason: "InternalError", message: "node \(name) has no address at which its agent can be reached")
    }
}
