import JSONTree

/// The paths of resources as OpenAPI publishes them: enough for clients to learn verbs, parameters and media types.
struct OpenAPIPaths {
    let form: OpenAPIForm

    func paths(of definitions: [ResourceDefinition]) -> JSONObject {
        var paths = JSONObject()
        for definition in definitions {
            let root = definition.reference.path()
            let collection = definition.reference.path(namespace: "{namespace}")
            if definition.verbs.contains("list") || definition.verbs.contains("create") {
                if definition.namespaced, definition.verbs.contains("list") {
                    paths[root] = item(["list"], of: definition, parameters: [])
                }
                let verbs = ["list", "create", "deletecollection"].filter { definition.verbs.contains($0) }
                paths[collection] = item(verbs, of: definition, parameters: definition.namespaced ? ["namespace"] : [])
            }
            let names = (definition.namespaced ? ["namespace"] : []) + ["name"]
            let verbs = ["get", "update", "patch", "delete"].filter { definition.verbs.contains($0) }
            if !verbs.isEmpty { paths["\(collection)/{name}"] = item(verbs, of: definition, parameters: names) }
            if definition.hasStatus {
                paths["\(collection)/{name}/status"] = item(["get", "update", "patch"], of: definition, parameters: names)
            }
            if definition.scale != nil, let scale = APIRegistry.builtIn.scaleDefinition {
                paths["\(collection)/{name}/scale"] = item(["get", "update", "patch"], of: scale, parameters: names)
            }
        }
        return paths
    }

    private func item(_ verbs: [String], of definition: ResourceDefinition, parameters: [String]) -> JSON {
        var item = JSONObject()
        for verb in verbs { item[Self.method(of: verb)] = operation(verb, definition) }
        if !parameters.isEmpty { item["parameters"] = .array(parameters.map { parameter($0, in: "path", required: true) }) }
        return .object(item)
    }

    private static func method(of verb: String) -> String {
        switch verb {
        case "create": "post"
        case "update": "put"
        case "patch": "patch"
        case "delete", "deletecollection": "delete"
        default: "get"
        }
    }

    /// The verb in the words of `x-kubernetes-action`.
    private static func action(of verb: String) -> String {
        switch verb {
        case "create": "post"
        case "update": "put"
        default: verb
        }
    }

    private func operation(_ verb: String, _ definition: ResourceDefinition) -> JSON {
        let object = form.reference(OpenAPISchemas.name(of: definition.typeName))
        let status = form.reference(OpenAPISchemas.name(of: "meta/v1.Status"))
        let answer: JSON
        switch verb {
        case "list": answer = form.reference(OpenAPISchemas.listName(of: definition))
        case "delete", "deletecollection": answer = status
        default: answer = object
        }
        var parameters = Self.queryParameters(of: verb).map { parameter($0, in: "query", required: false) }
        var operation: JSONObject = [
            "x-kubernetes-action": .string(Self.action(of: verb)),
            "x-kubernetes-group-version-kind": [
                "group": .string(definition.reference.group), "kind": .string(definition.kind), "version": .string(definition.reference.version),
            ],
        ]
        if let (types, schema) = body(of: verb, object, isCustom: definition.isCustom) {
            if form == .v3 {
                operation["requestBody"] = ["content": .object(JSONObject(types.map { ($0, ["schema": schema]) }))]
            } else {
                operation["consumes"] = JSON(types)
                parameters.append(["name": "body", "in": "body", "required": .bool(verb != "delete"), "schema": schema])
            }
        }
        operation["parameters"] = .array(parameters)
        let content: JSON = form == .v3 ? ["description": "OK", "content": ["application/json": ["schema": answer]]] : ["description": "OK", "schema": answer]
        operation["responses"] = .object(JSONObject([(verb == "create" ? "201" : "200", content)]))
        if form == .v2 { operation["produces"] = ["application/json"] }
        return .object(operation)
    }

    private func body(of verb: String, _ object: JSON, isCustom: Bool) -> (types: [String], schema: JSON)? {
        switch verb {
        case "create", "update": (["application/json", "application/yaml"], object)
        case "patch":
            // Where the server does not know how to merge lists, clients must not try.
            (PatchType.allCases.filter { !isCustom || $0 != .strategicMerge }.map(\.rawValue) + ["application/apply-patch+yaml"], ["type": "object"])
        case "delete", "deletecollection": (["application/json"], form.reference(OpenAPISchemas.name(of: "meta/v1.DeleteOptions")))
        default: nil
        }
    }

    private static func queryParameters(of verb: String) -> [String] {
        switch verb {
        case "list":
            [
                "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "resourceVersionMatch",
                "sendInitialEvents", "timeoutSeconds", "watch",
            ]
        case "create", "update": ["dryRun", "fieldManager", "fieldValidation"]
        case "patch": ["dryRun", "fieldManager", "fieldValidation", "force"]
        case "delete": ["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"]
        case "deletecollection":
            ["continue", "dryRun", "fieldSelector", "gracePeriodSeconds", "labelSelector", "limit", "orphanDependents", "propagationPolicy"]
        default: []
        }
    }

    private func parameter(_ name: String, in place: String, required: Bool) -> JSON {
        let type: JSON
        switch name {
        case "limit", "timeoutSeconds", "gracePeriodSeconds": type = "integer"
        case "allowWatchBookmarks", "sendInitialEvents", "watch", "force", "orphanDependents": type = "boolean"
        default: type = "string"
        }
        var parameter: JSONObject = ["name": .string(name), "in": .string(place)]
        if required { parameter["required"] = true }
        if form == .v3 {
            parameter["schema"] = ["type": type, "uniqueItems": true]
        } else {
            parameter["type"] = type
            parameter["uniqueItems"] = true
        }
        return .object(parameter)
    }
}
