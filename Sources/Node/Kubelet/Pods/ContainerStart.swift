internal import Logging
internal import Runtime

/// Starts one container: environment, configuration, create, execute. One operation, no state of its own.
struct ContainerStart: Sendable {
    var manifest: PodManifest
    var container: String
    var sandbox: String
    var addresses: [String]
    var attempt: UInt32
    var backoff: RestartBackoff.Entry?
    var imageID: String
    var services: PodServices

    /// How long a missing ConfigMap or Secret is waited for, if its appearance is not seen before.
    private static let configurationRetry = Duration.seconds(15)

    /// - Parameter changed: called when something that the configuration lacks has changed.
    func run(_ changed: @escaping @Sendable (ConfigReference) -> Void) async -> StartOutcome {
        let configuration: ContainerConfiguration
        do {
            try await discardLeftovers()
            let builder = ContainerBuilder(manifest: manifest, container: container, addresses: addresses, attempt: attempt, imageID: imageID, services: services)
            configuration = try await builder.build()
        } catch {
            await services.references.watch(manifest.allReferences, for: manifest.uid, changed)
            let now = services.clock.now()
            return .failed(
                .init(reason: KubeletError.Code.createContainerConfig.rawValue, message: "\(error)", at: now, retryAt: now + Self.configurationRetry), instance: nil)
        }
        let id: String
        do {
            id = try await services.runtime.createContainer(in: sandbox, configuration)
        } catch {
            return .failed(.init(reason: "CreateContainerError", message: "\(error)", at: services.clock.now()), instance: nil)
        }
        let target = manifest.target(container: container)
        services.events.record(target, .normal, reason: "Created", message: "Container created")
        do {
            try await services.runtime.startContainer(id)
        } catch {
            return await failedToRun(id, error)
        }
        services.events.record(target, .normal, reason: "Started", message: "Container started")
        await removeOldInstances()
        guard let status = await status(of: id) else {
            return .failed(.init(reason: "RunContainerError", message: "the container is gone", at: services.clock.now()), instance: nil)
        }
        return .started(instance(status))
    }

    private func instance(_ status: ContainerStatus) -> StartOutcome.Instance {
        StartOutcome.Instance(status: status, attempt: attempt, appliedImage: manifest.spec.container(container)?.image ?? "", backoff: backoff)
    }

    private func failedToRun(_ id: String, _ error: any Error) async -> StartOutcome {
        let failure = ContainerRecord.StartFailure(reason: "RunContainerError", message: "\(error)", at: services.clock.now())
        guard let status = await status(of: id), case .exited = status.state else {
            // It never ran and is no instance; what is left of it goes. If that fails, the next start tries again.
            try? await services.runtime.removeContainer(id)
            return .failed(failure, instance: nil)
        }
        return .failed(failure, instance: instance(status))
    }

    private func status(of id: String) async -> ContainerStatus? {
        await services.runtime.containers(in: sandbox).first { $0.id == id }
    }

    /// Containers that were made and never started, by an agent that died in between.
    private func discardLeftovers() async throws {
        for status in await services.runtime.containers(in: sandbox) where status.configuration.name == container && status.state == .created {
            try await services.runtime.removeContainer(status.id)
        }
    }

    /// The instance before this one is kept for its log and exit code; older ones go.
    private func removeOldInstances() async {
        for status in await services.runtime.containers(in: sandbox) where status.configuration.name == container && status.configuration.attempt + 1 < attempt {
            do { try await services.runtime.removeContainer(status.id) } catch {
                services.logger.warning("cannot remove an old container", metadata: ["container": "\(status.id)", "error": "\(error)"])
            }
        }
        let directory = services.store.logDirectory(namespace: manifest.namespace, name: manifest.name, uid: manifest.uid) + "/" + container
        for instance in LogFiles.instances(in: directory) where instance + 1 < Int(attempt) {
            for path in LogFiles.paths(of: "\(directory)/\(instance).log") {
                do { try HostFiles.remove(path) } catch { services.logger.warning("cannot remove an old log", metadata: ["error": "\(error)"]) }
            }
        }
    }
}
