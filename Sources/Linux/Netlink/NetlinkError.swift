public import LinuxSystem

/// Why a netlink request failed.
public struct NetlinkError: Error, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The kernel refused the request; `errno` says why.
        case refused
        /// The kernel's answer could not be read.
        case malformed
        /// The socket itself failed.
        case system
        /// The kernel dropped messages (ENOBUFS): what was learnt from them must be read again.
        case overrun
    }
    public let code: Code
    /// The kernel's errno, positive; 0 where there is none.
    public let errno: Int32
    public let message: String
    public let cause: SystemError?

    init(_ code: Code, _ message: String, errno: Int32 = 0, cause: SystemError? = nil) {
        (self.code, self.message, self.errno, self.cause) = (code, message, errno, cause)
    }

    init(_ cause: SystemError) {
        self.init(.system, cause.description, errno: cause.errno, cause: cause)
    }

    public var description: String { message }
}
