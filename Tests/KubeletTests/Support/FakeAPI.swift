import JSONTree
import KubeClient
import KubeTypes
import Synchronization
@testable import Kubelet

/// The API server as the kubelet sees it, in memory.
final class FakeAPI: KubeletAPIClient, PodSource {
    struct State {
        var objects: [ConfigReference: JSON] = [:]
        var watchers: [ConfigReference: [AsyncStream<JSON?>.Continuation]] = [:]
        var node: JSON?
        var nodesMade = 0
        var nodeWatchers: [AsyncStream<JSON?>.Continuation] = []
        var lease: JSON?
        var isOffline = false
        var podContinuation: AsyncStream<PodSourceChange>.Continuation?
        var version = 1
        /// Answers are held back until something is in it.
        var objectGate: Recorded<Bool>?
        var finishGate: Recorded<Bool>?
        /// Services that were announced before somebody listened.
        var services: [ServiceDirectory.Change] = []
        var serviceContinuation: AsyncStream<ServiceDirectory.Change>.Continuation?
        var servicesAreListed = true
        var tokens = 0
        var clock: (any KubeletClock)?
    }
    let state = Mutex(State())
    /// Patches of pod statuses, in order.
    let statusPatches = Recorded<(name: String, patch: JSON)>()
    /// The statuses that come of them.
    let statuses = Recorded<(name: String, status: JSON)>()
    let finished = Recorded<(name: String, uid: String)>()
    let events = Recorded<JSON>()
    /// Tokens that were asked for.
    let tokens = Recorded<TokenSource>()
    let asked = Recorded<ConfigReference>()
    let nodeWrites = Recorded<(verb: String, body: JSON)>()
    private let current = Mutex<[String: JSON]>([:])
    private let pending: AsyncStream<PodSourceChange>

    init() {
        let (stream, continuation) = AsyncStream<PodSourceChange>.makeStream()
        pending = stream
        state.withLock { $0.podContinuation = continuation }
    }

    private func check() throws {
        if state.withLock({ $0.isOffline }) { throw KubeError(reason: .connection, message: "connection refused") }
    }
    private static func notFound(_ name: String) -> KubeError { KubeError(code: 404, reason: .notFound, message: "\"\(name)\" not found") }

    func createEvent(namespace: String, _ event: JSON) async throws { try check(); events.append(event) }
    func patchEvent(namespace: String, name: String, _ patch: JSON) async throws { try check(); events.append(patch) }

    func patchPodStatus(namespace: String, name: String, _ patch: JSON) async throws {
        try check()
        let status = current.withLock { statuses in
            var status = statuses[name] ?? [:]
            for (key, value) in patch["status"]?.object ?? [:] {
                if key == "conditions" {
                    var conditions = status["conditions"]?.array ?? []
                    for change in value.array ?? [] {
                        conditions.removeAll { $0["type"] == change["type"] }
                        conditions.append(change)
                    }
                    status["conditions"] = .array(conditions)
                } else {
                    status[key] = value.isNull ? nil : value
                }
            }
            statuses[name] = status
            return status
        }
        statusPatches.append((name, patch))
        statuses.append((name, status))
    }

    func finishPod(namespace: String, name: String, uid: String) async throws {
        try check()
        finished.append((name, uid))
        if let gate = state.withLock({ $0.finishGate }) { await gate.wait { !$0.isEmpty } }
    }

    func requestToken(_ source: TokenSource) async throws -> JSON {
        try check()
        let (number, now) = state.withLock { state in
            state.tokens += 1
            return (state.tokens, state.clock?.now() ?? WallTime(seconds: 1_800_000_000))
        }
        tokens.append(source)
        let expiry = now + .seconds(source.expirationSeconds)
        return ["status": ["token": .string("token-\(number)"), "expirationTimestamp": .string(expiry.rfc3339)]]
    }

    func services() -> AsyncStream<ServiceDirectory.Change> {
        let (stream, continuation) = AsyncStream<ServiceDirectory.Change>.makeStream()
        let (early, isListed) = state.withLock { state in
            state.serviceContinuation = continuation
            return (state.services, state.servicesAreListed)
        }
        for change in early { continuation.yield(change) }
        if isListed { continuation.yield(.synchronized) }
        return stream
    }

    func announce(_ change: ServiceDirectory.Change) {
        let continuation = state.withLock { state in
            state.services.append(change)
            return state.serviceContinuation
        }
        continuation?.yield(change)
    }

