import JSONTree

/// Makes the schema of a custom resource: what its maker wrote, and what every object of the API has.
enum CustomSchema {
    static func parse(_ published: JSON, typeName: String, kind: String, metadata: Schema) throws(APIValueError) -> Schema {
        let parser = SchemaParser()
        var fields = Schema.Fields(try parser.parse(embedded(published), typeName: typeName))
        fields.kind = kind
        if fields.type == nil { fields.type = .object }
        let text = try parser.parse(["type": "string"])
        fields.properties.removeAll { ["apiVersion", "kind", "metadata"].contains($0.name) }
        fields.properties += [
            Schema.Property(name: "apiVersion", schema: text), Schema.Property(name: "kind", schema: text),
            Schema.Property(name: "metadata", schema: metadata),
        ]
        return Schema(fields)
    }

    /// The schema in which embedded resources say that they have a version, a kind and metadata.
    private static func embedded(_ schema: JSON) -> JSON {
        guard var object = schema.object else { return schema }
        for key in ["items", "additionalProperties"] { if let child = object[key], child.object != nil { object[key] = embedded(child) } }
        if let properties = object["properties"]?.object {
            object["properties"] = .object(JSONObject(properties.map { ($0.key, embedded($0.value)) }))
        }
        if object["x-kubernetes-embedded-resource"] == true {
            var properties = object["properties"]?.object ?? [:]
            for (key, value) in [("apiVersion", ["type": "string"]), ("kind", ["type": "string"])] as [(String, JSON)] where properties[key] == nil {
                properties[key] = value
            }
            if properties["metadata"] == nil { properties["metadata"] = ["type": "object", "x-kubernetes-preserve-unknown-fields": true] }
            object["properties"] = .object(properties)
        }
        return .object(object)
    }
}
