public import LinuxSystem

/// What went wrong with a cgroup.
public struct CgroupError: Error, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// Neither cgroup v2 nor v1 controllers lie under the mount point.
        case notMounted
        /// A path that leaves the injected root, or is not relative.
        case invalidPath
        /// A limit was asked for whose controller the host does not offer.
        case controllerUnavailable
        /// A value that the kernel would refuse.
        case invalidValue
        /// The kernel refused; `cause` says why.
        case kernelRefused
        /// Processes outlived SIGKILL, or the cgroup stayed busy, for the time given.
        case timedOut
    }
    public let code: Code
    public let message: String
    public let cause: SystemError?

    init(_ code: Code, _ message: String, cause: SystemError? = nil) {
        (self.code, self.message, self.cause) = (code, message, cause)
    }

    init(_ cause: SystemError) {
        self.init(.kernelRefused, cause.description, cause: cause)
    }

    public var description: String { message }
}
