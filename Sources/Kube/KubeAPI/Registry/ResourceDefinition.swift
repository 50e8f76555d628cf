public import JSONTree

/// What the server must know to serve a resource, in the terms of a CustomResourceDefinition.
public struct ResourceDefinition: Sendable {
    public struct PrinterColumn: Sendable {
        public let name: String
        public let type: String
        public let format: String
        public let description: String
        public let priority: Int
        public let jsonPath: String

        init(_ column: JSON) {
            name = column["name"]?.string ?? ""
            type = column["type"]?.string ?? "string"
            format = column["format"]?.string ?? ""
            description = column["description"]?.string ?? ""
            priority = Int(column["priority"]?.int ?? 0)
            jsonPath = column["jsonPath"]?.string ?? ""
        }
    }

    /// Where the numbers of the `scale` subresource are.
    public struct ScalePaths: Sendable, Hashable {
        public let specReplicas: [String]
        public let statusReplicas: [String]
        /// A selector, or the text of one.
        public let selector: [String]?

        public init(specReplicas: [String], statusReplicas: [String], selector: [String]?) {
            self.specReplicas = specReplicas
            self.statusReplicas = statusReplicas
            self.selector = selector
        }

        static let builtIn = ScalePaths(specReplicas: ["spec", "replicas"], statusReplicas: ["status", "replicas"], selector: ["spec", "selector"])
    }

    public let reference: ResourceReference
    /// The singular name, as `kubectl` accepts it.
    public let singular: String
    public let listKind: String
    public let shortNames: [String]
    public let categories: [String]
    public let verbs: [String]
    public let subresources: [String]
    /// Fields that a field selector may name beside `metadata.name` and `metadata.namespace`.
    public let selectableFields: [String]
    public let printerColumns: [PrinterColumn]
    /// Nil for kinds that have no number of replicas.
    public let scale: ScalePaths?
    /// The name of the type in its catalog.
    public let typeName: String
    public let schema: Schema
    /// What only definitions that clients made have.
    public let custom: Custom?

    /// The parts of a CustomResourceDefinition that a built-in kind has no use for.
    public struct Custom: Sendable {
        /// The version in which objects are stored.
        public let storageVersion: String
        /// The schema as its maker wrote it.
        public let published: JSON
        /// What clients of a version on its way out are told.
        public let deprecationWarning: String?
    }

    public var isCustom: Bool { custom != nil }
    public var kind: String { reference.kind }
    public var namespaced: Bool { reference.namespaced }
    public var hasStatus: Bool { subresources.contains("status") }

    init(_ json: JSON, group: String, version: String, document: String, catalog: SchemaCatalog) throws(APIValueError) {
        let names = json["names"]
        guard let plural = names?["plural"]?.string, let kind = names?["kind"]?.string, let scope = json["scope"]?.string else {
            throw APIValueError(.schema, "expected a resource of \(document) to have names.plural, names.kind and scope")
        }
        func strings(_ value: JSON?) -> [String] { (value?.array ?? []).compactMap(\.string) }
        reference = ResourceReference(group: group, version: version, resource: plural, kind: kind, namespaced: scope == "Namespaced")
        singular = names?["singular"]?.string ?? kind.lowercased()
        listKind = names?["listKind"]?.string ?? kind + "List"
        shortNames = strings(names?["shortNames"])
        categories = strings(names?["categories"])
        verbs = strings(json["verbs"])
        subresources = strings(json["subresources"])
        selectableFields = strings(json["selectableFields"])
        printerColumns = (json["additionalPrinterColumns"]?.array ?? []).map(PrinterColumn.init)
        scale = subresources.contains("scale") ? .builtIn : nil
        typeName = "\(document).\(kind)"
        schema = try catalog.schema(typeName)
        custom = nil
    }

    /// A kind that is no resource: the body of a subresource, such as Scale.
    init(kind: String, group: String, version: String, typeName: String, schema: Schema) {
        reference = ResourceReference(group: group, version: version, resource: "", kind: kind, namespaced: false)
        singular = ""
        listKind = kind + "List"
        (shortNames, categories, verbs, subresources, selectableFields) = ([], [], [], [], [])
        printerColumns = []
        scale = nil
        self.typeName = typeName
        self.schema = schema
        custom = nil
    }

    /// One version of a CustomResourceDefinition.
    /// - Throws: what is wrong with its schema.
    public init(definition: JSON, version: JSON, catalog: SchemaCatalog) throws(APIValueError) {
        let spec = definition["spec"]
        let names = definition[path: "status", "acceptedNames"] ?? spec?["names"]
        let (group, name) = (spec?["group"]?.string ?? "", version["name"]?.string ?? "")
        let kind = names?["kind"]?.string ?? ""
        reference = ResourceReference(
            group: group, version: name, resource: names?["plural"]?.string ?? "", kind: kind, namespaced: spec?["scope"] == "Namespaced")
        singular = names?["singular"]?.string ?? kind.lowercased()
        listKind = names?["listKind"]?.string ?? kind + "List"
        shortNames = (names?["shortNames"]?.array ?? []).compactMap(\.string)
        categories = (names?["categories"]?.array ?? []).compactMap(\.string)
        verbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
        let parts = version["subresources"]
        subresources = ["status", "scale"].filter { parts?[$0] != nil }
        selectableFields = (version["selectableFields"]?.array ?? []).compactMap { $0["jsonPath"]?.string }.map { String($0.drop { $0 == "." }) }
        printerColumns = (version["additionalPrinterColumns"]?.array ?? []).map(PrinterColumn.init)
        scale = parts?["scale"].map { paths in
            func steps(_ key: String) -> [String]? { paths[key]?.string.map { $0.split(separator: ".").map(String.init) } }
            return ScalePaths(
                specReplicas: steps("specReplicasPath") ?? [], statusReplicas: steps("statusReplicasPath") ?? [], selector: steps("labelSelectorPath"))
        }
        let reversed = group.split(separator: ".").reversed().joined(separator: ".")
        typeName = "custom/\(reversed).\(name).\(kind)"
        let published = version["schema"]?["openAPIV3Schema"] ?? ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
        schema = try CustomSchema.parse(published, typeName: typeName, kind: kind, metadata: try catalog.schema("meta/v1.ObjectMeta"))
        let stored = (spec?["versions"]?.array ?? []).first { $0["storage"] == true }?["name"]?.string ?? name
        let words = version["deprecationWarning"]?.string ?? "\(group)/\(name) \(kind) is deprecated"
        custom = Custom(storageVersion: stored, published: published, deprecationWarning: version["deprecated"] == true ? words : nil)
    }
}
