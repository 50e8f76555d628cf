import KubeClient
import KubeTypes
import Logging

/// Removes pods whose node is gone: no kubelet will ever report their end.
struct PodCollectionController: Controller {
    let client: KubeClient
    let logger: Logger

    func run() async {
        let nodes = Informer<Node>(client, logger: logger)
        let pods = Informer<Pod>(client, logger: logger)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await nodes.run() }
            group.addTask { await pods.run() }
            group.addTask {
                await nodes.waitUntilSynced()
                await pods.waitUntilSynced()
                for await change in nodes.changes() {
                    guard case .deleted = change else { continue }
                    // A node that registers again at once keeps its pods.
                    do { try await Task.sleep(for: .seconds(40)) } catch { return }
                    await collect(Self.orphans(pods.objects, nodes: nodes.objects))
                }
            }
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
