/// Why JSON could not be read, or a value was not what its reader expected.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable, Hashable {
        /// The text is not JSON.
        case syntax
        /// The text ends within a value.
        case truncated
        /// A string holds bytes that are not UTF-8, or half of a surrogate pair.
        case invalidUnicode
        /// Nested deeper than the limit.
        case tooDeep
        /// Longer than the limit.
        case tooLarge
        /// An object has one key twice.
        case duplicateKey
        /// A value has another type than its reader expects.
        case wrongType
        /// A value that must be there is not.
        case missing
        /// A value has the right type but a form that its reader does not accept.
        case invalidValue
    }

    public let code: Code
    public let message: String
    /// Where in the bytes, if the error is one of the text.
    public let offset: Int?
    /// The path of the value, like `spec.containers[0].ports`, if the error is one of a value.
    public private(set) var path: String

    public init(_ code: Code, _ message: String, offset: Int? = nil, path: String = "") {
        self.code = code
        self.message = message
        self.offset = offset
        self.path = path
    }

    /// The same error, seen from the object that holds the member.
    public func inside(_ key: String) -> JSONError {
        var error = self
        error.path = path.isEmpty ? key : path.hasPrefix("[") ? key + path : "\(key).\(path)"
        return error
    }

    /// The same error, seen from the array that holds the element.
    public func inside(_ index: Int) -> JSONError { inside("[\(index)]") }

    public var description: String {
        if !path.isEmpty { return "\(path): \(message)" }
        if let offset { return "\(message) at byte \(offset)" }
        return message
    }
}

extension JSONError {
    /// A value of another type than expected; `expected` is in JSON's words.
    public static func wrongType(expected: String, found: JSON) -> JSONError {
        JSONError(.wrongType, "expected \(expected), found \(found.typeName)")
    }
}
