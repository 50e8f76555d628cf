import JSONTree

/// The resources that a server serves, by group, version and name.
public struct APIRegistry: Sendable {
    public struct GroupVersion: Sendable, Hashable {
        public let group: String
        public let version: String
        public var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }
    }

    public let catalog: SchemaCatalog
    /// All definitions, group by group.
    public let definitions: [ResourceDefinition]
    /// The group versions in the order of their definitions.
    public let groupVersions: [GroupVersion]
    private let byResource: [String: Int]
    private let byKind: [String: Int]

    public init(catalog: SchemaCatalog) throws(APIValueError) {
        self.catalog = catalog
        var definitions: [ResourceDefinition] = []
        var groupVersions: [GroupVersion] = []
        // The core group comes first, as discovery shows it.
        for name in catalog.documents.keys.sorted(by: { ($0 != "core/v1" ? 1 : 0, $0) < ($1 != "core/v1" ? 1 : 0, $1) }) {
            guard let document = catalog.documents[name], let resources = document["resources"]?.array, !resources.isEmpty else { continue }
            let group = document["group"]?.string ?? ""
            let version = document["version"]?.string ?? "v1"
            groupVersions.append(GroupVersion(group: group, version: version))
            for resource in resources {
                definitions.append(
                    try ResourceDefinition(resource, group: group, version: version, document: name, catalog: catalog))
            }
        }
        self.definitions = definitions
        self.groupVersions = groupVersions
        (byResource, byKind) = Self.index(definitions)
    }

    /// The same with the resources that clients have defined. Versions of a group come in the order of their maturity.
    public func adding(_ custom: [ResourceDefinition]) -> APIRegistry {
        let sorted = custom.sorted { left, right in
            if left.reference.group != right.reference.group { return left.reference.group < right.reference.group }
            let (a, b) = (APIVersionOrder(left.reference.version), APIVersionOrder(right.reference.version))
            return a == b ? left.reference.resource < right.reference.resource : a < b
        }
        return APIRegistry(catalog: catalog, definitions: definitions.filter { !$0.isCustom } + sorted)
    }

    private init(catalog: SchemaCatalog, definitions: [ResourceDefinition]) {
        self.catalog = catalog
        self.definitions = definitions
        var groupVersions: [GroupVersion] = []
        for definition in definitions {
            let version = GroupVersion(group: definition.reference.group, version: definition.reference.version)
            if !groupVersions.contains(version) { groupVersions.append(version) }
        }
        self.groupVersions = groupVersions
        (byResource, byKind) = Self.index(definitions)
    }

    private static func index(_ definitions: [ResourceDefinition]) -> ([String: Int], [String: Int]) {
        let resources = Dictionary(
            definitions.enumerated().map { ("\($0.element.reference.apiVersion)/\($0.element.reference.resource)", $0.offset) },
            uniquingKeysWith: { first, _ in first })
        let kinds = Dictionary(
            definitions.enumerated().map { ("\($0.element.reference.apiVersion)/\($0.element.kind)", $0.offset) },
            uniquingKeysWith: { first, _ in first })
        return (resources, kinds)
    }

    /// The resources that ship with Swiftlet. The schemas are compiled in and tested: an error here is a broken build,
    /// and leaves the registry empty.
    public static let builtIn: APIRegistry = {
        do { return try APIRegistry(catalog: .builtIn) } catch { return APIRegistry() }
    }()

    private init() {
        catalog = SchemaCatalog(documents: [:])
        definitions = []
        groupVersions = []
        byResource = [:]
        byKind = [:]
    }

    /// The definition of a resource, by its plural name.
    public func definition(group: String, version: String, resource: String) -> ResourceDefinition? {
        byResource["\(GroupVersion(group: group, version: version).apiVersion)/\(resource)"].map { definitions[$0] }
    }

    /// The definition of a kind, by an object's `apiVersion` and `kind`.
    public func definition(apiVersion: String, kind: String) -> ResourceDefinition? {
        byKind["\(apiVersion)/\(kind)"].map { definitions[$0] }
    }

    /// The definition of a type by its name in the catalog, whether it is a resource or the body of a subresource.
    public func definition(typeName: String) -> ResourceDefinition? {
        if let known = definitions.first(where: { $0.typeName == typeName }) { return known }
        let (name, _) = SchemaCatalog.split(typeName)
        guard let document = catalog.documents[name], let schema = try? catalog.schema(typeName), let kind = schema.kind else { return nil }
        return ResourceDefinition(
            kind: kind, group: document["group"]?.string ?? "", version: document["version"]?.string ?? "v1", typeName: typeName, schema: schema)
    }

    /// The body of every `scale` subresource.
    public var scaleDefinition: ResourceDefinition? { definition(typeName: "autoscaling/v1.Scale") }

    public func definition(for reference: ResourceReference) -> ResourceDefinition? {
        definition(group: reference.group, version: reference.version, resource: reference.resource)
    }

    /// The definitions of one group version.
    public func definitions(group: String, version: String) -> [ResourceDefinition] {
        definitions.filter { $0.reference.group == group && $0.reference.version == version }
    }
}
