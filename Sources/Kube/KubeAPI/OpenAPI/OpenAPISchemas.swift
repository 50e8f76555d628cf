import JSONTree

/// Schemas as OpenAPI publishes them, under the names that Kubernetes gave them.
struct OpenAPISchemas {
    let catalog: SchemaCatalog
    let form: OpenAPIForm

    private static let metaPrefix = "io.k8s.apimachinery.pkg.apis.meta.v1."
    private static let quantity = "io.k8s.apimachinery.pkg.api.resource.Quantity"
    private static let intOrString = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"

    /// `core/v1.Pod` is `io.k8s.api.core.v1.Pod`.
    static func name(of typeName: String) -> String {
        let (document, type) = SchemaCatalog.split(typeName)
        if document.hasPrefix("custom/") { return "\(document.dropFirst("custom/".count)).\(type)" }
        if document == "apiextensions/v1" { return "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1." + type }
        if document == "meta/v1" { return metaPrefix + type }
        return "io.k8s.api." + document.split(separator: "/").joined(separator: ".") + "." + type
    }

    static func listName(of definition: ResourceDefinition) -> String {
        let (document, _) = SchemaCatalog.split(definition.typeName)
        return name(of: "\(document).\(definition.listKind)")
    }

    /// The schemas of kinds and lists and all that they refer to, sorted by name.
    func definitions(of resources: [ResourceDefinition]) -> JSONObject {
        var result: [String: JSON] = [:]
        var pending = ["meta/v1.DeleteOptions", "meta/v1.Status", "meta/v1.ListMeta", "meta/v1.APIResource", "meta/v1.ObjectMeta"]
        pending += resources.map(\.typeName)
        if resources.contains(where: { $0.scale != nil }) { pending.append("autoscaling/v1.Scale") }
        for resource in resources where resource.isCustom { result[Self.name(of: resource.typeName)] = customSchema(of: resource) }
        while let typeName = pending.popLast() {
            let name = Self.name(of: typeName)
            guard result[name] == nil, let schema = try? catalog.schema(typeName) else { continue }
            result[name] = json(schema, nested: false)
            collectReferences(schema, into: &pending)
        }
        for resource in resources { result[Self.listName(of: resource)] = listSchema(of: resource) }
        for (name, schema) in valueSchemas { result[name] = schema }
        var object = JSONObject()
        for (name, schema) in result.sorted(by: { $0.key < $1.key }) { object.append(key: name, value: schema) }
        return object
    }

    private func collectReferences(_ schema: Schema, into pending: inout [String]) {
        for child in schema.properties.map(\.schema) + [schema.items, schema.additionalProperties].compactMap({ $0 }) {
            if let typeName = child.typeName { pending.append(typeName) } else { collectReferences(child, into: &pending) }
        }
    }

    private var valueSchemas: [(String, JSON)] {
        let text: JSON = ["type": "string"]
        let number: JSON = ["type": "number"]
        return [
            (Self.metaPrefix + "Time", ["type": "string", "format": "date-time"]),
            (Self.metaPrefix + "MicroTime", ["type": "string", "format": "date-time"]),
            (Self.quantity, form == .v2 ? text : ["oneOf": [text, number]]),
            (Self.intOrString, form == .v2
                ? ["type": "string", "format": "int-or-string"] : ["oneOf": [["type": "integer"], text], "format": "int-or-string"]),
        ]
    }

    private func listSchema(of resource: ResourceDefinition) -> JSON {
        [
            "type": "object", "required": ["items"], "description": .string("\(resource.listKind) is a list of objects of the kind \(resource.kind)."),
            "properties": [
                "apiVersion": ["type": "string", "description": .string(FieldDescriptions.shared.text(type: "", field: "apiVersion"))],
                "kind": ["type": "string", "description": .string(FieldDescriptions.shared.text(type: "", field: "kind"))],
                "metadata": form.reference(Self.metaPrefix + "ListMeta"),
                "items": [
                    "type": "array", "description": "The objects of the list.", "items": form.reference(Self.name(of: resource.typeName)),
                ],
            ],
            "x-kubernetes-group-version-kind": [[
                "group": .string(resource.reference.group), "kind": .string(resource.listKind), "version": .string(resource.reference.version),
            ]],
        ]
    }

