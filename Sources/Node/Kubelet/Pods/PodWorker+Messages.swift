internal import JSONTree
internal import Logging
internal import KubeTypes
internal import Runtime

extension PodWorker {
    /// Takes one message into the state. Decides nothing: that is the planner's.
    func apply(_ message: PodMessage) {
        switch message {
        case .changed(let pod): podChanged(pod)
        case .removed(let pod): podRemoved(pod)
        case .runtimeMoved: break
        case .wake: wakeTask = nil
        case .referenceChanged:
            volumesAreStale = true
            // What failed for want of it is tried again at once.
            for name in record.containers.keys where record.containers[name]?.startFailure?.retryAt != nil {
                record.containers[name]?.startFailure?.retryAt = services.clock.now()
            }
            if case .failed = volumes { volumes = .needed }
        case .tokenDue: volumesAreStale = true
        case .statusPublished: break
        case .volumesPrepared(let error): volumesPrepared(error)
        case .volumesRefreshed: isRefreshingVolumes = false
        case .sandboxCreated(let result): sandboxCreated(result)
        case .sandboxStopped(let result): sandboxStopped(result)
        case .imageEnsured(let container, let result): imageEnsured(container, result)
        case .containerStarted(let container, let outcome): containerStarted(container, outcome)
        case .containerStopped(let container): transients[container, default: Transient()].activity = .idle
        case .postStartFinished(let container, let id, let failure): postStartFinished(container, id, failure)
        case .probed(let container, let id, let kind, let outcome): probed(container, id, kind, outcome)
        case .finished(let result): finished(result)
        }
    }

    // MARK: The API's side

    private func podChanged(_ pod: Pod) {
        let newer = PodManifest(pod)
        let metadataChanged = newer.labels != manifest.labels || newer.annotations != manifest.annotations
        // Most changes are this worker's own statuses coming back: they need not be written down.
        if newer.essence != manifest.essence { podIsSaved = false }
        manifest = newer
        if metadataChanged { volumesAreStale = true }
        publisher.serverHas(newer.status)
        if let grace = newer.deletionGrace { end(grace: grace, isGone: false) }
    }

    private func podRemoved(_ pod: Pod?) {
        if let pod { manifest = PodManifest(pod) }
        publisher.stop()
        // Gone without a deletion that this node saw: at least a second to end in, as Kubernetes grants it.
        end(grace: max(manifest.deletionGrace ?? manifest.terminationGrace, .seconds(1)), isGone: true)
    }

    /// - Parameter grace: of several the shortest counts.
    private func end(grace: Duration, isGone: Bool) {
        var ending = record.ending ?? PodRecord.Ending(grace: grace, isGone: isGone, failure: nil)
        let isNews = record.ending == nil || grace < ending.grace
        ending.grace = min(ending.grace, grace)
        ending.isGone = ending.isGone || isGone
        if let killAt = ending.killAt { ending.killAt = min(killAt, services.clock.sinceBoot() + ending.grace) }
        record.ending = ending
        if isNews { hurryStops(grace: grace) }
    }

    // MARK: The runtime's side

    private func volumesPrepared(_ error: KubeletError?) {
        guard let error else {
            volumes = .done
            record.volumesArePrepared = true
            return
        }
        let now = services.clock.now()
        volumes = .failed(retryAt: now + .seconds(10))
        event(.warning, "FailedMount", error.message)
    }

    private func sandboxCreated(_ result: Result<SandboxStatus, any Error>) {
        sandboxActivity = .none
        switch result {
        case .success(let status):
            record.sandboxID = status.id
            record.addresses = status.addresses
            runtimeSandbox = status
            sandboxRetryAt = nil
            sandboxFailures = 0
        case .failure(let error):
            sandboxFailures += 1
            sandboxRetryAt = services.clock.now() + min(.seconds(1 << min(sandboxFailures, 8)), .seconds(60))
            record.sandboxAttempt += 1
            event(.warning, "FailedCreatePodSandBox", "Failed to create pod sandbox: \(error)")
        }
    }

    private func sandboxStopped(_ result: Result<[ContainerStatus], any Error>) {
        sandboxActivity = .none
        switch result {
        case .success(let last):
            removedContainers = last
            record.sandboxID = nil
            record.sandboxAttempt += 1
            runtimeSandbox = nil
            // Memory-backed volumes may have gone with the machine: they are made again before the next sandbox's containers.
            volumes = .needed
            record.volumesArePrepared = false
        case .failure(let error):
            logger.error("cannot stop the sandbox", metadata: ["error": "\(error)"])
            sandboxRetryAt = services.clock.now() + .seconds(5)
            wake(at: services.clock.now() + .seconds(5))
        }
    }

    // MARK: Containers

    private func imageEnsured(_ name: String, _ result: Result<ImageStatus, ImageFailure>) {
        var transient = transients[name] ?? Transient()
        transient.activity = .idle
        switch result {
        case .success(let image):
            transient.image = .present
            transient.imageID = image.id
            transient.imageReference = image.repoDigests.first ?? image.id
            transient.imageFailure = nil
            transient.pullBackoff = nil
        case .failure(let failure):
            let now = services.clock.now()
            let entry = RestartBackoff.entry(after: transient.pullBackoff, failedAt: now, now: now)
            transient.pullBackoff = entry
            transient.image = .failed(retryAt: now + entry.delay)
            transient.imageFailure = (failure, now)
        }
        transients[name] = transient
    }

    private func containerStarted(_ name: String, _ outcome: StartOutcome) {
        transients[name, default: Transient()].activity = .idle
        switch outcome {
        case .started(let instance):
            adopt(name, instance.status, attempt: instance.attempt, appliedImage: instance.appliedImage, backoff: instance.backoff)
            if manifest.hooks[name]?.postStart != nil { transients[name]?.isRunningPostStart = true }
        case .failed(let failure, let instance):
            if let instance {
                adopt(name, instance.status, attempt: instance.attempt, appliedImage: instance.appliedImage, backoff: instance.backoff)
            }
            var container = record.containers[name] ?? ContainerRecord()
            if instance == nil, failure.retryAt == nil {
                // Without an instance the wait grows all the same.
                container.backoff = RestartBackoff.entry(after: container.backoff, failedAt: failure.at, now: failure.at)
            }
            container.startFailure = failure
            record.containers[name] = container
            event(.warning, "Failed", "Error: \(failure.message)", container: name)
        }
    }

    private func postStartFinished(_ name: String, _ id: String, _ failure: String?) {
        guard record.containers[name]?.id == id else { return }
        transients[name]?.isRunningPostStart = false
        guard let failure else { return }
        logger.info("postStart hook failed", metadata: ["container": "\(name)", "error": "\(failure)"])
        event(.warning, "FailedPostStartHook", "PostStartHook failed", container: name)
        transients[name]?.restartReason = .postStartHookFailed
    }

    private func finished(_ result: Result<Void, any Error>) {
        isFinishing = false
        switch result {
        case .success: isFinished = true
        case .failure(let error):
            logger.warning("cannot finish the deletion yet", metadata: ["error": "\(error)"])
            finishRetryAt = services.clock.now() + .seconds(5)
        }
    }
}
