public import JSONTree

/// A number or a name, such as the port of a probe (Kubernetes' IntOrString).
public enum IntOrString: Sendable, Hashable, CustomStringConvertible {
    case int(Int)
    case string(String)

    public init(json: JSON) throws(JSONError) {
        switch json {
        case .string(let text): self = .string(text)
        case .number(let number):
            guard let value = number.int64, let int = Int32(exactly: value) else {
                throw JSONError(.invalidValue, "expected a 32-bit integer or a string, found \(number.text)")
            }
            self = .int(Int(int))
        default: throw .wrongType(expected: "number or string", found: json)
        }
    }

    public var json: JSON {
        switch self {
        case .int(let value): JSON(value)
        case .string(let text): .string(text)
        }
    }

    public var description: String {
        switch self {
        case .int(let value): String(value)
        case .string(let text): text
        }
    }
}

extension IntOrString: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
    public init(integerLiteral value: Int) { self = .int(value) }
    public init(stringLiteral value: String) { self = .string(value) }
}
