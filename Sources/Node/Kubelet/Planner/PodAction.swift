/// What a pod's worker does next. Actions on different things run side by side.
enum PodAction: Sendable, Hashable {
    case prepareVolumes
    case createSandbox(attempt: UInt32)
    case ensureImage(container: String)
    case startContainer(name: String, attempt: UInt32, backoff: RestartBackoff.Entry?)
    case stopContainer(name: String, id: String, reason: StopReason)
    /// Removes a container that never ran.
    case discardContainer(name: String, id: String)
    /// Kills what is left and gives back the network; logs and exit codes stay.
    case stopSandbox
    /// The container waits after a failure: `CrashLoopBackOff`, or its image's `ImagePullBackOff`.
    case backOff(container: String, until: WallTime, isImage: Bool)
    /// The pod ran longer than `activeDeadlineSeconds`.
    case exceedDeadline
    /// Nothing of the pod runs any more and it was to end: remove its traces and finish it at the API.
    case finish
    /// Look again at this time.
    case wake(at: WallTime)
}
