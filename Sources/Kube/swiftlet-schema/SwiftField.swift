import KubeAPI

/// How one property appears in Swift.
struct SwiftField {
    let name: String
    let isRequired: Bool
    let form: Form
    /// Whether the value lives in a box.
    let isBoxed: Bool

    enum Form {
        /// A scalar: Swift type, name of the reader and writer, value when a required one is absent.
        case scalar(type: String, access: String, absent: String?)
        case value(type: String)
        case list(element: String, access: String)
        case map(element: String, access: String)
    }

    /// Nested objects with at least this many properties are boxed.
    static let boxThreshold = 2

    init(_ property: Schema.Property, of owner: Schema, names: TypeNames) throws {
        name = property.name
        // The parts of a whole object, or of a template of one, are always there for the reader; what is empty is not written.
        let isWhole = owner.kind != nil || owner.property("metadata") != nil
        let isPart = isWhole && ["metadata", "spec", "status"].contains(property.name) && property.schema.isStruct
        isRequired = isPart || owner.required.contains(property.name)
        form = try Self.form(property.schema, names: names)
        if case .value = form { isBoxed = property.schema.properties.count >= Self.boxThreshold } else { isBoxed = false }
    }

    private static func form(_ schema: Schema, names: TypeNames) throws -> Form {
        if schema.isIntOrString { return .scalar(type: "IntOrString", access: "IntOrString", absent: ".int(0)") }
        switch schema.type {
        case .string:
            switch schema.format {
            case "byte": return .scalar(type: "[UInt8]", access: "Bytes", absent: nil)
            case "date-time": return .scalar(type: "Time", access: "Time", absent: nil)
            case "micro-time": return .scalar(type: "MicroTime", access: "MicroTime", absent: nil)
            case "quantity": return .scalar(type: "Quantity", access: "Quantity", absent: ".zero")
            default: return .scalar(type: "String", access: "String", absent: "\"\"")
            }
        case .integer: return .scalar(type: "Int", access: "Int", absent: "0")
        case .number: return .scalar(type: "Double", access: "Double", absent: "0")
        case .boolean: return .scalar(type: "Bool", access: "Bool", absent: "false")
        case nil: return .scalar(type: "JSON", access: "JSON", absent: nil)
        case .array:
            guard let items = schema.items else { throw ValidationFailure("an array without items") }
            switch try form(items, names: names) {
            case .scalar(let type, let access, _) where ["String", "Int", "JSON"].contains(access): return .list(element: type, access: access)
            case .value(let type): return .list(element: type, access: "Value")
            default: throw ValidationFailure("no reader for arrays of \(items.typeName ?? items.format ?? "?")")
            }
        case .object:
            if let values = schema.additionalProperties {
                switch try form(values, names: names) {
                case .scalar(let type, let access, _) where ["String", "Bytes", "Quantity"].contains(access): return .map(element: type, access: access)
                case .list(let element, "String"): return .map(element: "[\(element)]", access: "Strings")
                default: throw ValidationFailure("no reader for maps of \(values.typeName ?? values.format ?? "?")")
                }
            }
            guard schema.isStruct, let typeName = schema.typeName else { return .scalar(type: "JSON", access: "JSON", absent: nil) }
            return .value(type: names[typeName])
        }
    }

    // MARK: Swift text

    private static let keywords: Set<String> = [
        "default", "continue", "operator", "protocol", "in", "as", "is", "for", "self", "init", "case", "extension", "import", "internal",
        "public", "private", "static", "struct", "class", "enum", "func", "let", "var", "where", "while", "repeat", "return", "switch",
        "throw", "try", "true", "false", "nil", "subscript", "guard", "defer", "else", "if", "break", "fallthrough", "associatedtype",
        "typealias", "inout", "deinit", "super", "rethrows", "throws", "do", "catch", "fileprivate", "any",
    ]

    /// The property's name: as in JSON, except that Swift's begin with a small letter.
    var swiftName: String {
        let small = name.prefix(1).lowercased() + name.dropFirst()
        return Self.keywords.contains(small) ? "`\(small)`" : small
    }

    private var boxName: String { "\(name)Box" }

    var type: String {
        switch form {
        case .scalar(let type, _, let absent): isRequired && absent != nil ? type : "\(type)?"
        case .value(let type): isRequired ? type : "\(type)?"
        case .list(let element, _): "[\(element)]"
        case .map(let element, _): "[String: \(element)]"
        }
    }

    var initialValue: String {
        switch form {
        case .scalar(_, _, let absent): isRequired ? absent ?? "nil" : "nil"
        case .value(let type): isRequired ? "\(type)()" : "nil"
        case .list: "[]"
        case .map: "[:]"
        }
    }

    /// The declaration, several lines if boxed.
    var declaration: [String] {
        guard isBoxed, case .value(let type) = form else {
            let value = type.hasSuffix("?") ? "" : " = \(initialValue)"
            return ["public var \(swiftName): \(self.type)\(value)"]
        }
        if isRequired {
            return [
                "private var \(boxName): Box<\(type)>?",
                "public var \(swiftName): \(type) {",
                "    _read { if let box = \(boxName) { yield box.value } else { yield \(type)() } }",
                "    set { \(boxName) = Box(newValue) }",
                "}",
            ]
        }
        return [
            "private var \(boxName): Box<\(type)>?",
            "public var \(swiftName): \(type)? {",
            "    get { \(boxName)?.value }",
            "    set { \(boxName) = newValue.map(Box.init) }",
            "}",
        ]
    }

    var reader: String {
        switch form {
        case .scalar(_, let access, let absent):
            let call = access == "JSON" ? "fields.json(\"\(name)\")" : "try fields.\(Self.small(access))(\"\(name)\")"
            return "\(swiftName) = \(call)" + (isRequired ? absent.map { " ?? \($0)" } ?? "" : "")
        case .value(let type):
            if isBoxed { return "\(boxName) = try fields.box(\"\(name)\")" }
            return "\(swiftName) = try fields.value(\"\(name)\")" + (isRequired ? " ?? \(type)()" : "")
        case .list(_, let access): return "\(swiftName) = try fields.\(Self.small(access))s(\"\(name)\")"
        case .map(_, let access): return "\(swiftName) = try fields.\(Self.small(access))Map(\"\(name)\")"
        }
    }

    var writer: String {
        switch form {
        case .scalar(_, let access, _): return "members.put\(access)(\"\(name)\", \(swiftName))"
        case .value: return isBoxed ? "members.putBox(\"\(name)\", \(boxName))" : "members.putValue(\"\(name)\", \(swiftName))"
        case .list(_, let access): return "members.put\(access)s(\"\(name)\", \(swiftName)\(isRequired ? ", always: true" : ""))"
        case .map(_, let access): return "members.put\(access)Map(\"\(name)\", \(swiftName))"
        }
    }

    private static func small(_ access: String) -> String {
        access == "JSON" ? "json" : access.prefix(1).lowercased() + access.dropFirst()
    }
}
