internal import JSONTree
internal import KubeAPI

/// The body of a PATCH request.
struct ObjectPatch: Sendable {
    private let type: PatchType
    private let body: JSON
    private let duplicates: [String]

    init(contentType: String, body: [UInt8]) throws(StatusError) {
        guard let type = PatchType(contentType: contentType) else { throw .unsupportedMediaType(PatchType.allCases.map(\.rawValue) + [ApplyRequest.mediaType]) }
        self.type = type
        (self.body, duplicates) = try RequestBodies.parse(body)
        switch (type, self.body) {
        case (.json, .array), (.merge, .object), (.strategicMerge, .object): break
        default: throw .badRequest("error decoding patch: expected \(type == .json ? "an array" : "an object"), found \(self.body.typeName)")
        }
    }

    /// The changed object, decoded and defaulted.
    func apply(
        to old: JSON, _ definition: ResourceDefinition, _ validation: FieldValidation
    ) throws(StatusError) -> (object: JSON, warnings: [String]) {
        if definition.isCustom, type == .strategicMerge {
            throw .unsupportedMediaType([PatchType.json.rawValue, PatchType.merge.rawValue, ApplyRequest.mediaType])
        }
        let patched: JSON
        do throws(APIValueError) {
            patched = try type.apply(body, to: old, schema: definition.schema)
        } catch {
            throw .unprocessablePatch(error.message)
        }
        var (object, warnings) = try definition.decode(patched, duplicates: duplicates, fieldValidation: validation)
        definition.applyDefaults(to: &object)
        // A version that the patch did not state is no condition: the patch means the object as it is.
        if object[path: "metadata", "resourceVersion"] == old[path: "metadata", "resourceVersion"], !statesVersion {
            object["metadata"]?["resourceVersion"] = nil
        }
        return (object, warnings)
    }

    private var statesVersion: Bool { type != .json && body[path: "metadata", "resourceVersion"] != nil }
}
