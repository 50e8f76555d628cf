public import JSONTree

/// Keeps track of who owns what, for one write of one manager.
public struct FieldManager: Sendable {
    /// What a client calls itself.
    public let name: String
    public let apiVersion: String
    /// Empty for the object itself.
    public let subresource: String
    public let now: Time

    public init(name: String, apiVersion: String, subresource: String = "", now: Time) {
        self.name = name
        self.apiVersion = apiVersion
        self.subresource = subresource
        self.now = now
    }

    /// The conflicts of an apply: whose fields it wanted.
    public struct Conflicts: Error, Sendable {
        public let fields: [(manager: String, path: String)]

        /// 409 as Kubernetes words it.
        public var status: StatusError {
            let causes = fields.map { conflict -> JSON in
                [
                    "reason": "FieldManagerConflict", "message": .string("conflict with \(conflict.manager)"),
                    "field": .string(conflict.path),
                ]
            }
            return StatusError(code: 409, reason: "Conflict", message: message, details: ["causes": .array(causes)])
        }

        private var message: String {
            if fields.count == 1 { return "Apply failed with 1 conflict: conflict with \(fields[0].manager): \(fields[0].path)" }
            var lines: [String] = []
            for manager in Set(fields.map(\.manager)).sorted() {
                lines.append("conflicts with \(manager):")
                lines += fields.filter { $0.manager == manager }.map { "- \($0.path)" }
            }
            return "Apply failed with \(fields.count) conflicts: \(lines.joined(separator: "\n"))"
        }
    }

    // MARK: create, update, patch

    /// Sets `metadata.managedFields` of a changed object.
    ///
    /// An object that was stored without managers is not tracked until somebody applies it: nobody knows who wrote it.
    /// - Parameter live: nil for a new object.
    public func update(_ object: inout JSON, from live: JSON?, schema: Schema) {
        let stated = object["metadata"]?["managedFields"]?.array
        let isReset = stated == [[:]]
        var managed = ManagedFields()
        if !isReset {
            managed = stated.flatMap { $0.isEmpty ? nil : ManagedFields($0) } ?? Self.managers(of: live)
            if live != nil, managed.isEmpty { return store(managed, in: &object) }
        } else if live != nil {
            return store(managed, in: &object)
        }
        let changes = Self.changes(from: live ?? [:], to: object, schema)
        if live != nil, changes.isEmpty, stated == nil || stated == live?["metadata"]?["managedFields"]?.array {
            object["metadata"]?["managedFields"] = live?["metadata"]?["managedFields"]
            return
        }
        var own = entry(.update, fields: FieldSet())
        managed.yield(changes, to: own)
        let index = managed.entries.firstIndex { $0.isSame(own) }
        let before = index.map { managed.entries[$0] }
        own.fields = (before?.fields ?? FieldSet()).subtracting(changes.removed).union(changes.modified).union(changes.added)
        if let before, before.fields == own.fields { own.time = before.time }
        if let index { managed.entries.remove(at: index) }
        if !own.fields.isEmpty { managed.entries.append(own) }
        managed.limit()
        store(managed, in: &object)
    }

    // MARK: apply

    /// The live object with what a configuration says, and without what its manager said before and says no more.
    ///
    /// - Parameters:
    ///   - live: nil if there is no such object yet.
    ///   - force: whether fields of other managers are taken.
    public func apply(_ configuration: JSON, to live: JSON?, schema: Schema, force: Bool) throws(Conflicts) -> JSON {
        var managed = Self.managers(of: live)
        if let live, managed.isEmpty {
            // Whoever wrote it owned all of it.
            let all = Self.changes(from: [:], to: live, schema).added
            managed.entries = [ManagedFields.Entry(
                manager: "before-first-apply", operation: .update, apiVersion: apiVersion, subresource: "", time: now, fields: all)]
        }
        var own = entry(.apply, fields: owned(by: configuration, schema))
        let before = managed.entries.first { $0.isSame(own) }
        managed.entries.removeAll { $0.isSame(own) }
        managed.entries.append(own)
        let merged = StructuredMerge.merge(live ?? [:], configuration, schema)
        let everyone = managed.entries.reduce(FieldSet()) { $0.union($1.fields) }
        var result = Self.withIdentity(of: merged, StructuredMerge.prune(
            Self.stripped(merged), last: before?.fields ?? FieldSet(), owned: everyone, schema))
        let changes = Self.changes(from: live ?? [:], to: result, schema)
        if !force {
            let wanted = changes.modified.union(changes.added)
            let conflicts = managed.entries.filter { !$0.isSame(own) }.flatMap { other in
                other.fields.intersection(wanted).paths.map { (manager: other.words, path: $0) }
            }
            if !conflicts.isEmpty { throw Conflicts(fields: conflicts) }
        }
        managed.yield(changes, to: own)
        if let before, before.fields == own.fields {
            own.time = before.time
            managed.entries.removeAll { $0.isSame(own) }
            managed.entries.append(own)
        }
        store(managed, in: &result)
        return result
    }

    /// What an apply owns: not the status, nor of a status anything else.
    private func owned(by configuration: JSON, _ schema: Schema) -> FieldSet {
        var fields = Self.stripped(configuration)
        if subresource == "status" {
            fields = fields["status"].map { ["status": $0] } ?? [:]
        } else if schema.property("status") != nil {
            fields["status"] = nil
        }
        return Self.withoutMetadata(FieldSet(of: fields, schema))
    }

    // MARK: parts

    private func entry(_ operation: ManagedFields.Operation, fields: FieldSet) -> ManagedFields.Entry {
        ManagedFields.Entry(manager: name, operation: operation, apiVersion: apiVersion, subresource: subresource, time: now, fields: fields)
    }

    private static func managers(of live: JSON?) -> ManagedFields {
        live?["metadata"]?["managedFields"]?.array.flatMap { ManagedFields($0) } ?? ManagedFields()
    }

    private func store(_ managed: ManagedFields, in object: inout JSON) {
        object["metadata"]?["managedFields"] = managed.isEmpty ? JSON?.none : managed.json
    }

    /// Members of the metadata that nobody owns: the server's, and the object's identity.
    private static let identity = [
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion", "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ]

    private static func stripped(_ object: JSON) -> JSON {
        var object = object
        object["apiVersion"] = nil
        object["kind"] = nil
        object["metadata"]?.withObject { metadata in metadata.removeAll { identity.contains($0.key) } }
        return object
    }

    /// Puts back what `stripped` took.
    private static func withIdentity(of object: JSON, _ stripped: JSON) -> JSON {
        var result: JSON = [:]
        for key in ["apiVersion", "kind"] { if let value = object[key] { result[key] = value } }
        var metadata = stripped["metadata"]?.object ?? [:]
        for key in identity { if let value = object["metadata"]?[key] { metadata[key] = value } }
        result["metadata"] = .object(metadata)
        for (key, value) in stripped.object ?? [:] where key != "metadata" { result[key] = value }
        return result
    }

    private static func changes(from old: JSON, to new: JSON, _ schema: Schema) -> FieldChanges {
        var changes = FieldChanges(from: stripped(old), to: stripped(new), schema)
        changes.added = withoutMetadata(changes.added)
        changes.removed = withoutMetadata(changes.removed)
        return changes
    }

    /// The metadata as such belongs to nobody.
    private static func withoutMetadata(_ set: FieldSet) -> FieldSet {
        var set = set
        set.set(.field("metadata"), isMember: false, children: set.below(.field("metadata")))
        return set
    }
}
