internal import JSONTree
internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// Tells clients which resources there are, in both forms: one document for all (aggregated), and one for each group version.
struct Discovery: Sendable {
    /// What is served, the core group first.
    let definitions: [ResourceDefinition]
    /// What is served beside the verbs on objects. Subresources that a schema lists and that nobody serves are not shown.
    private let subresources: [GroupResource: [Subresource]]

    init(definitions: [ResourceDefinition]) {
        self.definitions = definitions
        subresources = Dictionary(
            definitions.map { (GroupResource($0.reference), Subresources.served($0)) }, uniquingKeysWith: { first, _ in first })
    }

    struct Subresource: Sendable {
        let name: String
        let group: String
        let version: String
        let kind: String
        let verbs: [String]
    }

    func subresources(of definition: ResourceDefinition) -> [Subresource] {
        subresources[GroupResource(definition.reference)] ?? []
    }

    // MARK: one document for each group version

    /// `/api`
    static let coreVersions: JSON = [
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [["clientCIDR": "0.0.0.0/0", "serverAddress": ""]],
    ]

    /// `/apis`
    var groups: JSON {
        let names = groupNames.filter { !$0.isEmpty }
        return ["kind": "APIGroupList", "apiVersion": "v1", "groups": .array(names.compactMap { group($0, standalone: false) })]
    }

    /// `/apis/<group>`
    func group(_ name: String, standalone: Bool = true) -> JSON? {
        let versions = versions(of: name).map { version -> JSON in
            ["groupVersion": .string(version.apiVersion), "version": .string(version.version)]
        }
        guard let preferred = versions.first, !name.isEmpty else { return nil }
        var json: JSON = standalone ? ["kind": "APIGroup", "apiVersion": "v1"] : [:]
        json["name"] = .string(name)
        json["versions"] = .array(versions)
        json["preferredVersion"] = preferred
        return json
    }

    /// `/api/v1`, `/apis/<group>/<version>`
    func resources(group: String, version: String) -> JSON? {
        let definitions = definitions.filter { $0.reference.group == group && $0.reference.version == version }
        guard !definitions.isEmpty else { return nil }
        var list: [JSON] = []
        for definition in definitions {
            var resource: JSON = [
                "name": .string(definition.reference.resource), "singularName": .string(definition.singular),
                "namespaced": .bool(definition.namespaced), "kind": .string(definition.kind), "verbs": JSON(definition.verbs),
            ]
            if !definition.shortNames.isEmpty { resource["shortNames"] = JSON(definition.shortNames) }
            if !definition.categories.isEmpty { resource["categories"] = JSON(definition.categories) }
            list.append(resource)
            for subresource in subresources(of: definition) {
                var entry: JSON = [
                    "name": .string("\(definition.reference.resource)/\(subresource.name)"), "singularName": "",
                    "namespaced": .bool(definition.namespaced),
                ]
                if subresource.group != group || subresource.version != version {
                    if !subresource.group.isEmpty { entry["group"] = .string(subresource.group) }
                    entry["version"] = .string(subresource.version)
                }
                entry["kind"] = .string(subresource.kind)
                entry["verbs"] = JSON(subresource.verbs)
                list.append(entry)
            }
        }
        let apiVersion = group.isEmpty ? version : "\(group)/\(version)"
        return ["kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string(apiVersion), "resources": .array(list)]
    }

    private var groupNames: [String] {
        var names: [String] = []
        for definition in definitions where !names.contains(definition.reference.group) { names.append(definition.reference.group) }
        return names
    }

    private func versions(of group: String) -> [(version: String, apiVersion: String)] {
        var versions: [(version: String, apiVersion: String)] = []
        for definition in definitions where definition.reference.group == group && !versions.contains(where: { $0.version == definition.reference.version }) {
            versions.append((definition.reference.version, definition.reference.apiVersion))
        }
        return versions
    }

    // MARK: aggregated

    /// The version of aggregated discovery that the client prefers to the plain one, if any.
    static func aggregatedVersion(_ headers: HTTPHeaders) -> String? {
        for range in MediaRange.parse(headers["accept"]) where range.acceptsJSON {
            guard range.parameters["as"] == "APIGroupDiscoveryList" else { return nil }
            if range.parameters["g"] == "apidiscovery.k8s.io", let version = range.parameters["v"], version == "v2" || version == "v2beta1" {
                return version
            }
        }
        return nil
    }

    /// `/api` or `/apis` with everything below.
    func aggregated(version: String, core: Bool) -> ServerResponse {
        let items = groupNames.filter { $0.isEmpty == core }.map { name -> JSON in
            let versions = versions(of: name).map { version -> JSON in
                let resources = definitions.filter { $0.reference.group == name && $0.reference.version == version.version }.map(aggregatedResource)
                return ["version": .string(version.version), "resources": .array(resources), "freshness": "Current"]
            }
            return ["metadata": ["name": .string(name), "creationTimestamp": nil], "versions": .array(versions)]
        }
        let list: JSON = [
            "kind": "APIGroupDiscoveryList", "apiVersion": .string("apidiscovery.k8s.io/\(version)"), "metadata": [:], "items": .array(items),
        ]
        let type = "application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList"
        return .full(status: .ok, headers: ["content-type": type, "vary": "Accept"], body: list.bytes())
    }

    private func aggregatedResource(_ definition: ResourceDefinition) -> JSON {
        func kind(_ group: String, _ version: String, _ kind: String) -> JSON {
            ["group": .string(group), "version": .string(version), "kind": .string(kind)]
        }
        let reference = definition.reference
        var resource: JSON = [
            "resource": .string(reference.resource), "responseKind": kind(reference.group, reference.version, definition.kind),
            "scope": definition.namespaced ? "Namespaced" : "Cluster", "singularResource": .string(definition.singular),
            "verbs": JSON(definition.verbs),
        ]
        if !definition.shortNames.isEmpty { resource["shortNames"] = JSON(definition.shortNames) }
        if !definition.categories.isEmpty { resource["categories"] = JSON(definition.categories) }
        let below = subresources(of: definition).map { subresource -> JSON in
            [
                "subresource": .string(subresource.name), "responseKind": kind(subresource.group, subresource.version, subresource.kind),
                "verbs": JSON(subresource.verbs),
            ]
        }
        if !below.isEmpty { resource["subresources"] = .array(below) }
        return resource
    }
}
