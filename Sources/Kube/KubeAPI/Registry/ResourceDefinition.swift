import JSONTree

/// What the server must know to serve a resource, in the terms of a CustomResourceDefinition.
public struct ResourceDefinition: Sendable {
    public struct PrinterColumn: Sendable {
        public let name: String
        public let type: String
        public let format: String
        public let description: String
        public let priority: Int
        public let jsonPath: String
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
        printerColumns = (json["additionalPrinterColumns"]?.array ?? []).map { column in
            PrinterColumn(
                name: column["name"]?.string ?? "", type: column["type"]?.string ?? "string", format: column["format"]?.string ?? "",
                description: column["description"]?.string ?? "", priority: Int(column["priority"]?.int ?? 0),
                jsonPath: column["jsonPath"]?.string ?? "")
        }
        scale = subresources.contains("scale") ? .builtIn : nil
        typeName = "\(document).\(kind)"
        schema = try catalog.schema(typeName)
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
    }
}
