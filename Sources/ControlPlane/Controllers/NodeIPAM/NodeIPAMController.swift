import JSONTree
import KubeClient
import KubeTypes
import Logging
import Synchronization

/// Gives each node the addresses of its pods, `spec.podCIDR`, if it has none of its own.
struct NodeIPAMController: Controller {
    let client: KubeClient
    let informers: SharedInformers
    let events: EventRecorder
    let ranges: NodeRanges
    let clock: ControllerClock
    let logger: Logger

    func run() async {
        // One at a time: two nodes must not get one range.
        let queue = RetryingQueue<String>(limit: 1, clock: clock, logger: logger)
        // What was given and is not in the copy yet, by the node's identity.
        let given = Given()
        let source = ChangeSource(informers.nodes) { change in
            switch change {
            case .added(let node), .modified(let node, _): if node.spec.podCIDR?.isEmpty != false { queue.add(node.name) }
            // What it had may be what another one waits for.
            case .deleted: for node in informers.nodes.objects where node.spec.podCIDR?.isEmpty != false { queue.add(node.name) }
            case .synced: break
            }
        }
        await Following.run([source]) { await queue.run { try await assign($0, given) } }
    }

    private final class Given: Sendable {
        private let ranges = Mutex<[String: String]>([:])

        func set(_ uid: String, _ range: String) { ranges.withLock { $0[uid] = range } }

        /// Those of nodes that are still there and do not show their range yet.
        func pending(_ nodes: [Node]) -> [String: String] {
            ranges.withLock { ranges in
                let waiting = Set(nodes.filter { $0.spec.podCIDR?.isEmpty != false }.map(\.uid))
                ranges = ranges.filter { waiting.contains($0.key) }
                return ranges
            }
        }
    }

    private func assign(_ name: String, _ given: Given) async throws -> WorkResult {
        let nodes = informers.nodes.objects
        guard let node = nodes.first(where: { $0.name == name }), node.spec.podCIDR?.isEmpty != false, node.metadata.deletionTimestamp == nil else { return .done }
        let pending = given.pending(nodes)
        if pending[node.uid] != nil { return .done }
        let used = nodes.flatMap { $0.spec.podCIDRs + [$0.spec.podCIDR ?? ""] } + pending.values
        guard let range = ranges.free(used: used) else {
            events.record(node, .normal, component: "cidrAllocator", reason: "CIDRNotAvailable", "Node \(name) status is now: CIDRNotAvailable")
            logger.warning("node \(name) has no addresses for its pods: all of \(ranges.cluster) is given out")
            return .retry
        }
        try await ignoringNotFound {
            _ = try await client.patch(
                Node.resource, name: name,
                ["metadata": ["uid": .string(node.uid)], "spec": ["podCIDR": .string(range), "podCIDRs": [.string(range)]]])
            given.set(node.uid, range)
        }
        return .done
    }
}
