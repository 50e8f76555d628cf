public import KubeAPI
public import KubeHTTP
public import Logging
public import Storage
internal import JSONTree
internal import NIOHTTP1

/// What an API server is made of.
public struct APIServerConfiguration: Sendable {
    public var registry: APIRegistry
    public var authenticator: any Authenticator
    public var authorizer: any Authorizer
    public var nodes: NodeConnection
    public var version: ServerVersion
    /// The time for timestamps and ages.
    public var now: @Sendable () -> Time
    public var logger: Logger

    public init(
        registry: APIRegistry = .builtIn, authenticator: any Authenticator = ClientCertificateAuthenticator(),
        authorizer: any Authorizer = SystemAuthorizer(), nodes: NodeConnection, version: ServerVersion = ServerVersion(),
        now: @escaping @Sendable () -> Time = { Time.now() }, logger: Logger
    ) {
        self.registry = registry
        self.authenticator = authenticator
        self.authorizer = authorizer
        self.nodes = nodes
        self.version = version
        self.now = now
        self.logger = logger
    }
}

/// The Kubernetes API on top of a `Storage`: a handler of requests, whether they come over the network or from within the process.
///
///     request ─► authentication ─► authorization ─┬─► discovery, version, health, OpenAPI
///                                                 ├─► ObjectStore (one for each resource) ─► WatchCache, Storage
///                                                 └─► NodeProxy (log, exec, attach, port-forward)
public final class APIServer: RequestHandler {
    let configuration: APIServerConfiguration
    let cache: WatchCache
    let stores: [GroupResource: ObjectStore]
    let proxy: NodeProxy
    let discovery: Discovery
    let openAPI: OpenAPIEndpoint

    /// Reads the storage and makes the namespaces that every cluster has.
    public static func start(storage: any Storage, configuration: APIServerConfiguration) async throws(StatusError) -> APIServer {
        let resources = Set(served(configuration.registry).map {
            GroupResource($0.reference)
        })
        let cache: WatchCache
        do throws(StorageError) {
            cache = try await WatchCache.load(storage, resources: Array(resources))
        } catch {
            throw .failure(error)
        }
        let server = APIServer(cache: cache, configuration: configuration)
        try await server.makeNamespaces()
        return server
    }

    private init(cache: WatchCache, configuration: APIServerConfiguration) {
        self.configuration = configuration
        self.cache = cache
        let environment = ServerEnvironment(
            uid: { RandomIdentifiers.uid() }, random: { Int.random(in: 0..<$0) })
        var stores: [GroupResource: ObjectStore] = [:]
        for definition in Self.served(configuration.registry) {
            let resource = GroupResource(definition.reference)
            guard let objects = cache.cache(resource) else { continue }
            stores[resource] = ObjectStore(
                definition: definition, lifecycle: Lifecycles.lifecycle(resource), fields: Fields.selectable(definition), cache: cache,
                objects: objects, environment: environment)
        }
        self.stores = stores
        proxy = NodeProxy(
            connection: configuration.nodes, nodes: cache.cache(.nodes) ?? ResourceCache(.nodes, objects: [], revision: 0))
        discovery = Discovery(definitions: Self.served(configuration.registry))
        openAPI = OpenAPIEndpoint(registry: configuration.registry, version: configuration.version.gitVersion)
    }

    /// The resources of the registry that this server can serve. Events of `events.k8s.io` are the same objects as those of the
    /// core group in another shape; they are served when they can be converted. Reviews are served that something answers.
    private static func served(_ registry: APIRegistry) -> [ResourceDefinition] {
        registry.definitions.filter { definition in
            if definition.isReview { return ReviewHandlers.handler(GroupResource(definition.reference)) != nil }
            return definition.reference.group != "events.k8s.io"
        }
    }

    /// The namespaces of every cluster.
    private func makeNamespaces() async throws(StatusError) {
        guard let store = stores[.namespaces] else { return }
        let context = WriteContext(user: User(name: "system:apiserver", groups: ["system:masters"]), now: configuration.now())
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] where store.objects.object(namespace: "", name: name) == nil {
            var namespace: JSON = ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(name)]]
            store.definition.applyDefaults(to: &namespace)
            _ = try await store.create(namespace, namespace: "", dryRun: false, context: context)
        }
    }

    // MARK: requests

    public func respond(to request: ServerRequest) async -> ServerResponse {
        do throws(StatusError) {
            return try await handle(request)
        } catch {
            if error.code >= 500 {
                configuration.logger.warning("request failed", metadata: ["path": "\(request.path)", "error": "\(error)"])
            }
            return error.response
        }
    }

    private func handle(_ request: ServerRequest) async throws(StatusError) -> ServerResponse {
        // Load balancers and people ask these without an identity.
        if let answer = health(request) ?? version(request) { return answer }
        guard let user = await configuration.authenticator.authenticate(request) else { throw .unauthorized }
        let info = RequestInfo(request)
        let resource = info.flatMap { $0.resource.isEmpty ? nil : $0 }
        let attributes = AuthorizationAttributes(
            user: user, verb: resource.map(Self.authorizedVerb) ?? request.method.rawValue.lowercased(),
            resource: resource.map {
                .init(group: $0.group, resource: $0.resource, subresource: $0.subresource, namespace: $0.namespace, name: $0.name)
            }, path: request.path)
        guard await configuration.authorizer.allows(attributes) else { throw attributes.denial }
        if let resource {
            let context = WriteContext(user: user, now: configuration.now())
            return try await ResourceRequest(server: self, request: request, info: resource, context: context).respond()
        }
        return try document(request)
    }

    /// Opening a stream into a container is a create, whatever the method: a WebSocket begins with GET, and who may only read
    /// must not get a shell by it.
    private static func authorizedVerb(_ info: RequestInfo) -> String {
        ["exec", "attach", "portforward"].contains(info.subresource) ? "create" : info.verb
    }
}

/// The fields that selectors of a resource may name.
enum Fields {
    static func selectable(_ definition: ResourceDefinition) -> SelectableFields {
        var fields: SelectableFields = [:]
        for field in definition.selectableFields {
            // A flag that is not set is false; anything else that is not set is empty.
            fields[field] = ["spec.unschedulable", "spec.hostNetwork"].contains(field) ? "false" : ""
        }
        return fields
    }
}

/// Identifiers from the system's random numbers.
enum RandomIdentifiers {
    /// A UUID of version 4 in lower case.
    static func uid() -> String {
        var bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
