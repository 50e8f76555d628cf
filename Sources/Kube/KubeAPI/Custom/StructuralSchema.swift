public import JSONTree

/// Whether the schema of a CustomResourceDefinition is structural: every part of an object is described in one place, so that
/// unknown parts can be pruned and absent ones filled in.
///
/// Source of the rules and words: the documentation of structural schemas (KEP-1693).
public struct StructuralSchema {
    public private(set) var errors: [FieldError] = []

    /// What is wrong with the schema of one version.
    public static func problems(_ schema: JSON, at path: FieldPath) -> [FieldError] {
        var check = StructuralSchema()
        if schema["type"] != "object" {
            check.errors.append(schema["type"] == nil
                ? .required(path.child("type"), "must not be empty at the root")
                : .invalid(path.child("type"), schema["type"] ?? "", "must be object at the root"))
        }
        if let metadata = schema[path: "properties", "metadata"] { check.checkRootMetadata(metadata, at: path.child("properties").key("metadata")) }
        check.visit(schema, at: path, place: nil)
        if check.errors.isEmpty { check.checkDefaults(schema, at: path) }
        return check.errors
    }

    private mutating func checkRootMetadata(_ metadata: JSON, at path: FieldPath) {
        let names = (metadata["properties"]?.object?.keys ?? []).filter { $0 != "name" && $0 != "generateName" }
        let others = (metadata.object?.keys ?? []).filter { !["type", "properties", "description"].contains($0) }
        guard !names.isEmpty || !others.isEmpty else { return }
        errors.append(.forbidden(path, "must not specify anything other than name and generateName, but metadata is implicitly specified"))
    }

    // MARK: structure

    private static let unsupported = ["$ref", "definitions", "dependencies", "id", "patternProperties", "additionalItems"]

    /// - Parameter place: what the value is a part of, in the words of the error; nil at the root.
    private mutating func visit(_ schema: JSON, at path: FieldPath, place: String?) {
        guard schema.object != nil else {
            errors.append(.invalid(path, schema, "must be a schema"))
            return
        }
        checkType(schema, at: path, place: place)
        for key in Self.unsupported where schema[key] != nil {
            errors.append(.forbidden(path.child(key), key == "$ref" ? "$ref is not supported" : "\(key) is not supported"))
        }
        if schema["uniqueItems"] == true {
            errors.append(.forbidden(path.child("uniqueItems"), "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"))
        }
        if let rules = schema["x-kubernetes-validations"]?.array, !rules.isEmpty {
            errors.append(.forbidden(path.child("x-kubernetes-validations"), "validation rules in CEL are not supported by this server"))
        }
        if let values = schema["additionalProperties"] {
            if values == false { errors.append(.forbidden(path.child("additionalProperties"), "additionalProperties cannot be set to false")) }
            if schema["properties"] != nil {
                errors.append(.forbidden(path.child("additionalProperties"), "additionalProperties and properties are mutual exclusive"))
            }
            if values.object != nil { visit(values, at: path.child("additionalProperties"), place: "for specified object fields") }
        }
        for (name, property) in schema["properties"]?.object ?? [:] {
            visit(property, at: path.child("properties").key(name), place: "for specified object fields")
        }
        checkList(schema, at: path)
        for key in ["allOf", "anyOf", "oneOf"] {
            for (index, part) in (schema[key]?.array ?? []).enumerated() { visitValue(part, at: path.child(key).index(index), of: schema) }
        }
        if let not = schema["not"] { visitValue(not, at: path.child("not"), of: schema) }
    }

    private mutating func checkType(_ schema: JSON, at path: FieldPath, place: String?) {
        let type = schema["type"]?.string ?? ""
        let known = ["object", "array", "string", "integer", "number", "boolean"]
        if schema["x-kubernetes-int-or-string"] == true {
            if !type.isEmpty { errors.append(.invalid(path.child("type"), JSON(type), "must be empty if x-kubernetes-int-or-string is true")) }
        } else if type.isEmpty {
            if let place, schema["x-kubernetes-preserve-unknown-fields"] != true {
                errors.append(.required(path.child("type"), "must not be empty \(place)"))
            }
        } else if !known.contains(type) {
            errors.append(.unsupported(path.child("type"), JSON(type), supported: known))
        }
        if schema["x-kubernetes-embedded-resource"] == true {
            if type != "object" { errors.append(.invalid(path.child("type"), JSON(type), "must be object if x-kubernetes-embedded-resource is true")) }
            if schema["properties"] == nil, schema["x-kubernetes-preserve-unknown-fields"] != true {
                errors.append(.required(path.child("properties"), "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"))
            }
        }
        if let pattern = schema["pattern"]?.string, (try? Regex(pattern)) == nil {
            errors.append(.invalid(path.child("pattern"), JSON(pattern), "must be a valid regular expression, but isn't"))
        }
        if schema["x-kubernetes-preserve-unknown-fields"] == false {
            errors.append(.invalid(path.child("x-kubernetes-preserve-unknown-fields"), false, "must be true or undefined"))
        }
    }

