public import JSONTree

/// Turns a JSON document into an object of a schema, as Kubernetes' decoder does: checks types, drops members that the
/// schema does not describe and tells which, drops nulls and what says nothing, and writes quantities and times in their canonical form.
public struct ObjectDecoder {
    /// A value that the schema's type cannot hold. The words are those of Go's decoder.
    public struct TypeMismatch: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// Paths of members that the schema does not describe.
    public private(set) var unknownFields: [String] = []
    private var path: [Step] = []

    private enum Step {
        case field(String)
        case index(Int)
        case key(String)
    }

    /// Whether values of a wrong type are left for the validator to tell, and no text is rewritten: so it is for custom
    /// resources, whose makers choose the formats.
    private let isLenient: Bool

    public init(isLenient: Bool = false) { self.isLenient = isLenient }

    /// Decodes in place; on an error the value is left half decoded.
    public mutating func decode(_ value: inout JSON, as schema: Schema) throws(TypeMismatch) {
        try decode(&value, schema, owner: nil)
    }

    private mutating func decode(_ value: inout JSON, _ schema: Schema, owner: Schema?) throws(TypeMismatch) {
        if isLenient {
            switch (schema.type, value) {
            case (.object, .object), (.array, .array): break
            default: return
            }
        }
        if schema.isIntOrString { return try decodeIntOrString(value, owner) }
        switch schema.type {
        case .object: try decodeObject(&value, schema, owner)
        case .array: try decodeArray(&value, schema, owner)
        case .string: try decodeString(&value, schema, owner)
        case .integer: try decodeInteger(value, schema, owner)
        case .number: guard case .number = value else { throw mismatch(value, schema, owner) }
        case .boolean: guard case .bool = value else { throw mismatch(value, schema, owner) }
        case nil: break
        }
    }

    private mutating func decodeObject(_ value: inout JSON, _ schema: Schema, _ owner: Schema?) throws(TypeMismatch) {
        guard case .object(var object) = value else { throw mismatch(value, schema, owner) }
        value = .null  // gives up the second reference, so that the members change in place
        defer { value = .object(object) }
        if let values = schema.additionalProperties {
            try object.retain { (key: String, member: inout JSON) throws(TypeMismatch) in
                if member.isNull { member = Self.zero(of: values) }
                path.append(.key(key))
                try decode(&member, values, owner: owner)
                path.removeLast()
                return true
            }
            return
        }
        guard schema.isStruct else { return }
        try object.retain { (key: String, member: inout JSON) throws(TypeMismatch) in
            guard let property = schema.property(key) else {
                if schema.preservesUnknownFields { return true }
                path.append(.field(key))
                unknownFields.append(pathText)
                path.removeLast()
                return false
            }
            if member.isNull, !property.isNullable { return false }
            path.append(.field(key))
            try decode(&member, property, owner: schema)
            path.removeLast()
            return isLenient || !saysNothing(member, property) || schema.required.contains(key)
        }
    }

    /// Whether a value is the same as none, as it is for fields of Go that are no pointers and are left out when they are
    /// empty (`omitempty`): clients that send protobuf write these always, so without this rule `hostNetwork: false` in a pod
    /// template would be another template.
    private func saysNothing(_ value: JSON, _ schema: Schema) -> Bool {
        switch value {
        case .bool(let flag): !flag && !schema.keepsZero && schema.type == .boolean
        case .number(let number): number.int64 == 0 && !schema.keepsZero && schema.type == .integer
        case .string(let text): text.isEmpty && !schema.keepsZero && schema.type == .string
        case .array(let elements): elements.isEmpty && schema.type == .array
        case .object(let members): members.isEmpty && schema.isMap
        case .null: false
        }
    }

    private mutating func decodeArray(_ value: inout JSON, _ schema: Schema, _ owner: Schema?) throws(TypeMismatch) {
        guard case .array(var elements) = value else { throw mismatch(value, schema, owner) }
        guard let items = schema.items else { return }
        value = .null
        defer { value = .array(elements) }
        for index in elements.indices {
            if elements[index].isNull { elements[index] = Self.zero(of: items) }
            path.append(.index(index))
            try decode(&elements[index], items, owner: owner)
            path.removeLast()
        }
    }

