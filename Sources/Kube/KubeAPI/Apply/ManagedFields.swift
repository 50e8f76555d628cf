public import JSONTree

/// Who owns which fields of an object: `metadata.managedFields`.
public struct ManagedFields: Sendable, Hashable {
    public enum Operation: String, Sendable { case apply = "Apply", update = "Update" }

    /// One manager. Name, operation, subresource and, of updates, the version say which.
    public struct Entry: Sendable, Hashable {
        public var manager: String
        public var operation: Operation
        public var apiVersion: String
        public var subresource: String
        public var time: Time?
        public var fields: FieldSet

        func isSame(_ other: Entry) -> Bool {
            manager == other.manager && operation == other.operation && subresource == other.subresource
                && (operation == .apply || apiVersion == other.apiVersion)
        }

        /// The manager as conflicts name it.
        var words: String {
            var text = "\(JSON(manager))"
            if !subresource.isEmpty { text += " with subresource \(JSON(subresource))" }
            return operation == .update ? "\(text) using \(apiVersion)" : text
        }
    }

    public internal(set) var entries: [Entry] = []

    public init() {}

    /// Reads `metadata.managedFields`; nil if an entry is malformed, so that a broken list is as good as none.
    public init?(_ list: [JSON]) {
        for item in list {
            guard let operation = Operation(rawValue: item["operation"]?.string ?? ""), item["fieldsType"] == "FieldsV1",
                let fields = FieldSet(fieldsV1: item["fieldsV1"] ?? [:]), let version = item["apiVersion"]?.string
            else { return nil }
            entries.append(Entry(
                manager: item["manager"]?.string ?? "", operation: operation, apiVersion: version,
                subresource: item["subresource"]?.string ?? "", time: item["time"]?.string.flatMap { try? Time($0) }, fields: fields))
        }
    }

    public var isEmpty: Bool { entries.isEmpty }

    public var json: JSON {
        let sorted = entries.sorted { left, right in
            if left.operation != right.operation { return left.operation == .apply }
            let times = (left.time?.seconds ?? 0, right.time?.seconds ?? 0)
            if times.0 != times.1 { return times.0 < times.1 }
            return (left.manager, left.apiVersion, left.subresource) < (right.manager, right.apiVersion, right.subresource)
        }
        return .array(sorted.map { entry in
            var json: JSON = [
                "manager": .string(entry.manager), "operation": .string(entry.operation.rawValue), "apiVersion": .string(entry.apiVersion),
            ]
            if let time = entry.time { json["time"] = .string(time.description) }
            json["fieldsType"] = "FieldsV1"
            json["fieldsV1"] = entry.fields.fieldsV1
            if !entry.subresource.isEmpty { json["subresource"] = .string(entry.subresource) }
            return json
        })
    }

    /// So many managers that update are told apart; the oldest of more become one.
    private static let maximumUpdates = 10
    private static let ancient = "ancient-changes"

    mutating func limit() {
        let updates = entries.filter { $0.operation == .update }.sorted { ($0.time?.seconds ?? 0) < ($1.time?.seconds ?? 0) }
        guard updates.count > Self.maximumUpdates else { return }
        for old in updates.prefix(updates.count - Self.maximumUpdates + 1) {
            entries.removeAll { $0.isSame(old) }
            var merged = Entry(
                manager: Self.ancient, operation: .update, apiVersion: old.apiVersion, subresource: "", time: old.time, fields: old.fields)
            if let index = entries.firstIndex(where: { $0.isSame(merged) }) {
                merged.fields = merged.fields.union(entries[index].fields)
                entries.remove(at: index)
            }
            entries.append(merged)
        }
    }

    /// Takes from everyone but one manager what a change took over or took away.
    mutating func yield(_ changes: FieldChanges, to writer: Entry) {
        let taken = changes.modified.union(changes.added).union(changes.removed)
        for index in entries.indices where !entries[index].isSame(writer) { entries[index].fields = entries[index].fields.subtracting(taken) }
        entries.removeAll { $0.fields.isEmpty && !$0.isSame(writer) }
    }
}