    private mutating func checkList(_ schema: JSON, at path: FieldPath) {
        if let items = schema["items"] {
            if items.array != nil {
                errors.append(.forbidden(path.child("items"), "items must be a schema object and not an array"))
            } else {
                visit(items, at: path.child("items"), place: "for specified array items")
            }
        } else if schema["type"] == "array" {
            errors.append(.required(path.child("items"), "must be specified"))
        }
        let keys = schema["x-kubernetes-list-map-keys"]?.array ?? []
        switch schema["x-kubernetes-list-type"]?.string {
        case nil:
            if !keys.isEmpty { errors.append(.required(path.child("x-kubernetes-list-type"), "must be map if x-kubernetes-list-map-keys is non-empty")) }
            return
        case "map":
            if keys.isEmpty { errors.append(.required(path.child("x-kubernetes-list-map-keys"), "must not be empty if x-kubernetes-list-type is map")) }
            for (index, key) in keys.enumerated() where schema[path: "items", "properties"]?[key.string ?? ""] == nil {
                errors.append(.invalid(path.child("x-kubernetes-list-map-keys").index(index), key, "entries must all be names of item properties"))
            }
        case "set", "atomic": break
        case let other?:
            errors.append(.unsupported(path.child("x-kubernetes-list-type"), JSON(other), supported: ["atomic", "set", "map"]))
        }
        if schema["type"] != "array" {
            errors.append(.invalid(path.child("type"), schema["type"] ?? "", "must be array if x-kubernetes-list-type is specified"))
        }
    }

    /// Within allOf, anyOf, oneOf and not there are rules for values only.
    private mutating func visitValue(_ schema: JSON, at path: FieldPath, of parent: JSON) {
        let isIntOrString = parent["x-kubernetes-int-or-string"] == true
        for key in ["type", "description", "title", "default", "nullable", "additionalProperties"] where schema[key] != nil {
            if key == "type", isIntOrString { continue }
            errors.append(.forbidden(path.child(key), "must be empty to be structural"))
        }
        for key in schema.object?.keys ?? [] where key.hasPrefix("x-kubernetes-") {
            errors.append(.forbidden(path.child(key), "must be \(schema[key] == true ? "false" : "empty") to be structural"))
        }
        for (name, property) in schema["properties"]?.object ?? [:] {
            let path = path.child("properties").key(name)
            guard let described = parent["properties"]?[name] ?? parent["additionalProperties"] else {
                errors.append(.required(FieldPath(path.description), "because it is defined in the value validation"))
                continue
            }
            visitValue(property, at: path, of: described)
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            for (index, part) in (schema[key]?.array ?? []).enumerated() { visitValue(part, at: path.child(key).index(index), of: parent) }
        }
        if let not = schema["not"] { visitValue(not, at: path.child("not"), of: parent) }
        if let items = schema["items"] { visitValue(items, at: path.child("items"), of: parent["items"] ?? [:]) }
    }

    // MARK: defaults

    /// A default must be what the schema allows.
    private mutating func checkDefaults(_ schema: JSON, at path: FieldPath) {
        if let value = schema["default"], let parsed = try? SchemaParser().parse(schema) {
            for problem in CustomResourceValidator.problems(value, parsed, at: path.child("default")) { errors.append(problem) }
            var pruned = value
            var decoder = ObjectDecoder(isLenient: true)
            if (try? decoder.decode(&pruned, as: parsed)) != nil, !decoder.unknownFields.isEmpty {
                errors.append(.invalid(path.child("default"), value, "must not have unknown fields"))
            }
        }
        for (name, property) in schema["properties"]?.object ?? [:] { checkDefaults(property, at: path.child("properties").key(name)) }
        for key in ["items", "additionalProperties"] { if let child = schema[key], child.object != nil { checkDefaults(child, at: path.child(key)) } }
    }
}