    func object(_ reference: ConfigReference) async throws -> JSON {
        try check()
        asked.append(reference)
        if let gate = state.withLock({ $0.objectGate }) { await gate.wait { !$0.isEmpty } }
        guard let object = state.withLock({ $0.objects[reference] }) else { throw Self.notFound(reference.name) }
        return object
    }

    func changes(of reference: ConfigReference) -> AsyncStream<JSON?> {
        let (stream, continuation) = AsyncStream<JSON?>.makeStream()
        let now = state.withLock { state in
            state.watchers[reference, default: []].append(continuation)
            return state.objects[reference]
        }
        continuation.yield(now)
        return stream
    }

    func node(_ name: String) async throws -> JSON {
        try check()
        guard let node = state.withLock({ $0.node }) else { throw Self.notFound(name) }
        return node
    }
    func createNode(_ node: JSON) async throws {
        try check()
        state.withLock { state in
            state.nodesMade += 1
            state.node = node
            state.node?["metadata"]?["uid"] = state.nodesMade == 1 ? "node-uid" : "node-uid-\(state.nodesMade)"
        }
        nodeWrites.append(("create", node))
    }
    func patchNode(_ name: String, _ patch: JSON) async throws { try check(); nodeWrites.append(("patch", patch)) }
    func patchNodeStatus(_ name: String, _ patch: JSON) async throws { try check(); nodeWrites.append(("status", patch)) }
    func createLease(_ lease: JSON) async throws {
        try check()
        let isNew = state.withLock { state in
            defer { state.lease = state.lease ?? lease }
            return state.lease == nil
        }
        guard isNew else { throw KubeError(code: 409, reason: .alreadyExists, message: "leases.coordination.k8s.io already exists") }
        nodeWrites.append(("lease", lease))
    }
    func nodeChanges(_ name: String) -> AsyncStream<JSON?> {
        let (stream, continuation) = AsyncStream<JSON?>.makeStream()
        continuation.yield(state.withLock { state in
            state.nodeWatchers.append(continuation)
            return state.node
        })
        return stream
    }
    func patchLease(_ name: String, _ patch: JSON) async throws { try check(); nodeWrites.append(("renew", patch)) }

    func pods() -> AsyncStream<PodSourceChange> { pending }

    // MARK: What tests do to it

    func send(_ change: PodSourceChange) { _ = state.withLock { $0.podContinuation }?.yield(change) }

    func put(_ kind: ConfigReference.Kind, _ name: String, _ data: JSON) {
        let reference = ConfigReference(kind: kind, namespace: "default", name: name)
        let (object, watchers) = state.withLock { state -> (JSON, [AsyncStream<JSON?>.Continuation]) in
            state.version += 1
            let object: JSON = ["metadata": ["name": JSON(name), "resourceVersion": JSON(String(state.version))], "data": data]
            state.objects[reference] = object
            return (object, state.watchers[reference] ?? [])
        }
        for watcher in watchers { watcher.yield(object) }
    }

    /// Somebody changes the node, or deletes it.
    func changeNode(_ change: @Sendable (inout JSON?) -> Void) {
        let (node, watchers) = state.withLock { state in
            change(&state.node)
            return (state.node, state.nodeWatchers)
        }
        for watcher in watchers { watcher.yield(node) }
    }

    func remember(_ status: JSON, of name: String) { current.withLock { $0[name] = status } }

    @discardableResult
    func status(of name: String, where condition: @escaping @Sendable (JSON) -> Bool) async -> JSON {
        await statuses.first { $0.name == name && condition($0.status) }?.status ?? .null
    }
}

/// Volumes' mounts without root: remembers what it was asked for.
final class FakeMounter: VolumeMounter {
    let mounts = Mutex<Set<String>>([])
    func mountMemory(at path: String, size: Int64?, mode: UInt32) throws { mounts.withLock { _ = $0.insert(path) } }
    func bind(descriptor: Int32, to path: String) throws { mounts.withLock { _ = $0.insert(path) } }
    func unmountAll(under path: String) throws { mounts.withLock { $0 = $0.filter { $0 != path && !$0.hasPrefix(path + "/") } } }
    func isMounted(_ path: String) -> Bool { mounts.withLock { $0.contains(path) } }
}

/// Probes whose outcome a test sets.
final class FakeProbes: ProbeExecutor {
    let outcome = Mutex<ProbeOutcome>(.success)
    let runs = Recorded<String>()
    func run(_ check: ProbeSpec.Check, timeout: Duration, container: String, address: String) async -> ProbeOutcome {
        let outcome = outcome.withLock { $0 }
        runs.append(container)
        return outcome
    }
    func set(_ outcome: ProbeOutcome) { self.outcome.withLock { $0 = outcome } }
}
