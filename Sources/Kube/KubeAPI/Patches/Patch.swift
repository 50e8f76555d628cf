public import JSONTree

/// The ways to change an object by a difference.
public enum PatchType: String, Sendable, CaseIterable {
    /// RFC 6902.
    case json = "application/json-patch+json"
    /// RFC 7386.
    case merge = "application/merge-patch+json"
    /// Kubernetes' own: lists are merged by the keys that the schema names.
    case strategicMerge = "application/strategic-merge-patch+json"

    /// By the media type of a request, parameters such as `charset` apart.
    public init?(contentType: String) {
        let type = contentType.prefix { $0 != ";" }.lowercased()
        self.init(rawValue: String(type.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()))
    }
}

extension PatchType {
    /// Applies a patch to an object of the schema and returns the result.
    ///
    /// The error's message is meant for the client: the patch is wrong or does not fit the object.
    public func apply(_ patch: JSON, to object: JSON, schema: Schema) throws(APIValueError) -> JSON {
        switch self {
        case .json: return try JSONPatch(patch).apply(to: object)
        case .merge:
            guard case .object = patch else { throw APIValueError(.patch, "expected a merge patch to be an object, found \(patch.typeName)") }
            var result = object
            result.merge(patch)
            return result
        case .strategicMerge:
            guard case .object(let patch) = patch else {
                throw APIValueError(.patch, "expected a strategic merge patch to be an object, found \(patch.typeName)")
            }
            return try StrategicMergePatch.apply(patch, to: object, schema: schema)
        }
    }
}

extension JSON {
    /// Applies a merge patch (RFC 7386): members are merged, null removes, everything else replaces.
    public mutating func merge(_ patch: JSON) {
        guard case .object(let changes) = patch else {
            self = patch
            return
        }
        if object == nil { self = [:] }
        withObject { members in
            for (key, change) in changes {
                if change.isNull {
                    members[key] = nil
                } else {
                    var value = members.removeForUpdate(key)
                    value.merge(change)
                    members[key] = value
                }
            }
        }
    }
}

extension JSONObject {
    /// Takes a member's value out, leaving null in its place, so that it can be changed without a copy.
    mutating func removeForUpdate(_ key: String) -> JSON {
        guard let value = self[key] else { return .null }
        self[key] = .null
        return value
    }
}
