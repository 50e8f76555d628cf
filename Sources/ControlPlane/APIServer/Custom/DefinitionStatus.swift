internal import JSONTree
internal import KubeAPI

/// What becomes of a CustomResourceDefinition: whether it gets the names that it asks for, and whether it is served.
struct DefinitionStatus {
    /// The names of one group that are taken, by resources and by kinds.
    struct TakenNames {
        var resources: Set<String> = []
        var kinds: Set<String> = []

        mutating func add(_ names: JSON?) {
            for key in ["plural", "singular"] { if let name = nonEmpty(names?[key]) { resources.insert(name) } }
            resources.formUnion((names?["shortNames"]?.array ?? []).compactMap(\.string))
            for key in ["kind", "listKind"] { if let name = nonEmpty(names?[key]) { kinds.insert(name) } }
        }
    }

    /// The status that a definition should have.
    /// - Parameter taken: the names that others of its group have.
    static func of(_ definition: JSON, taken: TakenNames, now: Time) -> JSON {
        var status = definition["status"] ?? [:]
        let wanted = definition[path: "spec", "names"] ?? [:]
        var accepted = status["acceptedNames"] ?? [:]
        var conditions = Conditions(status["conditions"]?.array ?? [], now)
        let conflict = conflict(wanted, taken)
        if let conflict {
            conditions.set("NamesAccepted", false, conflict.reason, conflict.message)
        } else {
            accepted = wanted
            conditions.set("NamesAccepted", true, "NoConflicts", "no conflicts found")
        }
        if conflict == nil {
            conditions.set("Established", true, "InitialNamesAccepted", "the initial names have been accepted")
        } else if !conditions.isTrue("Established") {
            conditions.set("Established", false, "NotAccepted", "not all names are accepted")
        }
        let violations = (definition[path: "spec", "versions"]?.array ?? []).enumerated().flatMap { index, version in
            let path = FieldPath.spec.child("versions").index(index).child("schema").child("openAPIV3Schema")
            return version[path: "schema", "openAPIV3Schema"].map { StructuralSchema.problems($0, at: path) } ?? []
        }
        if violations.isEmpty {
            conditions.remove("NonStructuralSchema")
        } else {
            conditions.set("NonStructuralSchema", true, "Violations", violations.map(\.description).joined(separator: ", "))
        }
        if definition[path: "metadata", "deletionTimestamp"] != nil {
            conditions.set("Terminating", true, "InstanceDeletionInProgress", "CustomResource deletion is in progress")
        }
        status["acceptedNames"] = accepted
        status["conditions"] = .array(conditions.list)
        return status
    }

    static func isEstablished(_ definition: JSON) -> Bool {
        (definition[path: "status", "conditions"]?.array ?? []).contains { $0["type"] == "Established" && $0["status"] == "True" }
    }

    /// Of several conflicts the last one is told, as Kubernetes does.
    private static func conflict(_ wanted: JSON, _ taken: TakenNames) -> (reason: String, message: String)? {
        let shortNames = (wanted["shortNames"]?.array ?? []).compactMap(\.string)
        var resources: [(String, String?)] = [("PluralConflict", nonEmpty(wanted["plural"])), ("SingularConflict", nonEmpty(wanted["singular"]))]
        for name in shortNames { resources.append(("ShortNamesConflict", name)) }
        let kinds: [(String, String?)] = [("KindConflict", nonEmpty(wanted["kind"])), ("ListKindConflict", nonEmpty(wanted["listKind"]))]
        let conflicts = resources.filter { $0.1.map(taken.resources.contains) ?? false } + kinds.filter { $0.1.map(taken.kinds.contains) ?? false }
        return conflicts.last.map { (reason: $0.0, message: "\(JSON($0.1 ?? "")) is already in use") }
    }

    /// Conditions that keep the time of their last change.
    private struct Conditions {
        var list: [JSON]
        private let now: Time

        init(_ list: [JSON], _ now: Time) {
            self.list = list
            self.now = now
        }

        func isTrue(_ type: String) -> Bool { list.contains { $0["type"]?.string == type && $0["status"] == "True" } }

        mutating func remove(_ type: String) { list.removeAll { $0["type"]?.string == type } }

        mutating func set(_ type: String, _ value: Bool, _ reason: String, _ message: String) {
            let status: JSON = value ? "True" : "False"
            let old = list.first { $0["type"]?.string == type }
            let since = old?["status"] == status ? old?["lastTransitionTime"] : nil
            let condition: JSON = [
                "type": .string(type), "status": status, "lastTransitionTime": since ?? .string(now.description), "reason": .string(reason),
                "message": .string(message),
            ]
            if let index = list.firstIndex(where: { $0["type"]?.string == type }) { list[index] = condition } else { list.append(condition) }
        }
    }
}
