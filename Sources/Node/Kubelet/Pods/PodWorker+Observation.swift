internal import Logging
internal import Runtime

extension PodWorker {
    /// Brings the record up to date with what the runtime says, exits included.
    func lookAtRuntime() async {
        guard let id = record.sandboxID else {
            runtimeSandbox = nil
            runtimeContainers = [:]
            // What ended with its sandbox is seen for the last time.
            let last = removedContainers
            removedContainers = []
            for container in manifest.spec.all { await absorb(container.name, last.filter { $0.configuration.name == container.name }) }
            return
        }
        runtimeSandbox = await services.runtime.sandboxes().first { $0.id == id }
        let containers = await services.runtime.containers(in: id)
        runtimeContainers = Dictionary(containers.map { ($0.id, $0) }) { _, last in last }
        for container in manifest.spec.all { await absorb(container.name, containers.filter { $0.configuration.name == container.name }) }
    }

    /// Takes over the latest instance of a container, and its exit.
    private func absorb(_ name: String, _ instances: [ContainerStatus]) async {
        // While a start is under way its outcome says what came of it.
        guard transients[name]?.activity != .starting else { return }
        if let latest = instances.max(by: { $0.configuration.attempt < $1.configuration.attempt }), latest.state != .created {
            let known = record.containers[name]
            if known?.id != latest.id, !(known?.hasInstance ?? false) || latest.configuration.attempt > known?.attempt ?? 0 {
                adopt(name, latest, attempt: latest.configuration.attempt, appliedImage: manifest.spec.container(name)?.image ?? "", backoff: known?.backoff)
            }
        }
        guard var container = record.containers[name], container.hasInstance, container.exit == nil else { return }
        let status = instances.first { $0.id == container.id }
        switch status?.state {
        case .running:
            container.startedAt = status.flatMap(Self.startTime)
            record.containers[name] = container
        case .exited(let exit):
            await finishInstance(name, exit, startedAt: status.flatMap(Self.startTime))
        case .created: break
        case nil:
            // The runtime knows nothing of it: the machine was restarted, or its state was lost.
            let exit = ContainerExit(
                code: 137, reason: "ContainerStatusUnknown", message: "the container could not be located on the node; it used to be running",
                finishedAt: services.clock.now().nanoseconds)
            await finishInstance(name, exit, startedAt: container.startedAt)
        }
    }

    /// Nil for a container that never ran.
    private static func startTime(_ status: ContainerStatus) -> WallTime? {
        status.startedAt == 0 ? nil : WallTime(nanoseconds: status.startedAt)
    }

    /// Makes an instance of the runtime's the latest one.
    func adopt(_ name: String, _ status: ContainerStatus, attempt: UInt32, appliedImage: String, backoff: RestartBackoff.Entry?) {
        var container = record.containers[name] ?? ContainerRecord()
        if let exit = container.exit { container.previous = exit }
        container.id = status.id
        container.attempt = attempt
        container.hasInstance = true
        container.sandboxID = status.sandbox
        container.appliedImage = appliedImage
        container.imageID = transients[name]?.imageReference ?? status.imageID
        container.startedAt = Self.startTime(status)
        container.exit = nil
        container.backoff = backoff
        container.startFailure = nil
        container.killAt = nil
        container.probes = [:]
        for kind in manifest.probes[name]?.keys ?? [:].keys { container.probes[kind] = ProbeState() }
        record.containers[name] = container
        transients[name, default: Transient()].restartReason = nil
        transients[name]?.crashBackoffUntil = nil
        // The same image is looked up again for the next instance: it may have been replaced or removed.
        transients[name]?.image = .unknown
    }

    func finishInstance(_ name: String, _ exit: ContainerExit, startedAt: WallTime?) async {
        guard var container = record.containers[name], let id = container.id else { return }
        var message = exit.message
        if let text = await services.terminationMessage(manifest, container: name, attempt: container.attempt, exit: exit) { message = text }
        container.exit = ContainerRecord.InstanceExit(
            id: id, code: exit.code, signal: exit.signal, reason: exit.reason, message: message, startedAt: startedAt,
            finishedAt: WallTime(nanoseconds: exit.finishedAt))
        container.killAt = nil
        record.containers[name] = container
        transients[name]?.restartReason = nil
        transients[name]?.isRunningPostStart = false
    }

    /// The snapshot that the planner and the status see.
    func observe() -> PodObservation {
        let intent: PodObservation.Intent = record.ending.map { .terminate(removes: $0.failure == nil || $0.isGone || manifest.deletionGrace != nil) } ?? .run
        var containers: [String: ContainerObservation] = [:]
        for container in manifest.spec.all { containers[container.name] = observe(container) }
        return PodObservation(
            now: services.clock.now(), intent: intent, startTime: record.startTime, sandbox: sandboxState, sandboxAttempt: record.sandboxAttempt,
            sandboxRetryAt: sandboxRetryAt, volumes: volumes, containers: containers)
    }

    private var sandboxState: PodObservation.Sandbox {
        switch sandboxActivity {
        case .creating, .stopping: return sandboxActivity
        case .none, .ready, .failed: break
        }
        guard record.sandboxID != nil else { return .none }
        return runtimeSandbox?.state == .ready ? .ready : .failed
    }

    private func observe(_ container: ContainerPlan) -> ContainerObservation {
        let transient = transients[container.name] ?? Transient()
        let known = record.containers[container.name] ?? ContainerRecord()
        var seen = ContainerObservation()
        seen.id = known.id
        seen.attempt = known.attempt
        seen.hasInstance = known.hasInstance
        seen.isInCurrentSandbox = known.hasInstance ? known.sandboxID == record.sandboxID : true
        seen.activity = transient.activity
        seen.image = transient.image
        seen.backoff = known.backoff
        if let failure = known.startFailure {
            seen.retryAt = failure.retryAt
            if failure.retryAt == nil { seen.startFailedAt = failure.at }
        }
        if let exit = known.exit {
            seen.state = .exited(code: exit.code, at: exit.finishedAt)
        } else if known.hasInstance {
            seen.state = .running
        } else if let made = madeInstance(container.name) {
            seen.state = .created
            seen.id = made
        }
        seen.isStarted = !transient.isRunningPostStart && (known.probes[.startup].map { $0.verdict == true } ?? true)
        seen.restartReason = transient.restartReason
        if seen.restartReason == nil, known.hasInstance, known.exit == nil, known.appliedImage != container.image { seen.restartReason = .definitionChanged }
        return seen
    }

    /// A container that was made and never started, left by an agent that died in between.
    private func madeInstance(_ name: String) -> String? {
        guard transients[name]?.activity ?? .idle == .idle else { return nil }
        return runtimeContainers.values.first { $0.configuration.name == name && $0.state == .created }?.id
    }
}
