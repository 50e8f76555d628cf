internal import KubeHTTP
internal import Logging
internal import NIOHTTP1

/// `GET /containerLogs/<namespace>/<pod>/<container>`: what `kubectl logs` reads.
struct LogHandler {
    private let handler: KubeletHandler

    init(_ handler: KubeletHandler) { self.handler = handler }

    func respond(_ request: ServerRequest, namespace: String, pod: String, container: String) async -> ServerResponse {
        guard request.method == .GET else { return KubeletHandler.failure(request, .methodNotAllowed, "MethodNotAllowed", "expected GET, found \(request.method)") }
        guard let worker = await handler.dispatcher.worker(namespace: namespace, name: pod) else {
            return KubeletHandler.failure(request, .notFound, "NotFound", "pod \"\(pod)\" not found")
        }
        do {
            let options = try LogOptions(query: { request.query[$0] }, now: handler.services.clock.now())
            let source = try await worker.logSource(container, previous: options.previous)
            guard HostFiles.exists(source.path) || source.id != nil else {
                return KubeletHandler.failure(request, .notFound, "NotFound", "the log of container \"\(container)\" in pod \"\(pod)\" is gone")
            }
            let ended: AsyncStream<Void>
            if let id = source.id, options.follow { ended = await worker.end(of: id) } else { ended = AsyncStream { $0.finish() } }
            let reader = LogReader(path: source.path, options: options, watcher: handler.watcher)
            return .stream(status: .ok, headers: ["content-type": "text/plain; charset=utf-8"]) { writer in
                try await reader.run(ended: ended) { try await writer.write($0) }
            }
        } catch let error as KubeletError {
            return KubeletHandler.failure(request, .badRequest, "BadRequest", error.message)
        } catch {
            return KubeletHandler.failure(request, .internalServerError, "InternalError", "\(error)")
        }
    }
}
