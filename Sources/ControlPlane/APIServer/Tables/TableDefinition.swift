internal import JSONTree
internal import KubeAPI

/// How objects of one kind become rows for people.
struct TableDefinition: Sendable {
    struct Column: Sendable {
        let name: String
        var type = "string"
        var format = ""
        let description: String
        /// 0 is always shown, 1 with `-o wide`.
        var priority = 0

        var json: JSON {
            [
                "name": .string(name), "type": .string(type), "format": .string(format), "description": .string(description),
                "priority": JSON(priority),
            ]
        }
    }

    let columns: [Column]
    /// The cells of an object, as many as there are columns.
    let cells: @Sendable (_ object: JSON, _ now: Time) -> [JSON]

    static let name = Column(name: "Name", format: "name", description: "Name must be unique within a namespace.")
    static let age = Column(name: "Age", description: "Time since the object was created.")

    /// For kinds without columns of their own.
    static let plain = TableDefinition(columns: [name, Column(name: "Created At", type: "date", description: "When the object was created.")]) { object, _ in
        [objectName(object), object[path: "metadata", "creationTimestamp"] ?? ""]
    }

    static func objectName(_ object: JSON) -> JSON { object[path: "metadata", "name"] ?? "" }

    static func age(_ object: JSON, _ now: Time) -> JSON { since(object[path: "metadata", "creationTimestamp"], now) }

    /// How long ago a time was, `<unknown>` if there is none.
    static func since(_ time: JSON?, _ now: Time) -> JSON {
        guard let text = time?.string, let time = try? Time(text) else { return "<unknown>" }
        return .string(humanDuration(seconds: now.seconds - time.seconds))
    }
}

/// What the row of a table carries beside its cells: `includeObject`.
enum IncludeObject: String, Sendable {
    case none = "None", metadata = "Metadata", object = "Object"
}

extension TableDefinition {
    /// A `Table` of objects.
    func table(_ objects: [JSON], metadata: JSON, include: IncludeObject, now: Time, columns withColumns: Bool = true) -> JSON {
        let rows = objects.map { object -> JSON in
            var row: JSON = ["cells": .array(cells(object, now))]
            switch include {
            case .none: break
            case .metadata: row["object"] = Self.partial(object)
            case .object: row["object"] = object
            }
            return row
        }
        var table: JSON = ["kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata]
        table["columnDefinitions"] = withColumns ? .array(columns.map(\.json)) : .null
        table["rows"] = .array(rows)
        return table
    }

    /// The metadata of an object as a `PartialObjectMetadata`.
    static func partial(_ object: JSON) -> JSON {
        ["kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] ?? [:]]
    }
}
