/// Why the runtime refused or failed, in a form the kubelet turns into a waiting reason and a message.
public struct RuntimeError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, Hashable {
        /// The node does not have the image (`ErrImageNeverPull`, `ImageInspectError`).
        case imageNotFound
        /// The image could not be made available (`ErrImagePull`).
        case pullFailed
        /// The configuration cannot be carried out as it stands, and never will (`CreateContainerConfigError`).
        case invalidConfiguration
        /// A kernel feature or option that this node does not have.
        case unsupported
        /// No sandbox, container or exec session has this id.
        case notFound
        /// It is there already.
        case alreadyExists
        /// The object's state does not allow the call, e.g. exec in a container that has exited.
        case wrongState
        /// Namespaces, network or shim of a pod could not be made (`FailedCreatePodSandBox`).
        case sandboxFailed
        /// The root file system or launch plan could not be made (`CreateContainerError`).
        case createFailed
        /// The container's process could not be executed (`RunContainerError`).
        case startFailed
        case execFailed
        /// The command ran longer than it was allowed to, and was killed.
        case timedOut
        case stopFailed
        case removeFailed
        /// The shim does not answer as it should.
        case shimFailed
    }

    public let code: Code
    public let message: String
    /// The step that failed, e.g. `mount /proc`; empty if there was only one.
    public let step: String
    /// The error number of the failing step, 0 if it has none.
    public let errno: Int32
    public let cause: (any Error)?

    public init(_ code: Code, _ message: String, step: String = "", errno: Int32 = 0, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.step = step
        self.errno = errno
        self.cause = cause
    }

    /// One line for people: the message, and the cause if the message does not already hold it.
    public var description: String {
        guard let cause else { return message }
        return "\(message): \(cause)"
    }
}
