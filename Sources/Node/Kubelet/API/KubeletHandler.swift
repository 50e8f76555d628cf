internal import JSONTree
public import KubeHTTP
internal import Logging
internal import NIOHTTP1
internal import Runtime

/// The kubelet's API (port 10250): health, pods, container logs, exec, attach and port forwarding. For the API server and administrators only.
public struct KubeletHandler: RequestHandler {
    let dispatcher: PodDispatcher
    let services: PodServices
    let watcher: FileWatcher

    public func respond(to request: ServerRequest) async -> ServerResponse {
        guard let client = request.clientCertificate else { return Self.failure(request, .unauthorized, "Unauthorized", "Unauthorized") }
        guard isAllowed(client) else {
            return Self.failure(request, .forbidden, "Forbidden", "Forbidden (user=\(client.commonName), verb=\(verb(of: request)), resource=nodes)")
        }
        let path = request.pathSegments
        switch (path.first, path.count) {
        case ("healthz", 1): return .text(.ok, "ok")
        case ("pods", 1): return await pods()
        case ("containerLogs", 4): return await LogHandler(self).respond(request, namespace: path[1], pod: path[2], container: path[3])
        case ("exec", 4): return await ExecHandler(self).respond(request, namespace: path[1], pod: path[2], container: path[3])
        case ("exec", 5): return await ExecHandler(self).respond(request, namespace: path[1], pod: path[2], container: path[4])
        case ("attach", 4): return await AttachHandler(self).respond(request, namespace: path[1], pod: path[2], container: path[3])
        case ("attach", 5): return await AttachHandler(self).respond(request, namespace: path[1], pod: path[2], container: path[4])
        case ("portForward", 3): return await PortForwardHandler(self).respond(request, namespace: path[1], pod: path[2])
        // With the pod's UID, which nothing is looked up by.
        case ("portForward", 4): return await PortForwardHandler(self).respond(request, namespace: path[1], pod: path[2])
        default: return Self.failure(request, .notFound, "NotFound", "the server could not find the requested resource")
        }
    }

    private func isAllowed(_ client: ClientCertificate) -> Bool {
        client.organizations.contains("system:masters") || services.configuration.allowedClients.contains(client.commonName)
    }

    /// Commands are always a `create`, whatever the method: a WebSocket begins with a GET.
    private func verb(of request: ServerRequest) -> String {
        switch request.pathSegments.first {
        case "exec", "attach", "portForward": "create"
        default:
            switch request.method {
            case .GET, .HEAD: "get"
            case .DELETE: "delete"
            case .PUT: "update"
            case .PATCH: "patch"
            default: "create"
            }
        }
    }

    private func pods() async -> ServerResponse {
        let list: JSON = ["kind": "PodList", "apiVersion": "v1", "metadata": [:], "items": .array(await dispatcher.pods())]
        return .full(status: .ok, headers: ["content-type": "application/json"], body: list.bytes())
    }

    /// An error in the form that becomes what users know, whoever passes it on.
    ///
    /// Swiftlet's API server passes answers on as they are, and a client that accepts JSON shows a Kubernetes `Status` in
    /// its own words (`Error from server (BadRequest): …`). Upstream's makes the `Status` itself, of the text that it finds,
    /// and clients put an upgrade that failed into theirs: neither says what it accepts.
    static func failure(_ request: ServerRequest, _ status: HTTPResponseStatus, _ reason: String, _ message: String) -> ServerResponse {
        guard acceptsJSON(request) else {
            return .full(status: status, headers: ["content-type": "text/plain; charset=utf-8"], body: Array(message.utf8))
        }
        let body: JSON = [
            "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure", "message": JSON(message), "reason": JSON(reason),
            "code": JSON(status.code),
        ]
        return .full(status: status, headers: ["content-type": "application/json"], body: body.bytes())
    }

    private static func acceptsJSON(_ request: ServerRequest) -> Bool {
        request.headers[canonicalForm: "accept"].contains { value in
            let type = value.prefix { $0 != ";" }.lowercased()
            return ["application/json", "application/*", "*/*"].contains(type)
        }
    }
}
