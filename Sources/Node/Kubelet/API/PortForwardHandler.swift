internal import KubeHTTP
internal import Logging
internal import NIOHTTP1
internal import Runtime

/// `/portForward/<namespace>/<pod>`: TCP connections to ports of a pod.
///
/// Two protocols: SPDY/3.1, any number of connections with two streams each, inside a WebSocket (KEP-4006; kubectl since 1.30)
/// or as it is; and one with two channels of a WebSocket a port and one connection for each port of the query.
struct PortForwardHandler: Sendable {
    static let tunnelSubprotocol = "SPDY/3.1+portforward.k8s.io"
    static let streamProtocolHeader = "x-stream-protocol-version"
    static let streamProtocol = "portforward.k8s.io"
    static let channelSubprotocols = ["v4.channel.k8s.io"]

    private let handler: KubeletHandler

    init(_ handler: KubeletHandler) { self.handler = handler }

    func respond(_ request: ServerRequest, namespace: String, pod: String) async -> ServerResponse {
        guard let worker = await handler.dispatcher.worker(namespace: namespace, name: pod) else {
            return KubeletHandler.failure(request, .notFound, "NotFound", "pod \"\(pod)\" not found")
        }
        guard let sandbox = await worker.readySandbox() else {
            return KubeletHandler.failure(request, .internalServerError, "InternalError", "sandbox not found for pod \"\(pod)\"")
        }
        let forwarder = PortForwarder(
            runtime: handler.services.runtime, sandbox: sandbox.id, pod: "\(pod)_\(namespace)", uid: worker.uid, logger: handler.services.logger)
        if request.asksForSPDY { return Self.upgrade(request, forwarder, sandbox.ended) }
        let offered = request.headers[canonicalForm: "sec-websocket-protocol"].map(String.init)
        guard request.asksForWebSocket else {
            return KubeletHandler.failure(request, .badRequest, "BadRequest", "unable to upgrade: expected a WebSocket with the subprotocol \(Self.tunnelSubprotocol)")
        }
        if offered.contains(Self.tunnelSubprotocol) {
            return .webSocket(subprotocol: Self.tunnelSubprotocol) { connection in
                try await Self.until(sandbox.ended) { try await forwarder.serveStreams(SPDYConnection(.init(connection))) }
            }
        }
        if let subprotocol = Self.channelSubprotocols.first(where: { offered.contains($0) }) {
            let ports: [UInt16]
            do { ports = try Self.ports(of: request.query) } catch {
                return KubeletHandler.failure(request, .badRequest, "BadRequest", error.message)
            }
            return .webSocket(subprotocol: subprotocol) { connection in
                try await Self.until(sandbox.ended) { try await forwarder.serveChannels(connection, ports: ports) }
            }
        }
        return KubeletHandler.failure(
            request, .badRequest, "BadRequest",
            "expected a WebSocket with one of \(([Self.tunnelSubprotocol] + Self.channelSubprotocols).joined(separator: ", ")), found \(offered.isEmpty ? "none" : offered.joined(separator: ", "))")
    }

    /// SPDY as it is: how clients ask that do not know the tunnel, and API servers of others.
    private static func upgrade(_ request: ServerRequest, _ forwarder: PortForwarder, _ ended: AsyncStream<Void>) -> ServerResponse {
        var headers: HTTPHeaders = ["connection": "Upgrade", "upgrade": "SPDY/3.1"]
        let offered = request.headers[canonicalForm: streamProtocolHeader].map(String.init)
        guard offered.isEmpty || offered.contains(streamProtocol) else {
            return KubeletHandler.failure(
                request, .forbidden, "Forbidden", "unable to upgrade: unable to negotiate protocol: client supports \(offered), server accepts [\(streamProtocol)]")
        }
        if !offered.isEmpty { headers.add(name: streamProtocolHeader, value: streamProtocol) }
        return .upgrade(headers: headers) { connection in
            try await until(ended) { try await forwarder.serveStreams(SPDYConnection(.init(connection))) }
        }
    }

    /// `port=80&port=81` or `port=80,81`, as clients have it.
    static func ports(of query: QueryItems) throws(KubeletError) -> [UInt16] {
        let words = (query.all("port") + query.all("ports")).flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
        guard !words.isEmpty else { throw KubeletError(.badRequest, "query parameter \"port\" is required") }
        // Two channels each, and a channel's number is one byte.
        guard words.count <= 127 else { throw KubeletError(.badRequest, "expected at most 127 ports, found \(words.count)") }
        var ports: [UInt16] = []
        for word in words {
            guard let port = UInt16(word), port > 0 else {
                throw KubeletError(.badRequest, "query parameter \"port\" must be a number from 1 to 65535, found \"\(word)\"")
            }
            ports.append(port)
        }
        return ports
    }

    /// Runs the body, but not longer than the pod's sandbox is there: an open socket would keep its network namespace alive.
    private static func until(_ ended: AsyncStream<Void>, _ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask(operation: body)
            group.addTask { for await _ in ended {} }
            defer { group.cancelAll() }
            try await group.next()
        }
    }
}

/// Forwards the connections of one client to one pod.
struct PortForwarder: Sendable {
    var runtime: any ContainerRuntime
    var sandbox: String
    /// `name_namespace`.
    var pod: String
    var uid: String
    var logger: Logger

    /// Forwards one connection until it has ended.
    /// - Returns: what to tell the client, if there was no connection.
    func forward(_ port: UInt16, _ stream: ForwardedStream) async throws -> String? {
        let connection: PodConnection
        do {
            connection = try await PodConnection.open(runtime, sandbox: sandbox, port: port)
        } catch {
            try Task.checkCancellation()
            return "error forwarding port \(port) to pod \(pod), uid \(uid): \(error)"
        }
        try await connection.carry(stream)
        return nil
    }
}
