/// What can go wrong in the HTTP server, its connections and its tunnels.
public struct HTTPServerError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure that callers tell apart.
    public enum Code: String, Sendable, Hashable {
        /// Another program listens on the address.
        case addressInUse
        /// The address is not one of this host's, or may not be bound by this user.
        case addressUnavailable
        /// A certificate, key or certificate authority could not be read or does not fit.
        case invalidTLSMaterial
        /// The request's body is longer than the handler accepts.
        case bodyTooLarge
        /// The request is malformed, or asks for something that its protocol version cannot carry.
        case badRequest
        /// The peer closed the connection or reset the stream.
        case clientGone
        /// The peer made no progress within the limit.
        case timeout
        /// The peer broke the WebSocket protocol.
        case protocolViolation
        /// The backend of a tunnel could not be reached, or ended without an answer.
        case backendUnreachable
        /// The server is shutting down.
        case shuttingDown
    }

    public var code: Code
    public var message: String
    public var cause: (any Error)?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    public var description: String {
        guard let cause else { return message }
        return "\(message): \(cause)"
    }
}
