internal import JSONTree
internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// The `scale` subresource: how many, as an `autoscaling/v1` Scale, whatever kind it is that is scaled.
struct Scale: Sendable {
    let paths: ResourceDefinition.ScalePaths

    /// The Scale of an object.
    func read(_ object: JSON) -> JSON {
        var metadata: JSON = [:]
        for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            if let value = object["metadata"]?[key] { metadata[key] = value }
        }
        var spec: JSON = [:]
        if let replicas = Self.value(paths.specReplicas, in: object)?.int { spec["replicas"] = JSON(replicas) }
        var status: JSON = ["replicas": JSON(Self.value(paths.statusReplicas, in: object)?.int ?? 0)]
        if let selector = selector(of: object) { status["selector"] = .string(selector) }
        return ["kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status]
    }

    /// The object with the number of a Scale, under the version and identity that the Scale states.
    func write(_ scale: JSON, to object: JSON) -> JSON {
        var result = object
        Self.set(JSON(scale[path: "spec", "replicas"]?.int ?? 0), at: paths.specReplicas[...], in: &result)
        for key in ["resourceVersion", "uid"] { result["metadata"]?[key] = scale["metadata"]?[key] }
        return result
    }

    /// Built-in kinds have a selector object, custom ones the text of one.
    private func selector(of object: JSON) -> String? {
        guard let path = paths.selector, let value = Self.value(path, in: object) else { return nil }
        if let text = value.string { return text }
        guard let parsed = try? LabelRequirements(selector: value) else { return nil }
        return LabelRequirements(parsed.requirements.sorted { $0.key < $1.key }).description
    }

    private static func value(_ path: [String], in object: JSON) -> JSON? {
        path.reduce(Optional(object)) { value, key in value?[key] }
    }

    private static func set(_ value: JSON, at path: ArraySlice<String>, in object: inout JSON) {
        guard let first = path.first else {
            object = value
            return
        }
        var member = object[first] ?? [:]
        set(value, at: path.dropFirst(), in: &member)
        object[first] = member
    }
}

extension ResourceRequest {
    func respondScale(_ store: ObjectStore) async throws(StatusError) -> ServerResponse {
        guard let paths = store.definition.scale, let definition = server.configuration.registry.scaleDefinition else { throw .unknownPath() }
        let scale = Scale(paths: paths)
        if info.verb == "get" { return .json(scale.read(try await store.get(namespace: info.namespace, name: info.name).json())) }
        let (dryRun, validation) = (try dryRun, try fieldValidation)
        let change = try await scaleChange(definition, validation)
        let outcome = try await store.update(
            namespace: info.namespace, name: info.name, part: .whole, dryRun: dryRun, context: context.with(subresource: "scale")
        ) { old throws(StatusError) in
            let wanted = try change(scale.read(old))
            guard wanted[path: "spec", "replicas"]?.int ?? 0 >= 0 else {
                let error = FieldError.invalid(
                    FieldPath.spec.child("replicas"), wanted[path: "spec", "replicas"] ?? 0, "must be greater than or equal to 0")
                throw .invalid(definition.reference, name: info.name, [error])
            }
            return scale.write(wanted, to: old)
        }
        return .json(scale.read(outcome.object.json()))
    }

    /// What the body makes of the present Scale: another one (PUT), or a change of it (PATCH).
    private func scaleChange(
        _ definition: ResourceDefinition, _ validation: FieldValidation
    ) async throws(StatusError) -> @Sendable (JSON) throws(StatusError) -> JSON {
        if info.verb == "patch" {
            let patch = try ObjectPatch(contentType: RequestBodies.contentType(request), body: try await RequestBodies.bytes(request))
            return { (old) throws(StatusError) in try patch.apply(to: old, definition, validation).object }
        }
        let (body, duplicates) = try await RequestBodies.json(request, server.configuration.registry)
        let decoded = try definition.decode(body, duplicates: duplicates, fieldValidation: validation).object
        let name = info.name
        if let stated = nonEmpty(decoded[path: "metadata", "name"]), stated != name {
            throw .badRequest("the name of the object (\(stated)) does not match the name on the URL (\(name))")
        }
        return { (_) throws(StatusError) in decoded }
    }
}
