internal import JSONTree
internal import KubeAPI

extension TableDefinition {
    /// The columns that a CustomResourceDefinition asks for; name and age if it asks for none.
    static func custom(_ definition: ResourceDefinition) -> TableDefinition {
        let columns = definition.printerColumns
        guard !columns.isEmpty else {
            return TableDefinition(columns: [name, age]) { object, now in [objectName(object), age(object, now)] }
        }
        let paths = columns.map { PrinterPath($0.jsonPath) }
        let shown = columns.map { column in
            Column(
                name: column.name, type: column.type, format: column.format,
                description: column.description.isEmpty ? "Custom resource definition column (in JSONPath format): \(column.jsonPath)" : column.description,
                priority: column.priority)
        }
        return TableDefinition(columns: [name] + shown) { object, now in
            [objectName(object)] + zip(columns, paths).map { column, path in cell(path?.value(in: object), column.type, now) }
        }
    }

    private static func cell(_ value: JSON?, _ type: String, _ now: Time) -> JSON {
        guard let value else { return .null }
        switch type {
        case "date": return since(value, now)
        case "integer": return value.int.map { JSON($0) } ?? value.double.map { JSON(Int64($0)) } ?? .null
        case "number", "boolean": return value.double != nil || value.bool != nil ? value : .null
        default: return .string(value.string ?? value.description)
        }
    }
}