    // MARK: One schema

    /// The text of a field, empty if nobody wrote one.
    private func text(of property: Schema.Property, in owner: Schema) -> String {
        FieldDescriptions.shared.text(type: owner.typeName.map { SchemaCatalog.split($0).type } ?? "", field: property.name)
    }

    /// The schema as JSON; a nested one that has a name is a reference.
    private func json(_ schema: Schema, nested: Bool = true, description: String = "") -> JSON {
        var object = JSONObject()
        if let reference = nested ? reference(of: schema) : nil {
            let extensions = extensions(of: schema)
            if schema.defaultValue == nil, extensions.isEmpty, description.isEmpty { return reference }
            // Members beside a $ref mean nothing, so a reference with a default is wrapped.
            if form == .v3 { object["allOf"] = [reference] } else { object["$ref"] = reference["$ref"] }
            if !description.isEmpty { object["description"] = .string(description) }
            object["default"] = schema.defaultValue
            for (key, value) in extensions { object[key] = value }
            return .object(object)
        }
        let typeText = nested ? "" : FieldDescriptions.shared.text(type: schema.typeName.map { SchemaCatalog.split($0).type } ?? "")
        let text = schema.description ?? (description.isEmpty ? typeText : description)
        if !text.isEmpty { object["description"] = .string(text) }
        object["type"] = schema.type.map { .string($0.rawValue) }
        if schema.form?.isPublished ?? true { object["format"] = schema.format.map { .string($0) } }
        object["default"] = schema.defaultValue
        if !schema.constraints.enumeration.isEmpty { object["enum"] = .array(schema.constraints.enumeration) }
        if !schema.required.isEmpty { object["required"] = JSON(schema.required) }
        if !schema.properties.isEmpty {
            var properties = JSONObject()
            for property in schema.properties { properties.append(key: property.name, value: json(property.schema, description: self.text(of: property, in: schema))) }
            object["properties"] = .object(properties)
        }
        object["items"] = schema.items.map { json($0) }
        object["additionalProperties"] = schema.additionalProperties.map { json($0) }
        if let kind = schema.kind, !nested, let typeName = schema.typeName { object["x-kubernetes-group-version-kind"] = identity(kind, typeName) }
        for (key, value) in extensions(of: schema) { object[key] = value }
        return .object(object)
    }

    private func reference(of schema: Schema) -> JSON? {
        if schema.isIntOrString { return form.reference(Self.intOrString) }
        switch schema.form {
        case .quantity: return form.reference(Self.quantity)
        case .dateTime: return form.reference(Self.metaPrefix + "Time")
        case .microTime: return form.reference(Self.metaPrefix + "MicroTime")
        default: return schema.typeName.map { form.reference(Self.name(of: $0)) }
        }
    }

    private func extensions(of schema: Schema) -> JSONObject {
        var object = JSONObject()
        object["x-kubernetes-list-type"] = schema.listType.map { .string($0.rawValue) }
        if !schema.listMapKeys.isEmpty { object["x-kubernetes-list-map-keys"] = JSON(schema.listMapKeys) }
        object["x-kubernetes-patch-merge-key"] = schema.patchMergeKey.map { .string($0) }
        let strategies = (schema.patchMerges ? ["merge"] : []) + (schema.patchRetainsKeys ? ["retainKeys"] : [])
        if !strategies.isEmpty { object["x-kubernetes-patch-strategy"] = .string(strategies.joined(separator: ",")) }
        if schema.isAtomicMap, schema.typeName == nil { object["x-kubernetes-map-type"] = "atomic" }
        if schema.preservesUnknownFields, schema.typeName == nil, schema.type == .object { object["x-kubernetes-preserve-unknown-fields"] = true }
        return object
    }

    private func identity(_ kind: String, _ typeName: String) -> JSON {
        let (document, _) = SchemaCatalog.split(typeName)
        let group = document == "meta/v1" ? "" : catalog.documents[document]?["group"]?.string ?? ""
        return [["group": .string(group), "kind": .string(kind), "version": catalog.documents[document]?["version"] ?? "v1"]]
    }
}
