internal import BlockingCalls
internal import JSONTree
internal import KubeTypes
internal import Logging
internal import Runtime

/// Everything that happens to one pod happens here: one task, one stream of messages, one state.
///
/// ```
/// messages ──> state ──> observation ──> Planner.plan ──> operations (child tasks) ──┐
///    ^                        └────────> status ──> StatusPublisher                  │
///    └───────────────────────────────────────────────────────────────────────────────┘
/// ```
/// Nothing in the loop waits: what takes time runs as a child task and reports back as a message.
actor PodWorker {
    /// What is known of a container only while this agent lives.
    struct Transient: Sendable {
        var activity = ContainerObservation.Activity.idle
        var image = ContainerObservation.Image.unknown
        var imageFailure: (failure: ImageFailure, at: WallTime)?
        var pullBackoff: RestartBackoff.Entry?
        var imageID: String?
        var imageReference: String?
        var restartReason: StopReason?
        /// The container waits after a crash until this time.
        var crashBackoffUntil: WallTime?
        var isRunningPostStart = false
    }

    let uid: String
    let services: PodServices
    let mailbox = Mailbox<PodMessage>()
    let publisher: StatusPublisher
    let logger: Logger

    var manifest: PodManifest
    var record: PodRecord
    /// The last record and manifest written to disk.
    var savedRecord: PodRecord?
    var podIsSaved: Bool
    var transients: [String: Transient] = [:]
    var sandboxActivity = PodObservation.Sandbox.none
    var sandboxRetryAt: WallTime?
    var sandboxFailures = 0
    var runtimeSandbox: SandboxStatus?
    var runtimeContainers: [String: ContainerStatus] = [:]
    /// The containers of the sandbox that was just removed, as they were at the end.
    var removedContainers: [ContainerStatus] = []
    var volumes = PodObservation.Preparation.needed
    var isRefreshingVolumes = false
    var volumesAreStale = false
    var finishRetryAt: WallTime?
    /// Nothing is left but to finish: it begins once this pass has written and told the last status.
    var finishIsDue = false
    var isFinishing = false
    var isFinished = false
    var wakeTask: (at: WallTime, task: Task<Void, Never>)?
    var probeTasks: [ProbeKey: Task<Void, Never>] = [:]
    /// A pod with fields that this node does not support is not started; each version is reported once.
    var reportedRefusal: [String]?
    /// Readers of logs and others, by the container instance or sandbox whose end they wait for.
    var endWaiters: [String: [AsyncStream<Void>.Continuation]] = [:]

    struct ProbeKey: Hashable {
        var container: String
        var id: String
        var kind: ProbeSpec.Kind
    }

    init(manifest: PodManifest, record: PodRecord, isSaved: Bool, services: PodServices) {
        uid = record.uid
        (self.manifest, self.record, self.services) = (manifest, record, services)
        savedRecord = isSaved ? record : nil
        podIsSaved = isSaved
        var logger = services.logger
        logger[metadataKey: "pod"] = "\(manifest.namespace)/\(manifest.name)"
        self.logger = logger
        publisher = StatusPublisher(
            namespace: manifest.namespace, name: manifest.name, uid: record.uid, sent: record.publishedStatus, client: services.client,
            clock: services.clock, logger: logger)
        if record.volumesArePrepared { volumes = .done }
    }

    nonisolated func send(_ message: PodMessage) { mailbox.send(message) }

    /// Looks after the pod until nothing of it is left, or the task is cancelled (the agent stops; the pod goes on).
    func run() async {
        let mailbox = mailbox
        await withDiscardingTaskGroup { group in
            group.addTask { [publisher] in await publisher.run { mailbox.send(.statusPublished) } }
            if savedRecord == nil { await save() }
            if volumes == .done {
                // What changed while no agent was there to see it.
                volumesAreStale = true
                // Before the loop: a watch that began after the pod was forgotten would never end.
                await services.references.watch(manifest.volumeReferences, for: uid) { mailbox.send(.referenceChanged($0)) }
            }
            mailbox.send(.runtimeMoved)
            for await batch in mailbox.batches {
                for message in batch { apply(message) }
                await lookAtRuntime()
                step(&group)
                // On disk before it is told: a new agent must not tell another story than this one.
                await save()
                tell()
                if finishIsDue { finish(&group) }
                if isFinished || Task.isCancelled { break }
            }
            stopTimers()
            group.cancelAll()
        }
    }

    /// One pass: observe, plan, act, remember, tell.
    private func step(_ group: inout DiscardingTaskGroup) {
        guard !isFinished else { return }
        refuse(manifest.unsupportedFields)
        if !isRefused {
            for action in Planner.plan(manifest.spec, observe()) { perform(action, &group) }
            superviseProbes()
            if volumesAreStale, !isRefreshingVolumes, volumes == .done, !finishIsDue, !isFinishing { refreshVolumes(&group) }
        }
        updateStatus()
        releaseEndWaiters()
    }

    private func stopTimers() {
        wakeTask?.task.cancel()
        for task in probeTasks.values { task.cancel() }
        probeTasks = [:]
        for waiter in endWaiters.values.joined() { waiter.finish() }
        endWaiters = [:]
    }

    /// Writes what has to survive a restart, if it has changed. Not while the pod's directory is being removed: a file
    /// written then would bring the directory back, or keep it from going.
    private func save() async {
        let (store, record, pod) = (services.store, record, podIsSaved ? nil : manifest.pod)
        guard !isFinishing, !isFinished, pod != nil || savedRecord != record else { return }
        do {
            try await BlockingThreads.kubelet.run {
                if let pod { try store.save(pod: pod.json, uid: record.uid) }
                try store.save(record)
            }
            savedRecord = record
            podIsSaved = true
        } catch {
            // The pod runs on; a full disk must not take it down. The next change tries again.
            logger.error("cannot save the state of the pod", metadata: ["error": "\(error)"])
        }
    }

    /// Wakes the loop at `time`; of several times the earliest counts.
    func wake(at time: WallTime) {
        let now = services.clock.now()
        if let wakeTask, wakeTask.at <= time, wakeTask.at > now { return }
        wakeTask?.task.cancel()
        let (clock, mailbox) = (services.clock, mailbox)
        // Unstructured, since the next wake replaces it: a group's child cannot be cancelled alone. Ends with the worker.
        wakeTask = (time, Task {
            let delay = time - clock.now()
            if delay > .zero, (try? await clock.sleep(for: delay)) == nil { return }  // Cancelled: replaced by another wake.
            mailbox.send(.wake)
        })
    }

    func event(_ type: EventType, _ reason: String, _ message: String, container: String? = nil) {
        services.events.record(manifest.target(container: container), type, reason: reason, message: message)
    }
}
