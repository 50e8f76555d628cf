import KubeClient
import KubeTypes
import Logging

/// Removes pods whose node is gone: no kubelet will ever report their end.
struct PodCollectionController: Controller {
    /// A node that registers again soon keeps its pods.
    private static let patience = Duration.seconds(40)

    let client: KubeClient
    let informers: SharedInformers
    let clock: ControllerClock
    let logger: Logger

    func run() async {
        await informers.nodes.waitUntilSynced()
        await informers.pods.waitUntilSynced()
        for await change in informers.nodes.changes() {
            guard case .deleted = change else { continue }
            do { try await clock.sleep(Self.patience) } catch { return }
            await collect(Self.orphans(informers.pods.objects, nodes: informers.nodes.objects))
        }
    }

    static func orphans(_ pods: [Pod], nodes: [Node]) -> [Pod] {
        let names = Set(nodes.map(\.name))
        return pods.filter { pod in pod.spec.nodeName.map { !$0.isEmpty && !names.contains($0) } ?? false }
    }

    private func collect(_ pods: [Pod]) async {
        for pod in pods {
            do {
                _ = try await client.delete(Pod.resource, namespace: pod.namespace, name: pod.name, uid: pod.uid, gracePeriodSeconds: 0)
            } catch {
                logger.debug("removing pod \(pod.namespace)/\(pod.name) of a node that is gone: \(error)")
            }
        }
    }
}
