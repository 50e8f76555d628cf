import JSONTree
import KubeAPI
import KubeClient

/// A resource that the server serves, with what can be done to its objects.
struct DiscoveredResource: Hashable, Sendable {
    var reference: ResourceReference
    var verbs: Set<String>
}

/// Which resources there are. Asked of the server, so that kinds defined by users are found too.
enum ResourceDiscovery {
    private static let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    /// Every resource once, in the group's preferred version.
    static func resources(_ client: KubeClient) async throws -> [DiscoveredResource] {
        let core = try await client.call(APIRequest(.get, "/api", accept: accept))
        let groups = try await client.call(APIRequest(.get, "/apis", accept: accept))
        return try resources(core) + resources(groups)
    }

    /// - Parameter document: an `APIGroupDiscoveryList`.
    static func resources(_ document: JSON) throws(KubeError) -> [DiscoveredResource] {
        guard let groups = document["items"]?.array else {
            throw KubeError(
                reason: .decoding, message: "expected the items of an APIGroupDiscoveryList, found \(document["kind"]?.description ?? "none")")
        }
        var found: [DiscoveredResource] = []
        var seen: Set<String> = []
        for group in groups {
            let name = group[path: "metadata", "name"]?.string ?? ""
            // The preferred version comes first.
            for version in group["versions"]?.array ?? [] {
                for resource in version["resources"]?.array ?? [] {
                    guard let plural = resource["resource"]?.string, let kind = resource[path: "responseKind", "kind"]?.string,
                        seen.insert("\(plural).\(name)").inserted
                    else { continue }
                    let reference = ResourceReference(
                        group: name, version: version["version"]?.string ?? "", resource: plural, kind: kind,
                        namespaced: resource["scope"]?.string == "Namespaced")
                    found.append(DiscoveredResource(reference: reference, verbs: Set((resource["verbs"]?.array ?? []).compactMap(\.string))))
                }
            }
        }
        return found
    }
}
