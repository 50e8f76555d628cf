internal import KubeAPI
internal import Synchronization

/// What the server serves at one moment: the kinds that ship with it and those that clients have defined. Replaced as a whole
/// when a definition changes; a request goes on with the one that it began with.
final class ServedAPI: Sendable {
    let registry: APIRegistry
    let discovery: Discovery
    let openAPI: OpenAPIEndpoint
    /// Custom resources that are on their way out: nothing new may be made of them.
    let terminating: Set<GroupResource>
    private let custom: [String: ObjectStore]

    /// - Parameter custom: a store for each version of each custom resource.
    init(_ registry: APIRegistry, custom: [ObjectStore], terminating: Set<GroupResource>, openAPI: OpenAPIEndpoint) {
        self.registry = registry.adding(custom.map(\.definition))
        self.terminating = terminating
        self.openAPI = openAPI
        discovery = Discovery(definitions: APIServer.served(self.registry))
        self.custom = Dictionary(custom.map { (Self.key($0.definition), $0) }, uniquingKeysWith: { first, _ in first })
    }

    private static func key(_ definition: ResourceDefinition) -> String {
        "\(definition.reference.apiVersion)/\(definition.reference.resource)"
    }

    /// The store of a custom resource.
    func customStore(_ definition: ResourceDefinition) -> ObjectStore? { custom[Self.key(definition)] }

    /// A store of a custom resource, whichever version.
    func customStore(_ resource: GroupResource) -> ObjectStore? { custom.values.first { $0.resource == resource } }

    var customResources: Set<GroupResource> { Set(custom.values.map(\.resource)) }
}

/// Lets one task in at a time, in the order in which they came.
actor SerialGate {
    private var last: Task<Void, Never>?

    /// The body runs in a task of its own, so that a client that goes away leaves nothing half done.
    func run(_ body: @escaping @Sendable () async -> Void) async {
        let previous = last
        let task = Task {
            await previous?.value
            await body()
        }
        last = task
        await task.value
    }
}
