import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Marks a node whose heartbeat stopped, so that nothing new is bound to it.
struct NodeLifecycleController: Controller {
    let client: KubeClient
    let informers: SharedInformers
    let clock: ControllerClock
    let logger: Logger

    func run() async {
        let nodes = informers.nodes
        let leases = Informer<Lease>(client, namespace: "kube-node-lease", logger: logger)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await leases.run() }
            group.addTask {
                await nodes.waitUntilSynced()
                await leases.waitUntilSynced()
                await watch(nodes, leases)
            }
        }
    }

    private func watch(_ nodes: Informer<Node>, _ leases: Informer<Lease>) async {
        // This process may itself have been away: nobody is silent before it has had its time to speak.
        var firstSeen: [String: Time] = [:]
        while !Task.isCancelled {
            let now = clock.now()
            for node in nodes.objects {
                let first = firstSeen[node.uid] ?? now
                firstSeen[node.uid] = first
                let renewed = leases.object(namespace: "kube-node-lease", name: node.name)?.spec.renewTime?.time
                let lastSeen = max(first, renewed ?? first)
                if NodeHealth.judge(node, lastSeen: lastSeen, now: now) == .silent { await mark(node, now) }
            }
            let present = Set(nodes.objects.map(\.uid))
            firstSeen = firstSeen.filter { present.contains($0.key) }
            do { try await clock.sleep(.seconds(5)) } catch { return }
        }
    }

    private func mark(_ node: Node, _ now: Time) async {
        let conditions = NodeHealth.unknownConditions(node, now: now).map(\.json)
        do {
            _ = try await client.patch(Node.resource, name: node.name, subresource: "status", type: .strategic, ["status": ["conditions": .array(conditions)]])
            logger.warning("node \(node.name) stopped sending heartbeats")
        } catch {
            logger.debug("marking node \(node.name): \(error)")
        }
    }
}
