internal import Logging
internal import Runtime

/// Ends one container: preStop hook, stop signal, and SIGKILL when the grace is over.
struct ContainerStop: Sendable {
    /// What is left of the grace after a hook, or after others, that used it up: enough for a signal to be seen.
    static let minimumAfterWait = Duration.seconds(2)

    var id: String
    var grace: Duration
    /// Nil: the image's, or SIGTERM.
    var signal: Int32?
    var preStop: PodManifest.Hook?
    var target: EventTarget
    var hooks: LifecycleHooks
    var services: PodServices

    func run() async throws {
        var left = grace
        if let preStop, grace > .zero {
            let start = services.clock.sinceBoot()
            if let failure = await hooks.run(preStop, container: id, timeout: grace) {
                services.logger.info("preStop hook failed", metadata: ["container": "\(id)", "error": "\(failure)"])
                services.events.record(target, .warning, reason: "FailedPreStopHook", message: "PreStopHook failed")
            }
            left = max(Self.minimumAfterWait, grace - (services.clock.sinceBoot() - start))
        }
        try await services.runtime.stopContainer(id, signal: signal, grace: left)
    }
}
