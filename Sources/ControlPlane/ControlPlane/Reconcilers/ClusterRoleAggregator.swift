import APIServer
import JSONTree
import KubeClient
import KubeTypes
import Logging

/// Writes the rules of cluster roles that gather those of others, so that a definition's labelled role reaches `admin`, `edit`
/// and `view` by itself.
struct ClusterRoleAggregator: Sendable {
    let client: KubeClient
    let logger: Logger
    var backoff = Backoff()

    /// Runs until cancelled.
    func run() async {
        let informer = Informer<ClusterRole>(client, logger: logger)
        let changes = informer.changes()
        let (signals, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await informer.run() }
            group.addTask { for await _ in changes { signal.yield() } }
            var failures = 0
            for await _ in signals where informer.hasSynced {
                do {
                    try await reconcile(informer.objects.map(\.json))
                    failures = 0
                } catch {
                    failures += 1
                    logger.warning("cannot aggregate cluster roles: \(error)")
                    guard (try? await backoff.pause(failures)) != nil else { break }  // Only cancellation ends a pause early.
                    signal.yield()
                }
            }
            group.cancelAll()
        }
    }

    /// Each write comes back as a change, so that chains of aggregation settle step by step.
    private func reconcile(_ roles: [JSON]) async throws {
        for role in roles {
            guard let rules = ClusterRoleAggregation.rules(of: role, among: roles), rules != role["rules"]?.array ?? [] else { continue }
            let version = role[path: "metadata", "resourceVersion"] ?? ""
            do {
                _ = try await client.patch(
                    ClusterRole.resource, name: role[path: "metadata", "name"]?.string ?? "", ["metadata": ["resourceVersion": version], "rules": .array(rules)])
            } catch let error as KubeError where error.isConflict || error.isNotFound {
                continue  // Seen too late: the change that was faster comes next.
            }
        }
    }
}
