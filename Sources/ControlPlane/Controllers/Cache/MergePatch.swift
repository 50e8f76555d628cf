import JSONTree
import KubeTypes

/// Merge patches (RFC 7396) made from two states of what the generated types know. What they do not know is in neither state,
/// and so stays as it is on the server.
enum MergePatch {
    /// What makes the old into the new; nil if nothing does.
    static func difference(from old: JSON, to new: JSON) -> JSON? {
        // `.none` by name: `nil` is also how JSON's null is written, and a null would remove what has not changed.
        if old == new { return .none }
        guard let before = old.object, let after = new.object else { return new }
        var patch = JSONObject()
        for (key, value) in after {
            if let previous = before[key] {
                if let change = difference(from: previous, to: value) { patch[key] = change }
            } else {
                patch[key] = value
            }
        }
        for (key, _) in before where after[key] == nil { patch[key] = .some(.null) }
        return .some(.object(patch))
    }

    /// The patch of a status, on condition that the object is still the one that was looked at.
    static func status<Status: KubeValue>(of object: some KubeObject, from old: Status, to new: Status) -> JSON? {
        guard let change = difference(from: old.json, to: new.json) else { return nil }
        return ["metadata": condition(object), "status": change]
    }

    /// The identity and version of an object, which a patch states to be refused if they have changed.
    static func condition(_ object: some KubeObject) -> JSON {
        var metadata: JSON = ["uid": .string(object.uid)]
        if let version = object.metadata.resourceVersion { metadata["resourceVersion"] = .string(version) }
        return metadata
    }
}
