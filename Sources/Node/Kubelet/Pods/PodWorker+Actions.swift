internal import Logging
internal import KubeTypes
internal import Runtime

extension PodWorker {
    /// Begins an action: marks what is under way, starts the operation, says so in events.
    func perform(_ action: PodAction, _ group: inout DiscardingTaskGroup) {
        switch action {
        case .wake(let time): wake(at: time)
        case .prepareVolumes: prepareVolumes(&group)
        case .createSandbox(let attempt): createSandbox(attempt, &group)
        case .stopSandbox: stopSandbox(&group)
        case .ensureImage(let name): ensureImage(name, &group)
        case .startContainer(let name, let attempt, let backoff): startContainer(name, attempt, backoff, &group)
        case .stopContainer(let name, let id, let reason): stopContainer(name, id, reason, &group)
        case .discardContainer(let name, let id): discardContainer(name, id, &group)
        case .backOff(let name, let until, let isImage): backOff(name, until, isImage: isImage)
        case .exceedDeadline:
            let failure = PodRecord.Failure(reason: "DeadlineExceeded", message: "Pod was active on the node longer than the specified deadline")
            record.ending = PodRecord.Ending(grace: manifest.terminationGrace, isGone: false, failure: failure)
            event(.normal, "DeadlineExceeded", failure.message)
            mailbox.send(.wake)
        case .finish: finishWhenSaved()
        }
    }

    private func prepareVolumes(_ group: inout DiscardingTaskGroup) {
        volumes = .inProgress
        let (manifest, services, mailbox, addresses) = (manifest, services, mailbox, record.addresses)
        group.addTask {
            await services.references.watch(manifest.volumeReferences, for: manifest.uid) { mailbox.send(.referenceChanged($0)) }
            do {
                try await services.volumes.prepare(manifest, addresses: addresses)
                mailbox.send(.volumesPrepared(nil))
            } catch let error as KubeletError {
                mailbox.send(.volumesPrepared(error))
            } catch {
                mailbox.send(.volumesPrepared(KubeletError(.failedMount, "\(error)")))
            }
        }
    }

    /// Brings volumes from the API up to date, while containers read them.
    func refreshVolumes(_ group: inout DiscardingTaskGroup) {
        (isRefreshingVolumes, volumesAreStale) = (true, false)
        let (manifest, services, mailbox, addresses, logger) = (manifest, services, mailbox, record.addresses, logger)
        group.addTask {
            do {
                try await services.volumes.refresh(manifest, addresses: addresses)
            } catch {
                // The files stay as they were: the pod goes on with what it has.
                logger.warning("cannot update a volume", metadata: ["error": "\(error)"])
            }
            mailbox.send(.volumesRefreshed)
        }
    }

