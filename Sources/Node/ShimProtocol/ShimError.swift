public import LinuxSystem

/// What goes wrong between the agent and a shim.
public struct ShimError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The shim refused: ``failure`` has the step.
        case failed
        /// The connection ended before the answer: the shim is dead or dying.
        case disconnected
        /// Nobody listens: no shim lives for this directory.
        case notRunning
        /// It listens, but has not said a word in the time that it had.
        case silent
        /// Bytes that make no sense.
        case protocolViolation
        /// The operating system refused on the agent's side.
        case system
    }
    public var code: Code
    public var message: String
    public var failure: ShimFailure?
    public var cause: SystemError?
    public init(_ code: Code, _ message: String, failure: ShimFailure? = nil, cause: SystemError? = nil) {
        (self.code, self.message, self.failure, self.cause) = (code, message, failure, cause)
    }
    init(_ failure: ShimFailure) { self.init(.failed, failure.description, failure: failure) }
    init(_ error: SystemError) { self.init(.system, error.description, cause: error) }
    init(_ error: WireError) { self.init(.protocolViolation, error.message) }
    public var description: String { message }
}

extension ShimFailure {
    /// A system call's failure as a step.
    public init(_ error: SystemError) {
        let words = SystemError(operation: error.operation, errno: error.errno).description.dropFirst(error.operation.count + 2)
        self.init(step: error.operation, errno: error.errno, path: error.path ?? "", message: String(words))
    }
}
