public import KubeTypes
public import Logging
import JSONTree
import KubeAPI
import Synchronization

/// A copy of a collection that follows the server: list, then watch, resumed from the last seen version when the
/// connection breaks, listed anew when the server has forgotten that version.
///
/// ```
/// listing ──▶ watching ──(end, error)──▶ watching from the last version
///    ▲                                      │
///    └────────────(410 Expired)─────────────┘
/// ```
/// Subscribers first get what the copy holds, then every difference; after a new list only real differences are told.
public final class Informer<Object: KubeObject>: Sendable {
    public enum Change: Sendable {
        case added(Object)
        case modified(Object, previous: Object)
        case deleted(Object)
        /// The copy has been complete once; told once to each subscriber.
        case synced

        public var object: Object? {
            switch self {
            case .added(let object), .modified(let object, _), .deleted(let object): object
            case .synced: nil
            }
        }
    }

    struct Key: Hashable { var namespace: String; var name: String }

    private struct State {
        var objects: [Key: Object] = [:]
        var hasSynced = false
        var subscribers: [Int: AsyncStream<Change>.Continuation] = [:]
        var nextSubscriber = 0

        mutating func put(_ key: Key, _ object: Object) {
            guard let old = objects.updateValue(object, forKey: key) else { return tell(.added(object)) }
            if old.metadata.resourceVersion != object.metadata.resourceVersion { tell(.modified(object, previous: old)) }
        }

        func tell(_ change: Change) {
            for continuation in subscribers.values { continuation.yield(change) }
        }
    }

    private let client: KubeClient
    private let namespace: String?
    private let options: ListOptions
    private let logger: Logger
    private let backoff: Backoff
    private let state = Mutex(State())

    /// - Parameter backoff: how long to wait between failed tries, and by whose clock.
    public init(_ client: KubeClient, namespace: String? = nil, options: ListOptions = .init(), logger: Logger, backoff: Backoff = .init()) {
        (self.client, self.namespace, self.options, self.logger, self.backoff) = (client, namespace, options, logger, backoff)
    }

    public var hasSynced: Bool { state.withLock { $0.hasSynced } }
    public var objects: [Object] { state.withLock { Array($0.objects.values) } }

    public func object(namespace: String = "", name: String) -> Object? {
        state.withLock { $0.objects[Key(namespace: namespace, name: name)] }
    }

    /// What the copy holds now as additions, then every change. Ends with the informer, or when the reader drops it.
    public func changes() -> AsyncStream<Change> {
        let (stream, continuation) = AsyncStream<Change>.makeStream()
        state.withLock { state in
            for object in state.objects.values { continuation.yield(.added(object)) }
            if state.hasSynced { continuation.yield(.synced) }
            let number = state.nextSubscriber
            state.nextSubscriber += 1
            state.subscribers[number] = continuation
            continuation.onTermination = { [weak self] _ in
                self?.state.withLock { _ = $0.subscribers.removeValue(forKey: number) }
            }
        }
        return stream
    }

    /// Returns when the copy has been complete once, or the task is cancelled.
    public func waitUntilSynced() async {
        for await change in changes() {
            if case .synced = change { return }
        }
    }

    /// Follows the server until cancelled.
    public func run() async {
        var version: String?
        var failures = 0
        while !Task.isCancelled {
            do {
                if version == nil { version = try await relist() }
                let before = version
                try await follow(&version)
                // A watch that ended without news may have been cut at once: do not spin.
                failures = version == before ? failures + 1 : 0
            } catch let error as KubeError where error.isExpired {
                version = nil
                failures += 1
            } catch {
                failures += 1
                if !Task.isCancelled { logger.debug("watching \(Object.resource.resource): \(error)") }
            }
            if failures > 0 { do { try await backoff.pause(failures) } catch { break } }
        }
        let subscribers = state.withLock { state in
            defer { state.subscribers = [:] }
            return Array(state.subscribers.values)
        }
        // Not under the lock: finishing calls the handler of termination, which takes it.
        for continuation in subscribers { continuation.finish() }
    }

    private func relist() async throws -> String {
        var objects: [Key: Object] = [:]
        let list = try await client.list(Object.self, namespace: namespace, options: options)
        for object in list.items { objects[Self.key(object)] = object }
        state.withLock { state in
            for (key, old) in state.objects where objects[key]?.uid != old.uid {
                state.objects[key] = nil
                state.tell(.deleted(old))
            }
            for (key, object) in objects { state.put(key, object) }
            if !state.hasSynced {
                state.hasSynced = true
                state.tell(.synced)
            }
        }
        guard let version = list.metadata.resourceVersion, !version.isEmpty else {
            throw KubeError(reason: .decoding, message: "expected a resourceVersion in the list of \(Object.resource.resource)")
        }
        return version
    }

    private func follow(_ version: inout String?) async throws {
        var options = options
        options.resourceVersion = version
        // Spread, so that all clients of a server that came back do not return together ever after.
        let seconds = Int.random(in: 300...600)
        for try await event in try await client.watch(Object.resource, namespace: namespace, options: options, seconds: seconds) {
            switch event {
            case .added(let json), .modified(let json):
                let object: Object = try KubeClient.decode(json)
                state.withLock { $0.put(Self.key(object), object) }
                version = object.metadata.resourceVersion ?? version
            case .deleted(let json):
                let object: Object = try KubeClient.decode(json)
                state.withLock { state in
                    state.objects[Self.key(object)] = nil
                    state.tell(.deleted(object))
                }
                version = object.metadata.resourceVersion ?? version
            case .bookmark(let json):
                version = json[path: "metadata", "resourceVersion"]?.string ?? version
            }
        }
    }

    private static func key(_ object: Object) -> Key { Key(namespace: object.namespace, name: object.name) }
}
