public import JSONTree

/// One wrong field of an object, in Kubernetes' words.
public struct FieldError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The raw values are the `reason` of a cause in a Status.
    public enum Kind: String, Sendable {
        case required = "FieldValueRequired"
        case invalid = "FieldValueInvalid"
        case typeInvalid = "FieldValueTypeInvalid"
        case unsupported = "FieldValueNotSupported"
        case duplicate = "FieldValueDuplicate"
        case forbidden = "FieldValueForbidden"
        case notFound = "FieldValueNotFound"
        case tooLong = "FieldValueTooLong"
        case tooMany = "FieldValueTooMany"
        case internalError = "InternalError"

        var words: String {
            switch self {
            case .required: "Required value"
            case .invalid, .typeInvalid: "Invalid value"
            case .unsupported: "Unsupported value"
            case .duplicate: "Duplicate value"
            case .forbidden: "Forbidden"
            case .notFound: "Not found"
            case .tooLong: "Too long"
            case .tooMany: "Too many"
            case .internalError: "Internal error"
            }
        }
    }

    public let kind: Kind
    public let field: String
    /// What is wrong, without the field.
    public let message: String

    /// `value` is shown for the kinds that show one; text in quotes, objects as JSON.
    public init(_ kind: Kind, _ path: FieldPath, value: JSON? = nil, detail: String = "") {
        self.kind = kind
        field = path.description
        var message = kind.words
        switch kind {
        case .invalid, .unsupported, .duplicate, .notFound, .tooMany: message += ": \(value ?? .null)"
        default: break
        }
        self.message = detail.isEmpty ? message : "\(message): \(detail)"
    }

    /// An error whose words are not made of a value and a detail.
    init(_ kind: Kind, _ path: FieldPath, message: String) {
        self.kind = kind
        field = path.description
        self.message = message
    }

    public var description: String { "\(field): \(message)" }

    public static func required(_ path: FieldPath, _ detail: String = "") -> FieldError { FieldError(.required, path, detail: detail) }
    public static func invalid(_ path: FieldPath, _ value: JSON, _ detail: String) -> FieldError {
        FieldError(.invalid, path, value: value, detail: detail)
    }
    public static func duplicate(_ path: FieldPath, _ value: JSON) -> FieldError { FieldError(.duplicate, path, value: value) }
    public static func forbidden(_ path: FieldPath, _ detail: String) -> FieldError { FieldError(.forbidden, path, detail: detail) }
    public static func notFound(_ path: FieldPath, _ value: JSON) -> FieldError { FieldError(.notFound, path, value: value) }

    /// A value outside of a list; the list is shown sorted.
    public static func unsupported(_ path: FieldPath, _ value: JSON, supported: [String]) -> FieldError {
        let list = supported.sorted().map { "\(JSON($0))" }.joined(separator: ", ")
        return FieldError(.unsupported, path, value: value, detail: list.isEmpty ? "" : "supported values: \(list)")
    }

    public static func tooLong(_ path: FieldPath, maximumBytes: Int) -> FieldError {
        FieldError(.tooLong, path, detail: "may not be more than \(maximumBytes) bytes")
    }

    public static func tooMany(_ path: FieldPath, count: Int, maximum: Int) -> FieldError {
        FieldError(.tooMany, path, value: JSON(count), detail: "must have at most \(maximum) items")
    }

    /// This error as a cause of a Status.
    public var cause: JSON { ["reason": .string(kind.rawValue), "message": .string(message), "field": .string(field)] }
}
