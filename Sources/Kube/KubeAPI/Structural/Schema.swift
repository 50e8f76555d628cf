public import JSONTree

/// A structural schema: the language in which every kind is described, built-in ones and CustomResourceDefinitions.
///
/// A tree of immutable nodes. References between named types are resolved when the tree is built, so whoever walks it
/// meets plain nodes only.
public final class Schema: Sendable {
    public enum ValueType: String, Sendable {
        case object, array, string, integer, number, boolean
    }

    public enum ListType: String, Sendable {
        case atomic, set, map
    }

    public struct Property: Sendable {
        public let name: String
        public let schema: Schema
    }

    /// The type; nil if any value is accepted or the value is an integer or a string.
    public let type: ValueType?
    /// `x-kubernetes-int-or-string`.
    public let isIntOrString: Bool
    /// `int32`, `byte`, `date-time`, … or one of the formats of our own (`quantity`, `dns-1123-label`, …).
    public let format: String?
    /// The name of the type, like `core/v1.Container`, if it has one.
    public let typeName: String?
    /// The kind, if this describes a whole object of the API.
    public let kind: String?

    public let properties: [Property]
    public let required: [String]
    public let additionalProperties: Schema?
    public let items: Schema?
    /// `x-kubernetes-preserve-unknown-fields`: members that are not described are kept.
    public let preservesUnknownFields: Bool
    /// `x-kubernetes-embedded-resource`.
    public let isEmbeddedResource: Bool
    public let isNullable: Bool

    public let defaultValue: JSON?
    public let constraints: Constraints

    public let listType: ListType?
    public let listMapKeys: [String]
    /// `x-kubernetes-map-type: atomic`.
    public let isAtomicMap: Bool
    /// `x-kubernetes-patch-strategy` holds `merge`.
    public let patchMerges: Bool
    /// `x-kubernetes-patch-strategy` holds `retainKeys`.
    public let patchRetainsKeys: Bool
    public let patchMergeKey: String?
    /// `x-swiftlet-protobuf`: the field number, or a path of numbers where JSON inlines a nested message.
    public let protobufTag: String?
    /// `x-swiftlet-keeps-zero`: zero, false and empty text are told from being absent (upstream's field is a pointer).
    public let keepsZero: Bool
    public let description: String?

    /// Whether this node or one below it has a default to fill in.
    let containsDefaults: Bool
    /// Whether there is any rule beyond the type.
    let hasConstraints: Bool
    /// The format, if it is one that the reader or the validator knows.
    let form: ValueFormat?
    private let table: PropertyTable

    /// The schema of a property.
    public func property(_ name: String) -> Schema? {
        table.position(of: name).map { properties[$0].schema }
    }

    /// Whether objects are described by their properties.
    public var isStruct: Bool { type == .object && additionalProperties == nil && !(preservesUnknownFields && properties.isEmpty) }

    /// Whether objects are maps from any key to values of one schema.
    public var isMap: Bool { additionalProperties != nil }

    /// Whether any value at all is accepted.
    public var isAny: Bool { type == nil && !isIntOrString }

    /// Rules beyond the type. Kept apart, since few nodes have any.
    public struct Constraints: Sendable {
        public var enumeration: [JSON] = []
        public var minimum: Double?
        public var maximum: Double?
        public var exclusiveMinimum = false
        public var exclusiveMaximum = false
        public var minLength: Int?
        public var maxLength: Int?
        public var minItems: Int?
        public var maxItems: Int?
        public var minProperties: Int?
        public var maxProperties: Int?
        public var pattern: String?
        public var multipleOf: Double?
        /// Further rules for the same value; they say nothing on what it is made of.
        public var allOf: [Schema] = []
        public var anyOf: [Schema] = []
        public var oneOf: [Schema] = []
        public var not: Schema?
        public var isEmpty: Bool {
            enumeration.isEmpty && minimum == nil && maximum == nil && minLength == nil && maxLength == nil && minItems == nil
                && maxItems == nil && minProperties == nil && maxProperties == nil && pattern == nil && multipleOf == nil
                && allOf.isEmpty && anyOf.isEmpty && oneOf.isEmpty && not == nil
        }
    }

    init(_ fields: Fields) {
        type = fields.type
        isIntOrString = fields.isIntOrString
        format = fields.format
        typeName = fields.typeName
        kind = fields.kind
        properties = fields.properties
        required = fields.required
        additionalProperties = fields.additionalProperties
        items = fields.items
        preservesUnknownFields = fields.preservesUnknownFields
        isEmbeddedResource = fields.isEmbeddedResource
        isNullable = fields.isNullable
        defaultValue = fields.defaultValue
        constraints = fields.constraints
        listType = fields.listType
        listMapKeys = fields.listMapKeys
        isAtomicMap = fields.isAtomicMap
        patchMerges = fields.patchMerges
        patchRetainsKeys = fields.patchRetainsKeys
        patchMergeKey = fields.patchMergeKey
        protobufTag = fields.protobufTag
        keepsZero = fields.keepsZero
        description = fields.description
        containsDefaults =
            fields.properties.contains { $0.schema.defaultValue != nil || $0.schema.containsDefaults }
            || fields.items?.containsDefaults == true || fields.additionalProperties?.containsDefaults == true
        hasConstraints = !fields.constraints.isEmpty
        form = fields.format.flatMap(ValueFormat.init(rawValue:))
        table = PropertyTable(fields.properties.map(\.name))
    }

    /// The contents of a node while it is built; starts as a copy of the type that it refers to.
    struct Fields {
        var type: ValueType?
        var isIntOrString = false
        var format: String?
        var typeName: String?
        var kind: String?
        var properties: [Property] = []
        var required: [String] = []
        var additionalProperties: Schema?
        var items: Schema?
        var preservesUnknownFields = false
        var isEmbeddedResource = false
        var isNullable = false
        var defaultValue: JSON?
        var constraints = Constraints()
        var listType: ListType?
        var listMapKeys: [String] = []
        var isAtomicMap = false
        var patchMerges = false
        var patchRetainsKeys = false
        var patchMergeKey: String?
        var protobufTag: String?
        var keepsZero = false
        var description: String?

        init() {}

        init(_ schema: Schema) {
            type = schema.type
            isIntOrString = schema.isIntOrString
            format = schema.format
            typeName = schema.typeName
            kind = schema.kind
            properties = schema.properties
            required = schema.required
            additionalProperties = schema.additionalProperties
            items = schema.items
            preservesUnknownFields = schema.preservesUnknownFields
            isEmbeddedResource = schema.isEmbeddedResource
            isNullable = schema.isNullable
            defaultValue = schema.defaultValue
            constraints = schema.constraints
            listType = schema.listType
            listMapKeys = schema.listMapKeys
            isAtomicMap = schema.isAtomicMap
            patchMerges = schema.patchMerges
            patchRetainsKeys = schema.patchRetainsKeys
            patchMergeKey = schema.patchMergeKey
            protobufTag = schema.protobufTag
            keepsZero = schema.keepsZero
            description = schema.description
        }
    }
}
