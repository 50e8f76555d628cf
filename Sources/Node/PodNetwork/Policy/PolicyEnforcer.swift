public import Logging
internal import Netlink
internal import Synchronization

/// Keeps the kernel in step with the policies, for the pods of this node.
///
/// ``update(_:_:_:)`` and ``prepare(_:uid:)`` say what should be; ``run()`` puts it into the kernel, one transaction for
/// whatever has gathered. Until it is told of policies for the first time, what an earlier agent left in the kernel stays.
public final class PolicyEnforcer: Sendable {
    /// A pod of the cluster as the API tells it.
    public struct KnownPod: Sendable, Hashable {
        public var uid: String
        public var pod: PolicyPod
        public init(uid: String, pod: PolicyPod) { (self.uid, self.pod) = (uid, pod) }
    }

    private struct State {
        var policies: [TrafficPolicy] = []
        var namespaces: [String: [String: String]] = [:]
        /// Pods by address as the API has them, and those of this node that it does not have yet.
        var known: [KnownPod] = []
        var prepared: [String: KnownPod] = [:]
        /// The API has told everything once.
        var hasSynced = false
        /// Counts what was asked for, and how much of it is in the kernel.
        var wanted = 0
        var applied = 0
        var waiting: [(ticket: Int, continuation: CheckedContinuation<Void, Never>)] = []
        /// What was last put into the kernel.
        var picture = PolicyPicture()
        /// What the kernel holds is not known: the whole table is written.
        var mustRewrite = true
        var stopped = false
    }

    private let network: PodNetwork
    private let table: PolicyTable
    private let aliases: [PortAlias]
    private let logger: Logger
    private let state = Mutex(State())
    private let wake: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - tableName: nf_tables table of the policies, in the inet family; nobody else's.
    ///   - aliases: what this node serves at another port than the one that users know.
    public init(network: PodNetwork, tableName: String = "swiftlet-policy", aliases: [PortAlias] = [], logger: Logger) {
        (self.network, table, self.aliases, self.logger) = (network, PolicyTable(name: tableName), aliases, logger)
        (wake, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: What should be

    /// The policies, pods and namespaces (labels by name) of the cluster.
    public func update(_ policies: [TrafficPolicy], _ pods: [KnownPod], _ namespaces: [String: [String: String]]) {
        change { state in
            (state.policies, state.known, state.namespaces, state.hasSynced) = (policies, pods, namespaces, true)
        }
    }

    /// Tells of a pod of this node before it starts. Returns when its policies are in the kernel.
    public func prepare(_ pod: PolicyPod, uid: String) async {
        let ticket = change { $0.prepared[uid] = KnownPod(uid: uid, pod: pod) }
        await applied(ticket)
    }

    /// Another program has changed the table: all of it is written anew.
    public func repair() {
        change { $0.mustRewrite = true }
    }

    /// Returns when everything that was asked for until now is in the kernel.
    public func synchronize() async { await applied(state.withLock { $0.wanted }) }

    @discardableResult
    private func change(_ body: (inout State) -> Void) -> Int {
        let ticket = state.withLock { state in
            body(&state)
            state.wanted += 1
            return state.wanted
        }
        signal.yield()
        return ticket
    }

    private func applied(_ ticket: Int) async {
        await withCheckedContinuation { continuation in
            let done = state.withLock { state in
                if state.applied >= ticket || state.stopped { return true }
                state.waiting.append((ticket, continuation))
                return false
            }
            if done { continuation.resume() }
        }
    }

    // MARK: Into the kernel

    /// Runs until cancelled. The rules stay when it ends.
    public func run() async {
        for await _ in wake {
            while !Task.isCancelled, await !apply() {
                // The kernel refused; it may be short of memory. The rules are as they were.
                do { try await Task.sleep(for: .seconds(1)) } catch { break }
            }
        }
        finish { state in
            state.stopped = true
            return .max
        }
    }

    /// One step from what the kernel holds to what it should. False if it failed.
    private func apply() async -> Bool {
        let places = network.places()
        let step = state.withLock { state -> (ticket: Int, old: PolicyPicture?, new: PolicyPicture)? in
            state.prepared = state.prepared.filter { entry in entry.value.pod.addresses.contains { places[$0] != nil } }
            // Without the API nothing is known of policies: what is in the kernel holds, and new pods wait.
            guard state.hasSynced else { return nil }
            defer { state.mustRewrite = false }
            return (state.wanted, state.mustRewrite ? nil : state.picture, picture(state, places))
        }
        guard let step else { return true }
        do {
            let batch = step.old.map { table.change(from: $0, to: step.new) } ?? table.replacement(step.new)
            try await network.commit("write the policies", batch)
        } catch {
            logger.error("network policies: \(error)")
            state.withLock { $0.mustRewrite = true }
            return false
        }
        finish { state in
            (state.picture, state.applied) = (step.new, step.ticket)
            return step.ticket
        }
        return true
    }

    private func picture(_ state: State, _ places: [IPAddress: String]) -> PolicyPicture {
        // An address may have had another owner a moment ago, of whom the API still tells.
        let taken = Set(state.prepared.values.flatMap(\.pod.addresses))
        let told = Dictionary(state.known.map { ($0.uid, $0) }) { first, _ in first }
        let pods = state.known.filter { known in state.prepared[known.uid] != nil || !known.pod.addresses.contains(where: taken.contains) }.map(\.pod)
            + state.prepared.values.filter { told[$0.uid] == nil }.map(\.pod)
        let local = pods.compactMap { pod in
            pod.addresses.lazy.compactMap { places[$0] }.first.map { PolicyPicture.LocalPod(link: $0, pod: pod) }
        }
        return PolicyPicture(PolicySnapshot(policies: state.policies, pods: pods, namespaces: state.namespaces, aliases: aliases), local: local)
    }

    private func finish(_ body: (inout State) -> Int) {
        let ready = state.withLock { state in
            let ticket = body(&state)
            defer { state.waiting.removeAll { $0.ticket <= ticket } }
            return state.waiting.filter { $0.ticket <= ticket }
        }
        ready.forEach { $0.continuation.resume() }
    }

    /// Removes the table, for a node that is given up. Idempotent.
    public static func reset(network: PodNetwork, tableName: String = "swiftlet-policy") async throws {
        try await network.removeTable(tableName)
    }
}

extension PodNetwork {
    /// The link of each pod of this node, by the pod's address.
    func places() -> [IPAddress: String] {
        state.withLock { state in Dictionary(state.attachments.values.map { ($0.address, $0.link) }) { first, _ in first } }
    }

    func commit(_ operation: String, _ batch: NFTablesBatch) async throws {
        guard !batch.isEmpty else { return }
        try await onNode { [self] in try wrapped(operation) { try NFTablesSocket().commit(operation, batch) } }
    }

    func removeTable(_ name: String) async throws {
        try await onNode { [self] in _ = try wrapped("remove table \(name)") { try NFTablesSocket().deleteTable(.inet, name) } }
    }
}
