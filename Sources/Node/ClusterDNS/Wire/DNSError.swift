/// What can go wrong in the DNS server.
public struct DNSError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// Bytes that are no DNS message.
        case malformed
        /// No resolver of the host answered in time, or none is known.
        case upstream
        /// The address cannot be listened on.
        case addressUnavailable
        /// The configuration makes no sense.
        case configuration
    }

    public var code: Code
    public var message: String

    public init(_ code: Code, _ message: String) { (self.code, self.message) = (code, message) }

    public var description: String { message }
}