    private func createSandbox(_ attempt: UInt32, _ group: inout DiscardingTaskGroup) {
        sandboxActivity = .creating
        if record.containers.values.contains(where: \.hasInstance) {
            event(.normal, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        }
        let (manifest, services, mailbox) = (manifest, services, mailbox)
        group.addTask {
            do {
                let configuration = try SandboxBuilder(manifest: manifest, services: services).build(attempt: attempt)
                try HostFiles.makeDirectory(configuration.logDirectory)
                let sandbox = try await services.runtime.runSandbox(configuration)
                if manifest.pod.spec.hostNetwork != true { await services.traffic.prepare(manifest.pod, addresses: sandbox.addresses) }
                mailbox.send(.sandboxCreated(.success(sandbox)))
            } catch {
                mailbox.send(.sandboxCreated(.failure(error)))
            }
        }
    }

    private func stopSandbox(_ group: inout DiscardingTaskGroup) {
        guard let id = record.sandboxID else { return }
        if let retryAt = sandboxRetryAt, services.clock.now() < retryAt { return }
        sandboxActivity = .stopping
        let (services, mailbox) = (services, mailbox)
        group.addTask {
            do {
                try await services.runtime.stopSandbox(id)
                let last = await services.runtime.containers(in: id)
                try await services.runtime.removeSandbox(id)
                mailbox.send(.sandboxStopped(.success(last)))
            } catch {
                mailbox.send(.sandboxStopped(.failure(error)))
            }
        }
    }

    private func ensureImage(_ name: String, _ group: inout DiscardingTaskGroup) {
        guard let container = manifest.spec.container(name) else { return }
        transients[name, default: Transient()].activity = .pulling
        let puller = ImagePuller(images: services.images, events: services.events, clock: services.clock)
        let (target, mailbox) = (manifest.target(container: name), mailbox)
        group.addTask {
            mailbox.send(.imageEnsured(container: name, await puller.ensure(container.image, container.pullPolicy, target)))
        }
    }

    private func startContainer(_ name: String, _ attempt: UInt32, _ backoff: RestartBackoff.Entry?, _ group: inout DiscardingTaskGroup) {
        guard let sandbox = record.sandboxID, let imageID = transients[name]?.imageID else { return }
        transients[name, default: Transient()].activity = .starting
        let start = ContainerStart(
            manifest: manifest, container: name, sandbox: sandbox, addresses: record.addresses, attempt: attempt, backoff: backoff, imageID: imageID,
            services: services)
        let (mailbox, postStart) = (mailbox, manifest.hooks[name]?.postStart)
        let hooks = LifecycleHooks(services: services, address: record.addresses.first ?? services.node.addresses.first ?? "")
        group.addTask {
            let outcome = await start.run { mailbox.send(.referenceChanged($0)) }
            mailbox.send(.containerStarted(container: name, outcome))
            guard case .started(let instance) = outcome, let postStart else { return }
            let failure = await hooks.run(postStart, container: instance.status.id, timeout: nil)
            mailbox.send(.postStartFinished(container: name, id: instance.status.id, failure: failure))
        }
    }

    private func stopContainer(_ name: String, _ id: String, _ reason: StopReason, _ group: inout DiscardingTaskGroup) {
        transients[name, default: Transient()].activity = .stopping
        event(.normal, "Killing", killingMessage(name, reason), container: name)
        let stop = containerStop(name, id, reason)
        end(name, &group) { try await stop.run() }
    }

    /// Runs what ends a container; after a failure its next try comes a little later.
    private func end(_ name: String, _ group: inout DiscardingTaskGroup, _ body: @escaping @Sendable () async throws -> Void) {
        let (mailbox, clock, logger) = (mailbox, services.clock, logger)
        group.addTask {
            do {
                try await body()
            } catch {
                logger.error("cannot end a container", metadata: ["container": "\(name)", "error": "\(error)"])
                guard (try? await clock.sleep(for: Self.endRetry)) != nil else { return }  // Only cancellation ends a sleep early.
            }
            mailbox.send(.containerStopped(container: name))
        }
    }

    private static let endRetry = Duration.seconds(2)

    private func containerStop(_ name: String, _ id: String, _ reason: StopReason) -> ContainerStop {
        let isRunning = record.containers[name].map { $0.id == id && $0.exit == nil } ?? false
        return ContainerStop(
            id: id, grace: beginGrace(name, reason), signal: manifest.hooks[name]?.stopSignal, preStop: isRunning && reason != .sandboxLost ? manifest.hooks[name]?.preStop : nil,
            target: manifest.target(container: name),
            hooks: LifecycleHooks(services: services, address: record.addresses.first ?? services.node.addresses.first ?? ""), services: services)
    }

    /// How long a container has from now on. Noted when its time begins, so that a further try and the next agent go on
    /// counting: nobody gets more, or less, for a restart of the agent.
    private func beginGrace(_ name: String, _ reason: StopReason) -> Duration {
        let now = services.clock.sinceBoot()
        let due = now + wholeGrace(name, reason, now)
        let killAt = min(record.containers[name]?.killAt ?? due, due)
        record.containers[name]?.killAt = killAt
        if reason == .podTermination, record.ending?.killAt == nil { record.ending?.killAt = killAt }
        return max(.zero, killAt - now)
    }

    private func wholeGrace(_ name: String, _ reason: StopReason, _ now: BootTime) -> Duration {
        switch reason {
        case .podTermination:
            guard let ending = record.ending else { return manifest.terminationGrace }
            guard manifest.spec.container(name)?.role == .sidecar, let killAt = ending.killAt else { return ending.grace }
            // Whoever waited for the others still gets the time to see a signal.
            return min(ending.grace, max(ContainerStop.minimumAfterWait, killAt - now))
        case .livenessProbeFailed: return manifest.probes[name]?[.liveness]?.terminationGrace ?? manifest.terminationGrace
        case .startupProbeFailed: return manifest.probes[name]?[.startup]?.terminationGrace ?? manifest.terminationGrace
        case .podFinished, .definitionChanged, .postStartHookFailed: return manifest.terminationGrace
        case .sandboxLost: return .zero
        }
    }

    /// Containers that are stopping already get the new, nearer end: `grace` from now on.
    func hurryStops(grace: Duration) {
        let due = services.clock.sinceBoot() + grace
        for (name, transient) in transients where transient.activity == .stopping {
            guard let container = record.containers[name], let id = container.id, let killAt = container.killAt, due < killAt else { continue }
            record.containers[name]?.killAt = due
            let (runtime, logger, signal) = (services.runtime, logger, manifest.hooks[name]?.stopSignal)
            // Unstructured: it only makes an operation of the group end sooner, and ends with that.
            Task {
                do { try await runtime.stopContainer(id, signal: signal, grace: grace) } catch { logger.debug("cannot hurry a stop", metadata: ["error": "\(error)"]) }
            }
        }
    }

    private func killingMessage(_ name: String, _ reason: StopReason) -> String {
        switch reason {
        case .podTermination, .podFinished, .sandboxLost: "Stopping container \(name)"
        case .livenessProbeFailed: "Container \(name) failed liveness probe, will be restarted"
        case .startupProbeFailed: "Container \(name) failed startup probe, will be restarted"
        case .definitionChanged: "Container \(name) definition changed, will be restarted"
        case .postStartHookFailed: "FailedPostStartHook"
        }
    }

    private func discardContainer(_ name: String, _ id: String, _ group: inout DiscardingTaskGroup) {
        transients[name, default: Transient()].activity = .stopping
        let runtime = services.runtime
        end(name, &group) { try await runtime.removeContainer(id) }
    }

    /// How long a fresh failure is shown as itself before it is shown as being waited for.
    static let failureIsShownFor = Duration.seconds(2)

    private func backOff(_ name: String, _ until: WallTime, isImage: Bool) {
        var transient = transients[name] ?? Transient()
        defer { transients[name] = transient }
        if isImage {
            guard let (failure, at) = transient.imageFailure, failure.reason != "ImagePullBackOff" else { return }
            let shownUntil = at + Self.failureIsShownFor
            guard services.clock.now() >= shownUntil else { return wake(at: shownUntil) }
            let image = manifest.spec.container(name)?.image ?? ""
            let message = "Back-off pulling image \"\(image)\""
            transient.imageFailure = (ImageFailure(reason: "ImagePullBackOff", message: "\(message): \(failure.reason): \(failure.message)"), at)
            event(.normal, "BackOff", message, container: name)
            event(.warning, "Failed", "Error: ImagePullBackOff", container: name)
        } else if transient.crashBackoffUntil != until {
            transient.crashBackoffUntil = until
            event(.warning, "BackOff", "Back-off restarting failed container \(name) in pod \(manifest.fullName)", container: name)
        }
    }

    /// From here on nobody else may write below the pod's directory: a refresh of its volumes ends first.
    private func finishWhenSaved() {
        guard !isFinishing, !isRefreshingVolumes else { return }
        if let finishRetryAt, services.clock.now() < finishRetryAt { return wake(at: finishRetryAt) }
        finishIsDue = true
    }

    func finish(_ group: inout DiscardingTaskGroup) {
        (finishIsDue, isFinishing) = (false, true)
        let finish = PodFinish(manifest: manifest, isGone: record.ending?.isGone ?? false, services: services, publisher: publisher)
        let mailbox = mailbox
        group.addTask {
            do {
                try await finish.run()
                mailbox.send(.finished(.success(())))
            } catch {
                mailbox.send(.finished(.failure(error)))
            }
        }
    }
}
