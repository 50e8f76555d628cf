/// Why a node cannot join: one line that says what to do.
public struct NodeBootstrapError: Error, Sendable, CustomStringConvertible {
    public let description: String
    public let cause: (any Error)?

    init(_ description: String, cause: (any Error)? = nil) { (self.description, self.cause) = (description, cause) }
}
