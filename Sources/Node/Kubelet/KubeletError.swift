/// What went wrong in the kubelet, with the word Kubernetes has for it.
public struct KubeletError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure; where Kubernetes shows it as a waiting or event reason, `rawValue` is that reason.
    public enum Code: String, Sendable {
        case createContainerConfig = "CreateContainerConfigError"
        case failedMount = "FailedMount"
        case unsupportedField = "UnsupportedField"
        case fileSystem = "FileSystemError"
        case configuration = "InvalidConfiguration"
        case state = "CorruptState"
        case notFound = "NotFound"
        case badRequest = "BadRequest"
    }

    public var code: Code
    public var message: String
    public var cause: (any Error)?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        (self.code, self.message, self.cause) = (code, message, cause)
    }

    public var description: String { cause.map { "\(message): \($0)" } ?? message }
}
