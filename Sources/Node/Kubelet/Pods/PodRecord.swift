internal import JSONTree
internal import Runtime

/// What has to be remembered of a pod across a restart of the agent, beside what the runtime knows. Persisted as a whole.
struct PodRecord: Sendable, Hashable {
    var uid: String
    /// When this node took the pod on.
    var startTime: WallTime
    var sandboxAttempt: UInt32 = 0
    /// The sandbox in use; nil while there is none.
    var sandboxID: String?
    /// The pod's addresses, kept after the sandbox is gone.
    var addresses: [String] = []
    var volumesArePrepared = false
    var ending: Ending?
    var containers: [String: ContainerRecord] = [:]
    /// The status last sent to the API server: what the next one is compared with.
    var publishedStatus: JSON?

    /// Why the pod is to end, and in what time.
    struct Ending: Sendable, Hashable {
        /// What each container gets from its stop signal on. May only become shorter.
        var grace: Duration
        /// When the first containers to be told are killed; nil until one has been. Sidecars, whose turn comes later, get
        /// what is left until then.
        var killAt: BootTime?
        /// The object is gone from the API: there is nothing to finish there.
        var isGone: Bool
        /// `DeadlineExceeded`, for a pod that fails without having been deleted.
        var failure: Failure?
    }

    struct Failure: Sendable, Hashable {
        var reason: String
        var message: String
    }

    init(uid: String, startTime: WallTime) { (self.uid, self.startTime) = (uid, startTime) }
}

/// What is remembered of one container of a pod.
struct ContainerRecord: Sendable, Hashable {
    /// The latest instance.
    var id: String?
    var attempt: UInt32 = 0
    var hasInstance = false
    /// The sandbox the latest instance was made in.
    var sandboxID: String?
    /// As written in the specification when the latest instance was made; a change of it replaces the container.
    var appliedImage = ""
    /// How users know the image that runs: a digest reference if there is one, or else its id.
    var imageID = ""
    var startedAt: WallTime?
    /// Nil while the latest instance runs.
    var exit: InstanceExit?
    /// How the instance before the latest one ended.
    var previous: InstanceExit?
    var backoff: RestartBackoff.Entry?
    var startFailure: StartFailure?
    /// When the latest instance is killed, if it was told to stop: across a restart of the agent what is left counts.
    var killAt: BootTime?
    var probes: [ProbeSpec.Kind: ProbeState] = [:]

    struct InstanceExit: Sendable, Hashable {
        var id: String
        var code: Int32
        var signal: Int32?
        var reason: String
        var message: String
        var startedAt: WallTime?
        var finishedAt: WallTime
    }

    /// The last attempt to start failed before a process ran.
    struct StartFailure: Sendable, Hashable {
        /// `CreateContainerConfigError`, `CreateContainerError` or `RunContainerError`.
        var reason: String
        var message: String
        var at: WallTime
        /// It is not counted as a crash, but tried again at this time.
        var retryAt: WallTime?
    }
}
