/// Decides what a pod needs next, from its specification and what is known of it. No clock, no I/O, no memory.
///
/// ```
/// volumes ─┐
///          ├─> init containers, one after another; sidecars stay ─> containers ─> restarts by policy ─> finished
/// sandbox ─┘
/// ```
/// The same input gives the same actions, and an action that is under way is not asked for again; so the worker may
/// plan as often as it likes.
enum Planner {
    static func plan(_ spec: PodPlanSpec, _ observation: PodObservation) -> [PodAction] {
        if case .terminate(let removes) = observation.intent { return planTermination(spec, observation, removes: removes) }
        if PodProgress.isFinished(spec, observation) { return planFinished(spec, observation) }
        var actions: [PodAction] = []
        if let limit = spec.activeDeadline {
            let deadline = observation.startTime + limit
            if observation.now >= deadline { return [.exceedDeadline] }
            actions.append(.wake(at: deadline))
        }
        switch observation.volumes {
        case .needed: actions.append(.prepareVolumes)
        case .failed(let retryAt): actions.append(observation.now >= retryAt ? .prepareVolumes : .wake(at: retryAt))
        case .inProgress, .done: break
        }
        switch observation.sandbox {
        case .none: actions.append(planSandbox(spec, observation))
        case .failed: return actions + planLostSandbox(spec, observation)
        case .ready where observation.volumes == .done: actions += planContainers(spec, observation)
        case .ready, .creating, .stopping: break
        }
        return actions
    }

    // MARK: Sandbox

    private static func planSandbox(_ spec: PodPlanSpec, _ observation: PodObservation) -> PodAction {
        if let retryAt = observation.sandboxRetryAt, observation.now < retryAt { return .wake(at: retryAt) }
        return .createSandbox(attempt: observation.sandboxAttempt)
    }

    /// The shim or the network is gone: give back what is left; the next plan makes a new sandbox.
    private static func planLostSandbox(_ spec: PodPlanSpec, _ observation: PodObservation) -> [PodAction] {
        isQuiet(spec, observation) ? [.stopSandbox] : []
    }

    // MARK: Containers

    private static func planContainers(_ spec: PodPlanSpec, _ observation: PodObservation) -> [PodAction] {
        var actions: [PodAction] = []
        let initialized = PodProgress.isInitialized(spec, observation)
        for container in spec.initContainers {
            let seen = observation.container(container.name)
            if container.role == .sidecar {
                actions += planOne(container, .always, seen, observation.now)
                // The next one waits until this one has started; once initialized, sidecars restart on their own.
                if !initialized, !(seen.isRunning && seen.isInCurrentSandbox && seen.isStarted) { return actions }
            } else if !initialized {
                if case .exited(0, _) = seen.state, seen.isInCurrentSandbox, seen.startFailedAt == nil { continue }
                return actions + planOne(container, spec.restartPolicy == .never ? .never : .onFailure, seen, observation.now)
            }
        }
        for container in spec.containers {
            actions += planOne(container, spec.restartPolicy, observation.container(container.name), observation.now)
        }
        return actions
    }

    /// What one container whose turn it is needs.
    private static func planOne(
        _ container: ContainerPlan, _ policy: PodPlanSpec.RestartPolicy, _ seen: ContainerObservation, _ now: WallTime
    ) -> [PodAction] {
        guard seen.activity == .idle else { return [] }
        switch seen.state {
        case .created:
            // Made, but never executed: its agent died in between. It is replaced, not counted as a restart.
            return seen.id.map { [.discardContainer(name: container.name, id: $0)] } ?? []
        case .running:
            guard let id = seen.id, let reason = seen.isInCurrentSandbox ? seen.restartReason : .sandboxLost else { return [] }
            return [.stopContainer(name: container.name, id: id, reason: reason)]
        case .none:
            return start(container, seen, failedAt: seen.startFailedAt, now)
        case .exited(let code, let finishedAt):
            let failedAt = max(finishedAt, seen.startFailedAt ?? finishedAt)
            if seen.startFailedAt == nil {
                // In a new sandbox an init container runs again, and so does whatever has not finished for good.
                let finished = policy == .never || (policy == .onFailure && code == 0)
                let runsAnew = !seen.isInCurrentSandbox && container.role == .initialization
                if finished, !runsAnew { return [] }
            }
            return start(container, seen, failedAt: failedAt, now)
        }
    }

    private static func start(_ container: ContainerPlan, _ seen: ContainerObservation, failedAt: WallTime?, _ now: WallTime) -> [PodAction] {
        if let retryAt = seen.retryAt, now < retryAt { return [.wake(at: retryAt)] }
        var entry = seen.backoff
        if let failedAt {
            if let retryAt = RestartBackoff.retryTime(after: entry, failedAt: failedAt), now < retryAt {
                return [.backOff(container: container.name, until: retryAt, isImage: false), .wake(at: retryAt)]
            }
            entry = RestartBackoff.entry(after: entry, failedAt: failedAt, now: now)
        }
        switch seen.image {
        case .unknown: return [.ensureImage(container: container.name)]
        case .failed(let retryAt) where now < retryAt:
            return [.backOff(container: container.name, until: retryAt, isImage: true), .wake(at: retryAt)]
        case .failed: return [.ensureImage(container: container.name)]
        case .present: break
        }
        let attempt = seen.hasInstance ? seen.attempt + 1 : seen.attempt
        return [.startContainer(name: container.name, attempt: attempt, backoff: entry)]
    }

    // MARK: The end

    /// Everything has exited for good: sidecars go, then the sandbox; the API object stays until it is deleted.
    private static func planFinished(_ spec: PodPlanSpec, _ observation: PodObservation) -> [PodAction] {
        planStop(spec, observation, reason: .podFinished)
    }

    private static func planTermination(_ spec: PodPlanSpec, _ observation: PodObservation, removes: Bool) -> [PodAction] {
        let actions = planStop(spec, observation, reason: .podTermination)
        guard removes, actions.isEmpty, observation.sandbox == .none, isQuiet(spec, observation), observation.volumes != .inProgress else { return actions }
        return [.finish]
    }

    /// Containers first and all at once, then the sidecars in the reverse of their order, then the sandbox.
    private static func planStop(_ spec: PodPlanSpec, _ observation: PodObservation, reason: StopReason) -> [PodAction] {
        let first = spec.containers + spec.initContainers.filter { $0.role == .initialization }
        let waves = [first] + spec.initContainers.filter { $0.role == .sidecar }.reversed().map { [$0] }
        for wave in waves {
            var actions: [PodAction] = []
            var isBusy = false
            for container in wave {
                let seen = observation.container(container.name)
                if seen.activity != .idle { isBusy = true } else if seen.isAlive, let id = seen.id {
                    let discard = seen.state == .created
                    actions.append(discard ? .discardContainer(name: container.name, id: id) : .stopContainer(name: container.name, id: id, reason: reason))
                }
            }
            if isBusy || !actions.isEmpty { return actions }
        }
        switch observation.sandbox {
        case .ready, .failed: return [.stopSandbox]
        case .none, .creating, .stopping: return []
        }
    }

    private static func isQuiet(_ spec: PodPlanSpec, _ observation: PodObservation) -> Bool {
        spec.all.allSatisfy { observation.container($0.name).activity == .idle }
    }
}
