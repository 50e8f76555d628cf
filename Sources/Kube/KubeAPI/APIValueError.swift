/// Why a value of the API could not be read: a quantity, a time, a selector, a schema.
public struct APIValueError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable {
        case quantity, time, base64, selector, schema, patch, path
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
