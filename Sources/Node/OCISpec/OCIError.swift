/// Why a document or a name is not what the image specification says.
public struct OCIError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable, Hashable {
        /// Not JSON, or a member is missing or has the wrong type.
        case malformed
        /// A media type, an algorithm or a version that this node cannot use.
        case unsupported
        /// A document that could be read in two ways (CVE-2021-41190).
        case ambiguous
        /// A reference or a digest that breaks the grammar.
        case invalidReference
    }

    public let code: Code
    public let message: String
    public let cause: (any Error & Sendable)?

    public init(_ code: Code, _ message: String, cause: (any Error & Sendable)? = nil) {
        (self.code, self.message, self.cause) = (code, message, cause)
    }

    public var description: String { cause.map { "\(message): \($0)" } ?? message }

    public static func == (left: OCIError, right: OCIError) -> Bool { left.code == right.code && left.message == right.message }
    public func hash(into hasher: inout Hasher) { hasher.combine(code); hasher.combine(message) }
}
