import JSONTree

/// Objects of a kind that clients have defined: the schema says all there is to say.
struct CustomResourceStrategy: ResourceStrategy {
    /// Whether the status has a path of its own.
    let hasStatus: Bool

    var hasGeneration: Bool { true }
    var keepsStatusOnCreate: Bool { !hasStatus }
    var allowsUnconditionalUpdate: Bool { false }

    /// Every change counts but those of the metadata and of a status with a path of its own.
    func changesGeneration(_ object: JSON, from old: JSON) -> Bool {
        func content(_ object: JSON) -> JSONObject {
            var members = object.object ?? [:]
            members["metadata"] = nil
            if hasStatus { members["status"] = nil }
            return members
        }
        return content(object) != content(old)
    }
}
