internal import JSONTree

/// The strategic merge patch that turns one status of the kubelet's into the next.
///
/// Lists with merge keys (conditions, podIPs, hostIPs) name what goes, so that entries of others stay; all other fields
/// are replaced as a whole.
enum StatusPatch {
    private static let mergeKeys = ["conditions": "type", "podIPs": "ip", "hostIPs": "ip"]

    /// - Returns: nil if nothing has changed.
    static func make(from old: JSON?, to new: JSON, uid: String) -> JSON? {
        let before = old?.object ?? [:]
        let after = new.object ?? [:]
        var changes: JSONObject = [:]
        for (key, value) in after where before[key] != value {
            if let mergeKey = mergeKeys[key] {
                // The order of such a list means nothing.
                let list = list(from: before[key]?.array ?? [], to: value.array ?? [], mergeKey)
                if !list.isEmpty { changes[key] = .array(list) }
            } else {
                changes[key] = value
            }
        }
        for (key, value) in before where after[key] == nil {
            changes[key] = mergeKeys[key].map { .array(list(from: value.array ?? [], to: [], $0)) } ?? .null
        }
        guard !changes.isEmpty else { return nil }
        return ["metadata": ["uid": JSON(uid)], "status": .object(changes)]
    }

    private static func list(from old: [JSON], to new: [JSON], _ key: String) -> [JSON] {
        let kept = Set(new.compactMap { $0[key]?.string })
        var changes = new.filter { element in !old.contains(element) }.map { element -> JSON in
            // A field that the new element lacks must be taken away from the old one by name.
            guard let before = old.first(where: { $0[key] == element[key] })?.object, var object = element.object else { return element }
            for (name, _) in before where object[name] == nil { object[name] = .null }
            return .object(object)
        }
        for element in old {
            guard let name = element[key]?.string, !kept.contains(name) else { continue }
            changes.append([:])
            changes[changes.count - 1][key] = JSON(name)
            changes[changes.count - 1]["$patch"] = "delete"
        }
        return changes
    }
}
