public import KubeAPI
public import KubeHTTP
public import Logging
public import Storage
internal import JSONTree
internal import NIOHTTP1
internal import Synchronization

/// What an API server is made of.
public struct APIServerConfiguration: Sendable {
    public var registry: APIRegistry
    /// Nil: client certificates and the tokens of service accounts.
    public var authenticator: (any Authenticator)?
    /// Nil: administrators, nodes, and roles.
    public var authorizer: (any Authorizer)?
    /// Who issues the tokens of service accounts.
    public var tokens: TokenIssuer
    public var nodes: NodeConnection
    public var version: ServerVersion
    /// What Services are given.
    public var services: ServiceRanges
    /// The time for timestamps and ages.
    public var now: @Sendable () -> Time
    public var logger: Logger

    public init(
        registry: APIRegistry = .builtIn, authenticator: (any Authenticator)? = nil, authorizer: (any Authorizer)? = nil,
        tokens: TokenIssuer = TokenIssuer(), nodes: NodeConnection, version: ServerVersion = ServerVersion(),
        services: ServiceRanges = .standard, now: @escaping @Sendable () -> Time = { Time.now() }, logger: Logger
    ) {
        self.registry = registry
        self.authenticator = authenticator
        self.authorizer = authorizer
        self.tokens = tokens
        self.nodes = nodes
        self.version = version
        self.services = services
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
    let authenticator: any Authenticator
    let authorizer: any Authorizer
    let tokens: ServiceAccountTokens
    let admission: AdmissionChain
    /// The stores of the built-in kinds.
    let stores: [GroupResource: ObjectStore]
    let proxy: NodeProxy
    private let builtInOpenAPI: OpenAPIEndpoint
    let environment: ServerEnvironment
    /// Changes of definitions are worked off one at a time.
    let gate = SerialGate()
    let state: Mutex<ServedAPI>

    /// What is served now.
    var api: ServedAPI { state.withLock { $0 } }

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
        try await server.makeWhatEveryClusterHas()
        await server.reconcileDefinitions()
        return server
    }

    private init(cache: WatchCache, configuration: APIServerConfiguration) {
        self.configuration = configuration
        self.cache = cache
        tokens = ServiceAccountTokens(issuer: configuration.tokens, cache: cache, now: configuration.now)
        let access = AccessControl(cache: cache, configuration: configuration, tokens: tokens)
        (authenticator, authorizer, admission) = (access.authenticator, access.authorizer, access.admission)
        environment = ServerEnvironment(
            uid: { RandomIdentifiers.uid() }, random: { Int.random(in: 0..<$0) }, admission: access.admission)
        let allocator = ServiceAllocator(configuration.services, random: environment.random)
        cache.cache(.services)?.observe { object, deleted in allocator.observe(object.key, deleted ? nil : object.json()) }
        var stores: [GroupResource: ObjectStore] = [:]
        for definition in Self.served(configuration.registry) {
            let resource = GroupResource(definition.reference)
            guard let objects = cache.cache(resource) else { continue }
            stores[resource] = ObjectStore(
                definition: definition, lifecycle: Lifecycles.lifecycle(resource), fields: Fields.selectable(definition), cache: cache,
                objects: objects, environment: environment, allocator: resource == .services ? allocator : nil)
        }
        self.stores = stores
        proxy = NodeProxy(
            connection: configuration.nodes, nodes: cache.cache(.nodes) ?? ResourceCache(.nodes, objects: [], revision: 0))
        let openAPI = OpenAPIEndpoint(registry: configuration.registry, version: configuration.version.gitVersion)
        builtInOpenAPI = openAPI
        state = Mutex(ServedAPI(configuration.registry, custom: [], terminating: [], openAPI: openAPI))
    }

    /// The resources of the registry that this server can serve. Events of `events.k8s.io` are the same objects as those of the
    /// core group in another shape; they are served when they can be converted. Reviews are served that something answers.
    static func served(_ registry: APIRegistry) -> [ResourceDefinition] {
        registry.definitions.filter { definition in
            if definition.isReview { return ReviewHandlers.handler(GroupResource(definition.reference)) != nil }
            return definition.reference.group != "events.k8s.io"
        }
    }

    /// The documents of a registry; those that no custom resource touches are made once.
    func openAPIEndpoint(_ registry: APIRegistry) -> OpenAPIEndpoint {
        OpenAPIEndpoint(registry: registry, version: configuration.version.gitVersion, base: builtInOpenAPI)
    }

    /// Namespaces, each with its service account, and the default roles.
    private func makeWhatEveryClusterHas() async throws(StatusError) {
        let context = WriteContext(user: User(name: "system:apiserver", groups: [User.mastersGroup]), now: configuration.now())
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            try await make(.namespaces, ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(name)]], context)
            let account: JSON = ["apiVersion": "v1", "kind": "ServiceAccount", "metadata": ["name": "default", "namespace": .string(name)]]
            try await make(GroupResource(group: "", resource: "serviceaccounts"), account, context)
        }
        try await PolicyBootstrap(stores: stores, context: context).run()
    }

    /// Makes an object that is not there.
    private func make(_ resource: GroupResource, _ object: JSON, _ context: WriteContext) async throws(StatusError) {
        let namespace = object[path: "metadata", "namespace"]?.string ?? ""
        guard let store = stores[resource], store.objects.object(namespace: namespace, name: object[path: "metadata", "name"]?.string ?? "") == nil
        else { return }
        var object = object
        store.definition.applyDefaults(to: &object)
        _ = try await store.create(object, namespace: namespace, dryRun: false, context: context)
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
        let known = await authenticator.authenticate(request)
        guard var user = known ?? Anonymous.user(request) else { throw .unauthorized }
        if let impersonation = try Impersonation(request) { user = try await impersonation.user(by: authorizer, for: user) }
        let info = RequestInfo(request)
        let resource = info.flatMap { $0.resource.isEmpty ? nil : $0 }
        let attributes = AuthorizationAttributes(request, resource, user: user)
        let decision = await authorizer.decide(attributes)
        guard decision.isAllowed else { throw known == nil ? .unauthorized : attributes.denial(reason: decision.reason) }
        if let resource {
            let context = WriteContext(user: user, now: configuration.now(), manager: try Self.manager(request, user))
            return try await ResourceRequest(server: self, request: request, info: resource, context: context).respond()
        }
        return try document(request)
    }

    /// The longest name of a manager.
    private static let managerLength = 128

    /// What the client calls itself: by the query, else the program of its user agent.
    private static func manager(_ request: ServerRequest, _ user: User) throws(StatusError) -> String {
        if let stated = request.query["fieldManager"], !stated.isEmpty {
            let path = FieldPath("fieldManager")
            if stated.utf8.count > managerLength { throw .invalid(options: "PatchOptions", .tooLong(path, maximumBytes: managerLength)) }
            guard stated.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
                throw .invalid(options: "PatchOptions", .invalid(path, .string(stated), "should only contain printable characters"))
            }
            return stated
        }
        let agent = (request.headers.first(name: "user-agent") ?? "").prefix { $0 != "/" }.unicodeScalars.filter { (0x20..<0x7F).contains($0.value) }
        let name = String(String.UnicodeScalarView(agent.prefix(managerLength)))
        return name.isEmpty ? user.name : name
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
