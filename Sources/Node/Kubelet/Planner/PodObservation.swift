/// Everything the planner knows of a pod on this node: a snapshot of facts, with the time they were taken.
struct PodObservation: Sendable, Hashable {
    enum Intent: Sendable, Hashable {
        case run
        /// The pod is to end: deleted, gone from the API, or (then its object stays) past its deadline.
        case terminate(removes: Bool)
    }
    enum Sandbox: Sendable, Hashable { case none, creating, ready, failed, stopping }
    /// A thing that is made once and may fail for a while.
    enum Preparation: Sendable, Hashable {
        case needed
        case inProgress
        case done
        case failed(retryAt: WallTime)
    }

    var now: WallTime
    var intent: Intent
    var startTime: WallTime
    var sandbox: Sandbox
    /// The sandbox's number: counts up each time it has to be made anew.
    var sandboxAttempt: UInt32
    /// Why the sandbox could not be made, if it is to be tried again later.
    var sandboxRetryAt: WallTime?
    var volumes: Preparation
    /// By container name; absent means nothing is known of it.
    var containers: [String: ContainerObservation]

    func container(_ name: String) -> ContainerObservation { containers[name] ?? ContainerObservation() }
}

struct ContainerObservation: Sendable, Hashable {
    enum State: Sendable, Hashable {
        case none
        case created
        case running
        case exited(code: Int32, at: WallTime)
    }
    /// What the worker is doing with it at this moment; a container is in one hand at a time.
    enum Activity: Sendable { case idle, pulling, starting, stopping }
    enum Image: Sendable, Hashable {
        case unknown
        case present
        case failed(retryAt: WallTime)
    }
    var id: String?
    var state = State.none
    /// The instance runs or ran in the sandbox of now, not in an earlier one.
    var isInCurrentSandbox = true
    /// Number of the latest instance: the restart count.
    var attempt: UInt32 = 0
    /// An instance exists or existed; without one the first start has the number 0.
    var hasInstance = false
    var activity = Activity.idle
    var image = Image.unknown
    var backoff: RestartBackoff.Entry?
    /// The last attempt failed before a process ran (create or start error): counts like a crash.
    var startFailedAt: WallTime?
    /// The configuration lacks something (a ConfigMap, a key): try again at this time, without counting it.
    var retryAt: WallTime?
    /// The startup probe has passed, or there is none.
    var isStarted = true
    /// Why a running instance has to be replaced.
    var restartReason: StopReason?

    var isRunning: Bool { state == .running }
    /// A process may be alive.
    var isAlive: Bool { state == .running || state == .created }
}

/// Why a container is stopped: decides the event's words and the grace.
enum StopReason: Sendable, Hashable {
    case podTermination
    case podFinished
    case livenessProbeFailed
    case startupProbeFailed
    case definitionChanged
    case sandboxLost
    case postStartHookFailed
}
