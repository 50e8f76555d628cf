public import JSONTree

/// Builds schemas from their JSON form, resolving references by name.
public struct SchemaParser {
    /// Finds the schema of a named type.
    public typealias Resolver = (String) throws(APIValueError) -> Schema

    private let resolve: Resolver

    public init(resolve: @escaping Resolver = { name throws(APIValueError) in
        throw APIValueError(.schema, "expected a schema without $ref, found a reference to \(name)")
    }) {
        self.resolve = resolve
    }

    public func parse(_ json: JSON, typeName: String? = nil) throws(APIValueError) -> Schema {
        guard case .object(let object) = json else {
            throw APIValueError(.schema, "expected a schema to be an object, found \(json.typeName)")
        }
        var fields = Schema.Fields()
        if let name = object["$ref"]?.string { fields = Schema.Fields(try resolve(name)) }
        if let typeName { fields.typeName = typeName }
        for (key, value) in object { try read(key, value, into: &fields) }
        return Schema(fields)
    }

    private func read(_ key: String, _ value: JSON, into fields: inout Schema.Fields) throws(APIValueError) {
        switch key {
        case "type":
            guard let type = Schema.ValueType(rawValue: value.string ?? "") else {
                throw APIValueError(.schema, "expected a type to be object, array, string, integer, number or boolean, found \(value)")
            }
            fields.type = type
        case "format": fields.format = value.string
        case "description": fields.description = value.string
        case "default": fields.defaultValue = value
        case "nullable": fields.isNullable = value.bool ?? false
        case "required": fields.required = (value.array ?? []).compactMap(\.string)
        case "properties":
            var properties: [Schema.Property] = []
            for (name, property) in value.object ?? [:] {
                properties.append(Schema.Property(name: name, schema: try parse(property)))
            }
            fields.properties = properties
        case "additionalProperties":
            if case .bool(let open) = value { fields.preservesUnknownFields = open } else { fields.additionalProperties = try parse(value) }
        case "items": fields.items = try parse(value)
        case "allOf": fields.constraints.allOf = try parseAll(value)
        case "anyOf": fields.constraints.anyOf = try parseAll(value)
        case "oneOf": fields.constraints.oneOf = try parseAll(value)
        case "not": fields.constraints.not = try parse(value)
        default:
            if key.hasPrefix("x-") { try readExtension(key, value, into: &fields) } else { readConstraint(key, value, into: &fields.constraints) }
        }
    }

    private func parseAll(_ list: JSON) throws(APIValueError) -> [Schema] {
        var schemas: [Schema] = []
        for item in list.array ?? [] { schemas.append(try parse(item)) }
        return schemas
    }

    private func readExtension(_ key: String, _ value: JSON, into fields: inout Schema.Fields) throws(APIValueError) {
        switch key {
        case "x-kubernetes-int-or-string": fields.isIntOrString = value.bool ?? false
        case "x-kubernetes-preserve-unknown-fields": fields.preservesUnknownFields = value.bool ?? false
        case "x-kubernetes-embedded-resource": fields.isEmbeddedResource = value.bool ?? false
        case "x-kubernetes-group-version-kind": fields.kind = value["kind"]?.string
        case "x-kubernetes-list-type":
            guard let type = Schema.ListType(rawValue: value.string ?? "") else {
                throw APIValueError(.schema, "expected a list type to be atomic, set or map, found \(value)")
            }
            fields.listType = type
        case "x-kubernetes-list-map-keys": fields.listMapKeys = (value.array ?? []).compactMap(\.string)
        case "x-kubernetes-map-type": fields.isAtomicMap = value == "atomic"
        case "x-kubernetes-patch-strategy":
            let strategies = (value.string ?? "").split(separator: ",")
            fields.patchMerges = strategies.contains("merge")
            fields.patchRetainsKeys = strategies.contains("retainKeys")
        case "x-kubernetes-patch-merge-key": fields.patchMergeKey = value.string
        case "x-swiftlet-protobuf": fields.protobufTag = value.string ?? value.int.map(String.init)
        case "x-swiftlet-keeps-zero": fields.keepsZero = value.bool ?? false
        default: break  // other vendors' extensions mean nothing to us
        }
    }

    private func readConstraint(_ key: String, _ value: JSON, into constraints: inout Schema.Constraints) {
        switch key {
        case "enum": constraints.enumeration = value.array ?? []
        case "minimum": constraints.minimum = value.double
        case "maximum": constraints.maximum = value.double
        case "exclusiveMinimum": constraints.exclusiveMinimum = value.bool ?? false
        case "exclusiveMaximum": constraints.exclusiveMaximum = value.bool ?? false
        case "minLength": constraints.minLength = value.int.map(Int.init)
        case "maxLength": constraints.maxLength = value.int.map(Int.init)
        case "minItems": constraints.minItems = value.int.map(Int.init)
        case "maxItems": constraints.maxItems = value.int.map(Int.init)
        case "minProperties": constraints.minProperties = value.int.map(Int.init)
        case "maxProperties": constraints.maxProperties = value.int.map(Int.init)
        case "pattern": constraints.pattern = value.string
        case "multipleOf": constraints.multipleOf = value.double
        default: break
        }
    }
}
