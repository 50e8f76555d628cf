internal import Logging
extension PodWorker {
    /// Keeps a task for each probe that is to run now, and ends those whose container has gone.
    func superviseProbes() {
        var wanted: Set<ProbeKey> = []
        for container in manifest.spec.all where container.role != .initialization {
            guard let known = record.containers[container.name], let id = known.id, known.exit == nil, known.hasInstance else { continue }
            let probes = manifest.probes[container.name] ?? [:]
            guard transients[container.name]?.isRunningPostStart != true else { continue }
            let hasStarted = probes[.startup] == nil || known.probes[.startup]?.verdict == true
            for (kind, spec) in probes {
                // Until the startup probe has passed, no other one runs; after that it has done its work.
                guard (kind == .startup) != hasStarted else { continue }
                // A pod that ends is not restarted for its health.
                if record.ending != nil, kind != .readiness { continue }
                // After its verdict a failed liveness or startup probe waits for the restart.
                if kind != .readiness, known.probes[kind]?.verdict == false { continue }
                let key = ProbeKey(container: container.name, id: id, kind: kind)
                wanted.insert(key)
                if probeTasks[key] == nil { probeTasks[key] = startProbe(key, spec, since: known.startedAt) }
            }
        }
        for (key, task) in probeTasks where !wanted.contains(key) {
            task.cancel()
            probeTasks[key] = nil
        }
    }

    private func startProbe(_ key: ProbeKey, _ spec: ProbeSpec, since startedAt: WallTime?) -> Task<Void, Never> {
        let (clock, probes, mailbox) = (services.clock, services.probes, mailbox)
        let address = manifest.usesHostNetwork ? services.node.addresses.first ?? "127.0.0.1" : record.addresses.first ?? "127.0.0.1"
        let begin = (startedAt ?? clock.now()) + spec.initialDelay
        // Unstructured, since it ends when its container does, which a group's child cannot; cancelled by the worker.
        return Task {
            let now = clock.now()
            do {
                if begin > now { try await clock.sleep(for: begin - now) }
                while true {
                    let outcome = await probes.run(spec.check, timeout: spec.timeout, container: key.id, address: address)
                    try Task.checkCancellation()
                    mailbox.send(.probed(container: key.container, id: key.id, key.kind, outcome))
                    try await clock.sleep(for: spec.period)
                }
            } catch {
                // Cancelled: the container or the worker has ended.
            }
        }
    }

    /// Counts an outcome; a changed verdict changes readiness or restarts the container.
    func probed(_ name: String, _ id: String, _ kind: ProbeSpec.Kind, _ outcome: ProbeOutcome) {
        guard var container = record.containers[name], container.id == id, container.exit == nil, let spec = manifest.probes[name]?[kind] else { return }
        let success: Bool
        switch outcome {
        case .success: success = true
        case .failure(let output):
            success = false
            event(.warning, "Unhealthy", "\(kind.rawValue) probe failed: \(output)", container: name)
        case .error(let message):
            success = false
            event(.warning, "Unhealthy", "\(kind.rawValue) probe errored and resulted in failure state: \(message)", container: name)
        }
        var state = container.probes[kind] ?? ProbeState()
        let changed = state.record(success: success, spec)
        container.probes[kind] = state
        record.containers[name] = container
        guard changed, !success else { return }
        switch kind {
        case .liveness: transients[name, default: Transient()].restartReason = .livenessProbeFailed
        case .startup: transients[name, default: Transient()].restartReason = .startupProbeFailed
        case .readiness: break
        }
    }
}
