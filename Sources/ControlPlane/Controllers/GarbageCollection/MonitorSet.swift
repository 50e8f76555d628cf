import KubeAPI
import KubeClient
import Logging
import Synchronization

/// One monitor for every resource whose objects can be listed, watched and deleted; resources come and go with the definitions
/// of users.
final class MonitorSet: Sendable {
    /// Written often, never owned, and gone by themselves: not worth a watch.
    private static let ignored: Set<String> = ["events", "events.events.k8s.io"]
    private static let definitions = "customresourcedefinitions.apiextensions.k8s.io"
    /// How often the server is asked for new resources when no definition has changed.
    static let rediscovery = Duration.seconds(30)
    private static let patience = Duration.seconds(1)

    private struct State {
        /// The served resources by `apiVersion/kind`.
        var kinds: [String: ResourceReference] = [:]
        /// The first resources that have not been listed yet; nil before they are known.
        var unlisted: Set<ResourceReference>?
    }

    private let client: KubeClient
    private let clock: ControllerClock
    private let logger: Logger
    private let state = Mutex(State())

    init(client: KubeClient, clock: ControllerClock, logger: Logger) {
        (self.client, self.clock, self.logger) = (client, clock, logger)
    }

    /// The resource of a kind, in any version of its group.
    func resource(apiVersion: String, kind: String) -> ResourceReference? {
        state.withLock { state in
            if let exact = state.kinds["\(apiVersion)/\(kind)"] { return exact }
            let parts = apiVersion.split(separator: "/")
            let group = parts.count == 2 ? String(parts[0]) : ""
            return state.kinds.values.first { $0.group == group && $0.kind == kind }
        }
    }

    /// Follows until cancelled.
    /// - Parameters:
    ///   - complete: called once, when all resources that there were at the start have been listed.
    ///   - handle: is told every change; those of one resource in order.
    func run(complete: @escaping @Sendable () -> Void, _ handle: @escaping @Sendable (ResourceReference, MetadataMonitor.Change) -> Void) async {
        let (wakes, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [clock] in
                while !Task.isCancelled {
                    continuation.yield()
                    // Only cancellation ends a sleep early.
                    guard (try? await clock.sleep(Self.rediscovery)) != nil else { return }
                }
            }
            group.addTask { [self] in
                var monitors: [ResourceReference: Task<Void, Never>] = [:]
                for await _ in wakes {
                    guard let wanted = await discover() else {
                        // Only cancellation ends a sleep early, and it ends the loop too.
                        if (try? await clock.sleep(Self.patience)) != nil { continuation.yield() }
                        continue
                    }
                    for (resource, monitor) in monitors where !wanted.contains(resource) {
                        monitor.cancel()
                        await monitor.value
                        monitors[resource] = nil
                        handle(resource, .all([]))
                    }
                    for resource in wanted where monitors[resource] == nil {
                        // Unstructured, since each ends with its resource; all are cancelled and awaited below.
                        monitors[resource] = Task { [self] in
                            await MetadataMonitor(client: client, resource: resource, backoff: .init(), logger: logger).run { change in
                                handle(resource, change)
                                if case .all = change, isLast(resource) { complete() }
                                if resource.groupResource == Self.definitions { continuation.yield() }
                            }
                        }
                    }
                }
                for monitor in monitors.values { monitor.cancel() }
                for monitor in monitors.values { await monitor.value }
            }
        }
    }

    private func discover() async -> Set<ResourceReference>? {
        do {
            let found = try await ResourceDiscovery.resources(client)
            let wanted = Set(found.filter {
                $0.verbs.isSuperset(of: ["list", "watch", "delete"]) && !Self.ignored.contains($0.reference.groupResource)
            }.map(\.reference))
            state.withLock { state in
                state.kinds = Dictionary(
                    found.map { ("\($0.reference.apiVersion)/\($0.reference.kind)", $0.reference) }, uniquingKeysWith: { first, _ in first })
                // A resource that went before it was listed is not waited for.
                state.unlisted = state.unlisted.map { $0.intersection(wanted) } ?? wanted
            }
            return wanted
        } catch {
            logger.debug("looking for resources: \(error)")
            return nil
        }
    }

    /// Whether this was the last of the first resources to be listed.
    private func isLast(_ resource: ResourceReference) -> Bool {
        state.withLock { state in
            guard state.unlisted?.remove(resource) != nil else { return false }
            return state.unlisted?.isEmpty == true
        }
    }
}
