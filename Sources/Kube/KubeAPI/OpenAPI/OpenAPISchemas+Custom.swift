import JSONTree

/// The schemas of custom resources: what their makers wrote, with what every object has.
extension OpenAPISchemas {
    func customSchema(of definition: ResourceDefinition) -> JSON {
        var schema = published(definition.custom?.published ?? [:])
        if schema["type"] == nil { schema["type"] = "object" }
        var properties = schema["properties"]?.object ?? [:]
        for name in ["apiVersion", "kind"] {
            properties[name] = ["type": "string", "description": .string(FieldDescriptions.shared.text(type: "", field: name))]
        }
        properties["metadata"] = form == .v3
            ? ["allOf": [form.reference(Self.name(of: "meta/v1.ObjectMeta"))], "description": "Standard object's metadata.", "default": [:]]
            : form.reference(Self.name(of: "meta/v1.ObjectMeta"))
        schema["properties"] = .object(properties)
        schema["x-kubernetes-group-version-kind"] = [[
            "group": .string(definition.reference.group), "kind": .string(definition.kind), "version": .string(definition.reference.version),
        ]]
        return schema
    }

    /// Swagger 2 has no words for some rules; what they would forbid is then allowed.
    private func published(_ schema: JSON) -> JSON {
        guard form == .v2, var object = schema.object else { return schema }
        for key in ["anyOf", "oneOf", "not", "nullable", "x-kubernetes-validations"] { object[key] = nil }
        if object["x-kubernetes-int-or-string"] == true || schema["nullable"] == true { object["type"] = nil }
        if object["x-kubernetes-preserve-unknown-fields"] == true { for key in ["properties", "items", "additionalProperties"] { object[key] = nil } }
        for key in ["items", "additionalProperties"] { if let child = object[key], child.object != nil { object[key] = published(child) } }
        if let properties = object["properties"]?.object {
            object["properties"] = .object(JSONObject(properties.map { ($0.key, published($0.value)) }))
        }
        return .object(object)
    }
}
