internal import KubeTypes
internal import JSONTree
internal import Runtime

/// What the kubelet's API asks of a pod.
extension PodWorker {
    var identity: (namespace: String, name: String, isEnding: Bool) { (manifest.namespace, manifest.name, record.ending != nil) }

    /// The pod with the status of this moment.
    var document: JSON {
        var pod = manifest.pod.json
        if let status = record.publishedStatus { pod["status"] = status }
        return pod
    }

    var containerNames: [String] { manifest.spec.all.map(\.name) }

    /// The running instance of a container; nil if it does not run.
    func runningContainer(_ name: String) -> (id: String, tty: Bool, stdin: Bool)? {
        guard let container = record.containers[name], container.hasInstance, container.exit == nil, let id = container.id else { return nil }
        let spec = manifest.container(name)
        return (id, spec?.tty ?? false, spec?.stdin ?? false)
    }

    struct LogSource: Sendable {
        var path: String
        /// Still running: there may be more to come.
        var id: String?
    }

    /// The log of the latest, or the previous, instance of a container.
    func logSource(_ name: String, previous: Bool) throws -> LogSource {
        guard manifest.spec.container(name) != nil else {
            throw KubeletError(.badRequest, "container \(name) is not valid for pod \(manifest.name)")
        }
        let directory = services.store.logDirectory(namespace: manifest.namespace, name: manifest.name, uid: uid) + "/" + name
        guard let container = record.containers[name], container.hasInstance else {
            throw KubeletError(.badRequest, "container \"\(name)\" in pod \"\(manifest.name)\" is waiting to start: \(waitingReason(name))")
        }
        if previous {
            // While a container waits for its next start, its latest instance is the one that came before.
            if container.exit != nil, isWaiting(name) { return LogSource(path: "\(directory)/\(container.attempt).log", id: nil) }
            guard container.previous != nil, container.attempt > 0 else {
                throw KubeletError(.badRequest, "previous terminated container \"\(name)\" in pod \"\(manifest.name)\" not found")
            }
            return LogSource(path: "\(directory)/\(container.attempt - 1).log", id: nil)
        }
        return LogSource(path: "\(directory)/\(container.attempt).log", id: container.exit == nil ? container.id : nil)
    }

    /// Ends when the instance does.
    func end(of id: String) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream()
        guard record.containers.values.contains(where: { $0.id == id && $0.exit == nil }) else {
            continuation.finish()
            return stream
        }
        endWaiters[id, default: []].append(continuation)
        return stream
    }

    /// The sandbox, while it works, and a stream that ends with it.
    func readySandbox() -> (id: String, ended: AsyncStream<Void>)? {
        guard let sandbox = runtimeSandbox, sandbox.state == .ready else { return nil }
        let (stream, continuation) = AsyncStream<Void>.makeStream()
        endWaiters[sandbox.id, default: []].append(continuation)
        return (sandbox.id, stream)
    }

    private func isAlive(_ id: String) -> Bool {
        if let sandbox = runtimeSandbox, sandbox.id == id { return sandbox.state == .ready && sandboxActivity != .stopping }
        return record.containers.values.contains { $0.id == id && $0.exit == nil }
    }

    private func isWaiting(_ name: String) -> Bool { statusEntry(name)?[path: "state", "waiting"] != nil }

    /// What a reader of the log is told; what an image's failure means is said in more words.
    private func waitingReason(_ name: String) -> String {
        switch statusEntry(name)?[path: "state", "waiting", "reason"]?.string ?? ContainerStatusBuilder.creating {
        case "ErrImagePull": "image can't be pulled"
        case "ImagePullBackOff": "trying and failing to pull image"
        case let reason: reason
        }
    }

    private func statusEntry(_ name: String) -> JSON? {
        let lists = ["containerStatuses", "initContainerStatuses"].flatMap { record.publishedStatus?[$0]?.array ?? [] }
        return lists.first { $0["name"]?.string == name }
    }

    /// Tells those who wait for the end of an instance or of the sandbox.
    func releaseEndWaiters() {
        for (id, waiters) in endWaiters where !isAlive(id) {
            for waiter in waiters { waiter.finish() }
            endWaiters[id] = nil
        }
    }
}
