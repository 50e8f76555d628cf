/// A JSON value (RFC 8259) as a tree: members keep their order, numbers keep their text.
///
/// Equality is JSON's own: the order of an object's members does not matter, numbers are compared as written.
public enum JSON: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSON])
    case object(JSONObject)
}

extension JSON {
    /// The text, if this is a string.
    public var string: String? {
        if case .string(let value) = self { value } else { nil }
    }

    /// The value, if this is a number written as an integer that fits into 64 bits.
    public var int: Int64? {
        if case .number(let value) = self { value.int64 } else { nil }
    }

    /// The value, if this is a number.
    public var double: Double? {
        if case .number(let value) = self { value.double } else { nil }
    }

    /// The value, if this is `true` or `false`.
    public var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The elements, if this is an array.
    public var array: [JSON]? {
        if case .array(let value) = self { value } else { nil }
    }

    /// The members, if this is an object.
    public var object: JSONObject? {
        if case .object(let value) = self { value } else { nil }
    }

    /// Whether this is `null`.
    public var isNull: Bool {
        if case .null = self { true } else { false }
    }

    /// What this is, in the words of JSON: `null`, `bool`, `number`, `string`, `array` or `object`.
    public var typeName: String {
        switch self {
        case .null: "null"
        case .bool: "bool"
        case .number: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }
}

extension JSON {
    /// The member of an object; nil if there is none or this is no object.
    ///
    /// Setting a member on a value that is no object makes it an object with that one member; setting nil removes the
    /// member. Changes are made in place, without copying the rest of the tree.
    public subscript(_ key: String) -> JSON? {
        get {
            if case .object(let members) = self { members[key] } else { nil }
        }
        _modify {
            if case .object(var members) = self {
                self = .null  // gives up our reference, so that the member is changed in place
                defer { self = .object(members) }
                yield &members[key]
            } else {
                var value: JSON?
                yield &value
                if let value { self = .object([key: value]) }
            }
        }
    }

    /// The value that a path of member names leads to.
    public subscript(path path: String...) -> JSON? {
        var value = self
        for key in path {
            guard let next = value[key] else { return nil }
            value = next
        }
        return value
    }

    /// The element of an array; nil if there is none or this is no array.
    public subscript(_ index: Int) -> JSON? {
        if case .array(let elements) = self, elements.indices.contains(index) { elements[index] } else { nil }
    }

    /// Changes the elements of an array in place, without copying them; nil if this is no array.
    @discardableResult
    public mutating func withArray<Result, Failure: Error>(
        _ body: (inout [JSON]) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard case .array(var elements) = self else { return nil }
        self = .null
        defer { self = .array(elements) }
        return try body(&elements)
    }

    /// Changes the members of an object in place, without copying them; nil if this is no object.
    @discardableResult
    public mutating func withObject<Result, Failure: Error>(
        _ body: (inout JSONObject) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard case .object(var members) = self else { return nil }
        self = .null
        defer { self = .object(members) }
        return try body(&members)
    }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(nilLiteral: ()) { self = .null }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int64) { self = .number(JSONNumber(value)) }
    public init(floatLiteral value: Double) { self = .number(JSONNumber(value)) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) { self = .object(JSONObject(elements)) }
}

extension JSON {
    public init(_ value: String) { self = .string(value) }
    public init(_ value: Bool) { self = .bool(value) }
    public init(_ value: some BinaryInteger) { self = .number(JSONNumber(value)) }
    public init(_ value: Double) { self = .number(JSONNumber(value)) }
    public init(_ values: [String]) { self = .array(values.map { .string($0) }) }
}

extension JSON: CustomStringConvertible {
    /// The value as compact JSON text.
    public var description: String { String(decoding: bytes(), as: UTF8.self) }
}
