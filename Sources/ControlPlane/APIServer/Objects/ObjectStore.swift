internal import JSONTree
internal import KubeAPI
internal import Storage

/// The verbs on the objects of one resource, without HTTP: rules of metadata, of the schema and of the kind, on top of the
/// storage. What is read comes from the cache, what is written goes to the storage under the revision that was read.
final class ObjectStore: Sendable {
    let definition: ResourceDefinition
    let lifecycle: any ObjectLifecycle
    let resource: GroupResource
    let cache: WatchCache
    let objects: ResourceCache
    let fields: SelectableFields
    let environment: ServerEnvironment
    /// Gives Services their addresses and ports; nil for other kinds.
    let allocator: ServiceAllocator?

    var storage: any Storage { cache.storage }

    init(
        definition: ResourceDefinition, lifecycle: any ObjectLifecycle, fields: SelectableFields, cache: WatchCache, objects: ResourceCache,
        environment: ServerEnvironment, allocator: ServiceAllocator? = nil
    ) {
        self.definition = definition
        self.lifecycle = lifecycle
        self.resource = objects.resource
        self.fields = fields
        self.cache = cache
        self.objects = objects
        self.environment = environment
        self.allocator = allocator
    }

    /// Attempts at a write whose condition the client did not state, before the client is told of the conflict.
    static let attempts = 5

    /// What a write came to.
    struct Outcome: Sendable {
        /// The object with its resource version.
        let object: CachedObject
    }

    func key(_ namespace: String, _ name: String) -> ObjectKey {
        ObjectKey(resource: resource, namespace: definition.namespaced ? namespace : "", name: name)
    }

    // MARK: get

    func get(namespace: String, name: String) async throws(StatusError) -> CachedObject {
        try await cache.catchUp()
        guard let object = objects.object(namespace: definition.namespaced ? namespace : "", name: name) else {
            throw .notFound(resource, name)
        }
        return object
    }

    // MARK: helpers for writes

    func fieldManager(_ context: WriteContext, _ subresource: String) -> FieldManager {
        FieldManager(name: context.manager, apiVersion: definition.reference.apiVersion, subresource: subresource, now: context.now)
    }

    /// Events are written once, and often: nobody asks who owns which of their fields.
    var isTracked: Bool { resource.resource != "events" }

    /// Runs a storage call and translates what it throws.
    func stored<T>(_ name: String, _ body: () async throws(StorageError) -> T) async throws(StatusError) -> T {
        do {
            return try await body()
        } catch {
            switch error.code {
            case .keyExists: throw .alreadyExists(resource, name)
            case .notFound: throw .notFound(resource, name)
            case .conflict: throw .modified(resource, name)
            default: throw .failure(error)
            }
        }
    }

    /// Gives the object what the server hands out, for as long as the body runs; afterwards it is its own, if it was stored.
    func withAllocation<T>(
        _ object: JSON, old: JSON?, key: ObjectKey, _ body: (JSON) async throws(StatusError) -> T
    ) async throws(StatusError) -> T {
        guard let allocator else { return try await body(object) }
        var object = object
        let holding: ServiceAllocator.Holding
        do throws(AllocationFailure) {
            holding = try allocator.reserve(&object, old: old, key: key)
        } catch {
            switch error {
            case .invalid(let problem): throw invalid(object, [problem])
            case .exhausted(let message): throw .internalError(message)
            }
        }
        defer { allocator.release(holding) }
        return try await body(object)
    }

    func cached(_ key: ObjectKey, _ bytes: [UInt8], _ revision: Revision) -> CachedObject {
        CachedObject(key: key, stored: bytes, revision: revision)
    }

    func invalid(_ object: JSON, _ errors: [FieldError]) -> StatusError {
        .invalid(definition.reference, name: object[path: "metadata", "name"]?.string ?? "", errors)
    }
}

/// What the server takes from its surroundings, injected for tests.
struct ServerEnvironment: Sendable {
    /// A new UUID in lower case.
    let uid: @Sendable () -> String
    /// A number from zero up to but without the argument.
    let random: @Sendable (Int) -> Int
    /// What judges writes by who makes them.
    var admission = AdmissionChain()
}
