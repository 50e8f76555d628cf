internal import KubeTypes
internal import Runtime

/// What can happen to a pod, as its worker hears of it.
enum PodMessage: Sendable {
    /// The API server has a newer version of the pod.
    case changed(Pod)
    /// The object is gone. With its last version, if the server sent it.
    case removed(Pod?)
    /// Something in the runtime has moved: look at it.
    case runtimeMoved
    case wake
    /// A ConfigMap or Secret that the pod refers to has changed.
    case referenceChanged(ConfigReference)
    /// A token in the pod's volumes has used up most of its life.
    case tokenDue
    case statusPublished

    case volumesPrepared(KubeletError?)
    case volumesRefreshed
    case sandboxCreated(Result<SandboxStatus, any Error>)
    /// With what the runtime knew of its containers before they were removed.
    case sandboxStopped(Result<[ContainerStatus], any Error>)
    case imageEnsured(container: String, Result<ImageStatus, ImageFailure>)
    case containerStarted(container: String, StartOutcome)
    case containerStopped(container: String)
    case postStartFinished(container: String, id: String, failure: String?)
    case probed(container: String, id: String, ProbeSpec.Kind, ProbeOutcome)
    case finished(Result<Void, any Error>)
}

/// Why an image cannot be used: the waiting reason and message that users see.
struct ImageFailure: Error, Sendable, Hashable {
    /// `ErrImagePull`, `ErrImageNeverPull`, `InvalidImageName` …
    var reason: String
    var message: String
}

/// How an attempt to start a container ended.
enum StartOutcome: Sendable {
    struct Instance: Sendable {
        var status: ContainerStatus
        var attempt: UInt32
        /// The image as the specification names it.
        var appliedImage: String
        var backoff: RestartBackoff.Entry?
    }
    case started(Instance)
    /// - Parameter instance: the container that was made but could not run, if the runtime keeps it as exited.
    case failed(ContainerRecord.StartFailure, instance: Instance?)
}
