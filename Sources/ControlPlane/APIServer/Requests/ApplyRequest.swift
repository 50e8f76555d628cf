internal import JSONTree
internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// The body of a server-side apply: what one manager wants an object to be.
struct ApplyRequest: Sendable {
    static let mediaType = "application/apply-patch+yaml"

    /// Decoded, without defaults: what a client does not say, it does not own.
    let configuration: JSON
    let warnings: [String]

    init(_ bytes: [UInt8], name: String, _ definition: ResourceDefinition, _ validation: FieldValidation) throws(StatusError) {
        // JSON is YAML too, and has a faster reader.
        let isJSON = bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) } == UInt8(ascii: "{")
        let (body, duplicates) = isJSON ? try RequestBodies.parse(bytes) : (try YAMLBody.json(bytes), [])
        for key in ["apiVersion", "kind"] where nonEmpty(body[key]) == nil {
            throw .badRequest("error decoding patch: expected \(key) of the applied object to be set")
        }
        guard (body[path: "metadata", "managedFields"]?.array ?? []).isEmpty else { throw .badRequest("metadata.managedFields must be nil") }
        var (object, warnings) = try definition.decode(body, duplicates: duplicates, fieldValidation: validation)
        if object["metadata"]?.object == nil { object["metadata"] = [:] }
        if let stated = nonEmpty(object[path: "metadata", "name"]), stated != name {
            throw .badRequest("the name of the object (\(stated)) does not match the name on the URL (\(name))")
        }
        object["metadata"]?["name"] = .string(name)
        configuration = object
        self.warnings = warnings
    }

    /// The object that comes of the live one, with defaults.
    func apply(
        to live: JSON?, _ manager: FieldManager, _ definition: ResourceDefinition, force: Bool
    ) throws(StatusError) -> JSON {
        let merged: JSON
        do throws(FieldManager.Conflicts) {
            merged = try manager.apply(configuration, to: live, schema: definition.schema, force: force)
        } catch {
            throw error.status
        }
        var object = try definition.decode(merged, fieldValidation: .ignore).object
        definition.applyDefaults(to: &object)
        // A version is a condition only if the client states it.
        object["metadata"]?["resourceVersion"] = configuration["metadata"]?["resourceVersion"]
        return object
    }
}

extension ResourceRequest {
    func apply(_ store: ObjectStore, _ part: ObjectStore.Part) async throws(StatusError) -> ServerResponse {
        let output = try output(store)
        let (dryRun, validation) = (try dryRun, try fieldValidation)
        guard let name = request.query["fieldManager"], !name.isEmpty else {
            throw .invalid(options: "PatchOptions", .required(FieldPath("fieldManager"), "is required for apply patch"))
        }
        let force = RequestInfo.flag(request.query["force"])
        let applied = try ApplyRequest(try await RequestBodies.bytes(request), name: info.name, store.definition, validation)
        let manager = store.fieldManager(context, part.subresource)
        for attempt in 1... {
            do throws(StatusError) {
                let outcome = try await store.update(
                    namespace: info.namespace, name: info.name, part: part, dryRun: dryRun, context: context, tracking: .applied
                ) { live throws(StatusError) in
                    try applied.apply(to: live, manager, store.definition, force: force)
                }
                return .bytes(output.object(outcome.object), warnings: applied.warnings)
            } catch {
                guard error.code == 404, part == .whole, error.details["name"]?.string == info.name else { throw error }
            }
            do throws(StatusError) {
                let object = try applied.apply(to: nil, manager, store.definition, force: force)
                let outcome = try await store.create(object, namespace: info.namespace, dryRun: dryRun, context: context, tracking: .applied)
                return .bytes(output.object(outcome.object), status: .created, warnings: applied.warnings)
            } catch {
                // Somebody else made it in between: then it is an update after all.
                guard error.reason == "AlreadyExists", attempt < ObjectStore.attempts else { throw error }
            }
        }
        throw .unknownPath()
    }
}
