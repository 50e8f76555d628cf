public import JSONTree

/// What a field selector asks of an object; all requirements must hold.
public struct FieldRequirements: Sendable, Hashable {
    public struct Requirement: Sendable, Hashable {
        /// The field, like `spec.nodeName`.
        public let field: String
        public let value: String
        /// Whether the field must be equal to the value, or must not.
        public let equal: Bool

        public init(field: String, value: String, equal: Bool = true) {
            self.field = field
            self.value = value
            self.equal = equal
        }
    }

    public let requirements: [Requirement]

    public init(_ requirements: [Requirement]) { self.requirements = requirements }

    public static let everything = FieldRequirements([])

    public var isEmpty: Bool { requirements.isEmpty }

    /// Reads the text form: `field=value`, `field==value`, `field!=value`, joined by commas; `\` escapes `,`, `=` and `\`.
    public init(parsing text: String) throws(APIValueError) {
        var requirements: [Requirement] = []
        for term in Self.split(text, at: ",") where !term.isEmpty { requirements.append(try Self.parse(term)) }
        self.requirements = requirements
    }

    /// The value that a field must be equal to, if there is such a requirement. Serves look-ups by an index.
    public func exactValue(of field: String) -> String? {
        requirements.first { $0.field == field && $0.equal }?.value
    }

    /// Refuses fields that a resource does not select by.
    public func check(against definition: ResourceDefinition) throws(APIValueError) {
        let known = ["metadata.name"] + (definition.namespaced ? ["metadata.namespace"] : []) + definition.selectableFields
        for requirement in requirements where !known.contains(requirement.field) {
            let list = known.map { "\"\($0)\"" }.joined(separator: ", ")
            throw APIValueError(.selector, "\"\(requirement.field)\" is not a known field selector: only \(list)")
        }
    }

    public func matches(_ object: JSON, _ definition: ResourceDefinition) -> Bool {
        requirements.allSatisfy { (Self.value(of: $0.field, in: object, definition.schema) == $0.value) == $0.equal }
    }

    /// The text that a field is compared as: absent texts are empty, absent booleans are false.
    private static func value(of field: String, in object: JSON, _ schema: Schema) -> String {
        var value: JSON? = object
        var schema: Schema? = schema
        for name in field.split(separator: ".").map(String.init) {
            value = value?[name]
            schema = schema?.property(name)
        }
        // Events are selected by their source's component under the name `source`.
        if field == "source" { return value?["component"]?.string ?? object["reportingComponent"]?.string ?? "" }
        switch value {
        case .string(let text): return text
        case .bool(let bool): return bool ? "true" : "false"
        case .number(let number): return number.text
        default: return schema?.type == .boolean ? "false" : ""
        }
    }

    // MARK: Text

    private static func split(_ text: String, at separator: Character) -> [Substring] {
        var parts: [Substring] = []
        var start = text.startIndex
        var escaped = false
        for index in text.indices {
            if escaped { escaped = false } else if text[index] == "\\" { escaped = true } else if text[index] == separator {
                parts.append(text[start..<index])
                start = text.index(after: index)
            }
        }
        return parts + [text[start...]]
    }

    private static func parse(_ term: Substring) throws(APIValueError) -> Requirement {
        for (symbol, equal) in [("!=", false), ("==", true), ("=", true)] {
            guard let range = firstRange(of: symbol, in: term) else { continue }
            return Requirement(
                field: String(term[..<range.lowerBound]), value: try unescape(term[range.upperBound...]), equal: equal)
        }
        throw APIValueError(.selector, "invalid selector: '\(term)'; can't understand '\(term)'")
    }

    /// The first place of the symbol, provided that no other comparison comes before it.
    private static func firstRange(of symbol: String, in term: Substring) -> Range<Substring.Index>? {
        guard let first = term.firstIndex(where: { $0 == "=" || $0 == "!" }), term[first...].hasPrefix(symbol) else { return nil }
        return first..<term.index(first, offsetBy: symbol.count)
    }

    private static func unescape(_ text: Substring) throws(APIValueError) -> String {
        var result = ""
        var escaped = false
        for character in text {
            if escaped {
                guard character == "\\" || character == "," || character == "=" else {
                    throw APIValueError(.selector, "invalid field selector: invalid escape sequence: \\\(character)")
                }
                result.append(character)
                escaped = false
            } else if character == "\\" {
                escaped = true
            } else if character == "=" {
                throw APIValueError(.selector, "invalid field selector: unescaped character in value: =")
            } else {
                result.append(character)
            }
        }
        if escaped { throw APIValueError(.selector, "invalid field selector: unfinished escape sequence") }
        return result
    }
}

extension FieldRequirements: CustomStringConvertible {
    public var description: String {
        requirements.map { requirement in
            let value = requirement.value.reduce(into: "") { text, character in
                if character == "\\" || character == "," || character == "=" { text.append("\\") }
                text.append(character)
            }
            return "\(requirement.field)\(requirement.equal ? "=" : "!=")\(value)"
        }.joined(separator: ",")
    }
}
