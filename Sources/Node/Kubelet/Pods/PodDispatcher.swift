internal import JSONTree
internal import KubeTypes
internal import Logging
internal import Runtime

/// Knows the worker of each pod of this node, and brings messages to it.
actor PodDispatcher {
    private let services: PodServices
    private var workers: [String: PodWorker] = [:]
    /// Workers that still have to be run, taken by ``run()``.
    private let started: AsyncStream<PodWorker>
    private let startWorker: AsyncStream<PodWorker>.Continuation

    init(services: PodServices) {
        self.services = services
        (started, startWorker) = AsyncStream.makeStream()
    }

    /// Runs every pod's worker until cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await worker in started {
                group.addTask {
                    await worker.run()
                    await self.ended(worker)
                }
            }
            group.cancelAll()
        }
    }

    private func ended(_ worker: PodWorker) async {
        if workers[worker.uid] === worker { workers[worker.uid] = nil }
    }

    // MARK: Where pods come from

    /// Takes over the pods of an earlier agent, before anything is known from the API server.
    func adopt(_ saved: [PodStore.Saved]) {
        for pod in saved {
            do {
                start(PodManifest(try Pod(json: pod.pod)), record: pod.record, isSaved: true)
            } catch {
                services.logger.error("cannot read a saved pod", metadata: ["uid": "\(pod.record.uid)", "error": "\(error)"])
            }
        }
    }

    /// A pod of this node as the API server has it now.
    func changed(_ pod: Pod) async {
        let manifest = PodManifest(pod)
        if let worker = workers[manifest.uid] {
            worker.send(.changed(pod))
            return
        }
        guard PodStore.isValid(uid: manifest.uid) else {
            services.logger.error("a pod has no usable UID", metadata: ["pod": "\(manifest.namespace)/\(manifest.name)"])
            return
        }
        let phase = manifest.status["phase"]?.string
        // It has ended for good on this node before, and nothing of it is left here: there is nothing to do but to let it go.
        if phase == PodPhase.succeeded.rawValue || phase == PodPhase.failed.rawValue {
            if manifest.deletionGrace != nil { await finish(manifest) }
            return
        }
        var record = PodRecord(uid: manifest.uid, startTime: services.clock.now())
        if let grace = manifest.deletionGrace { record.ending = .init(grace: grace, isGone: false, failure: nil) }
        start(manifest, record: record, isSaved: false)
    }

    private func finish(_ manifest: PodManifest) async {
        do {
            try await services.client.finishPod(namespace: manifest.namespace, name: manifest.name, uid: manifest.uid)
        } catch {
            services.logger.warning("cannot finish a pod's deletion", metadata: ["pod": "\(manifest.namespace)/\(manifest.name)", "error": "\(error)"])
        }
    }

    func removed(_ pod: Pod) {
        guard let uid = pod.metadata.uid else { return }
        workers[uid]?.send(.removed(pod))
    }

    /// The API server's whole list: pods that went while no agent was watching end now.
    func synchronized(uids: Set<String>) {
        for (uid, worker) in workers where !uids.contains(uid) { worker.send(.removed(nil)) }
    }

    private func start(_ manifest: PodManifest, record: PodRecord, isSaved: Bool) {
        let worker = PodWorker(manifest: manifest, record: record, isSaved: isSaved, services: services)
        workers[record.uid] = worker
        startWorker.yield(worker)
    }

    /// A token of a pod's volumes is to be renewed. False if there is no such pod.
    func tokenDue(uid: String) -> Bool {
        workers[uid]?.send(.tokenDue)
        return workers[uid] != nil
    }

    // MARK: What the runtime says

    func runtimeMoved(sandbox: String) async {
        for status in await services.runtime.sandboxes() where status.id == sandbox {
            workers[status.configuration.uid]?.send(.runtimeMoved)
            return
        }
        // A sandbox that the runtime has forgotten: whose it was is not known, so everyone looks.
        for worker in workers.values { worker.send(.runtimeMoved) }
    }

    // MARK: What the API of the kubelet asks

    /// The running or last instance of a container, by pod name.
    func worker(namespace: String, name: String) async -> PodWorker? {
        var ending: PodWorker?
        for worker in workers.values {
            let identity = await worker.identity
            guard identity.namespace == namespace, identity.name == name else { continue }
            // A pod that ends may share its name with the one that follows it.
            if !identity.isEnding { return worker }
            ending = worker
        }
        return ending
    }

    func pods() async -> [JSON] {
        var pods: [JSON] = []
        for worker in workers.values.sorted(by: { $0.uid < $1.uid }) { pods.append(await worker.document) }
        return pods
    }
}