    private mutating func decodeString(_ value: inout JSON, _ schema: Schema, _ owner: Schema?) throws(TypeMismatch) {
        if schema.form == .quantity {
            let text: String
            switch value {
            case .string(let string): text = string
            case .number(let number): text = number.text
            default: throw mismatch(value, schema, owner)
            }
            do { value = .string(try Quantity(text).description) } catch { throw valueError(error.message) }
            return
        }
        guard case .string(let text) = value else { throw mismatch(value, schema, owner) }
        do {
            switch schema.form {
            case .dateTime: value = .string(try Time(text).description)
            case .microTime: value = .string(try MicroTime(text).description)
            case .byte: _ = try Base64.decode(text)
            default: break
            }
        } catch {
            throw valueError(error.message)
        }
    }

    private func decodeInteger(_ value: JSON, _ schema: Schema, _ owner: Schema?) throws(TypeMismatch) {
        guard case .number(let number) = value else { throw mismatch(value, schema, owner) }
        guard let integer = number.int64, schema.format != "int32" || Int32(exactly: integer) != nil else {
            throw mismatch(value, schema, owner, shown: "number \(number.text)")
        }
    }

    private func decodeIntOrString(_ value: JSON, _ owner: Schema?) throws(TypeMismatch) {
        switch value {
        case .string: break
        case .number(let number):
            guard let integer = number.int64, Int32(exactly: integer) != nil else {
                throw TypeMismatch(description: "json: cannot unmarshal number \(number.text) into Go \(fieldText(owner)) of type int32")
            }
        default: throw TypeMismatch(description: "json: cannot unmarshal \(value.typeName) into Go \(fieldText(owner)) of type string")
        }
    }

    /// What Go leaves in an element that is null.
    private static func zero(of schema: Schema) -> JSON {
        switch schema.type {
        case .string where schema.form == .quantity: "0"
        case .string: ""
        case .integer, .number: 0
        case .boolean: false
        case .object: [:]
        case .array: []
        case nil: .null
        }
    }

    // MARK: Errors

    private func mismatch(_ value: JSON, _ schema: Schema, _ owner: Schema?, shown: String? = nil) -> TypeMismatch {
        TypeMismatch(
            description: "json: cannot unmarshal \(shown ?? value.typeName) into Go \(fieldText(owner)) of type \(Self.goName(of: schema))")
    }

    private func valueError(_ message: String) -> TypeMismatch { TypeMismatch(description: "\(pathText): \(message)") }

    /// `struct field Container.spec.containers.ports`: the struct that holds the field, then the path without indices.
    private func fieldText(_ owner: Schema?) -> String {
        let names = path.compactMap { if case .field(let name) = $0 { name } else { nil } }
        guard let owner, !names.isEmpty else { return "value" }
        let type = owner.typeName.map { SchemaCatalog.split($0).type }
        return "struct field \((type.map { [$0] } ?? []).appending(names).joined(separator: "."))"
    }

    private var pathText: String {
        path.reduce(FieldPath()) { path, step in
            switch step {
            case .field(let name): path.child(name)
            case .index(let index): path.index(index)
            case .key(let key): path.key(key)
            }
        }.description
    }

    static func goName(of schema: Schema) -> String {
        if schema.isIntOrString { return "intstr.IntOrString" }
        switch schema.type {
        case .string:
            switch schema.format {
            case "byte": return "[]uint8"
            case "quantity": return "resource.Quantity"
            case "date-time": return "v1.Time"
            case "micro-time": return "v1.MicroTime"
            default: return "string"
            }
        case .integer: return schema.format ?? "int64"
        case .number: return "float64"
        case .boolean: return "bool"
        case .array: return "[]" + (schema.items.map(goName) ?? "interface {}")
        case .object:
            if let values = schema.additionalProperties { return "map[string]" + goName(of: values) }
            return schema.typeName.map { "v1." + SchemaCatalog.split($0).type } ?? "map[string]interface {}"
        case nil: return "interface {}"
        }
    }
}

extension Array {
    fileprivate func appending(_ others: [Element]) -> [Element] { self + others }
}
