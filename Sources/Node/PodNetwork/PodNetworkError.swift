/// Why a pod could not be connected.
public struct PodNetworkError: Error, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// Every address of the node's range is taken or was released a moment ago.
        case noAddressLeft
        /// The configuration cannot work.
        case invalidConfiguration
        /// The ledger could not be read or written.
        case ledger
        /// The kernel refused a step; the message names it.
        case kernel
    }
    public let code: Code
    public let message: String
    public let cause: (any Error)?

    init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        (self.code, self.message, self.cause) = (code, message, cause)
    }

    public var description: String { message }
}
