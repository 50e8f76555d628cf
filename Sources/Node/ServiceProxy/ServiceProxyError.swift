/// Why Services could not be put into effect.
public struct ServiceProxyError: Error, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The kernel refused a step; the message names it.
        case kernel
        /// The configuration cannot work.
        case invalidConfiguration
        /// The proxy has ended.
        case stopped
    }
    public let code: Code
    public let message: String
    public let cause: (any Error)?

    init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        (self.code, self.message, self.cause) = (code, message, cause)
    }

    public var description: String { message }
}
