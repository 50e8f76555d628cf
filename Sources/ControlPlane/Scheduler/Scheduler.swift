public import KubeClient
public import Logging
import JSONTree
import KubeAPI
import KubeTypes

/// Binds pods that have no node. A client like any other: it sees the cluster by watches and acts by requests.
///
/// One task, one stream of changes: every pod that waits is tried when something changed that could help it, and again
/// after a while if its binding failed.
public struct Scheduler: Sendable {
    private let client: KubeClient
    private let logger: Logger
    private let framework: SchedulingFramework
    private let name = "default-scheduler"

    public init(client: KubeClient, logger: Logger, framework: SchedulingFramework = .standard) {
        (self.client, self.logger, self.framework) = (client, logger, framework)
    }

    /// Runs until cancelled.
    public func run() async {
        let pods = Informer<Pod>(client, logger: logger)
        let nodes = Informer<Node>(client, logger: logger)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await pods.run() }
            group.addTask { await nodes.run() }
            group.addTask {
                // Deciding before the copies are complete would see free room that is taken.
                await pods.waitUntilSynced()
                await nodes.waitUntilSynced()
                await schedule(pods, nodes)
            }
        }
    }

    private enum Wake: Sendable { case pod(Informer<Pod>.Change), node(Informer<Node>.Change), retry }

    private func schedule(_ pods: Informer<Pod>, _ nodes: Informer<Node>) async {
        let (wakes, continuation) = AsyncStream<Wake>.makeStream()
        var cluster = ClusterSnapshot(scheduler: name)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await change in pods.changes() { continuation.yield(.pod(change)) } }
            group.addTask { for await change in nodes.changes() { continuation.yield(.node(change)) } }
            for await wake in wakes {
                switch wake {
                case .pod(let change): cluster.apply(change)
                case .node(let change): cluster.apply(change)
                case .retry: break
                }
                for pod in cluster.takeDue() {
                    let decision = framework.decide(pod, nodes: cluster.nodeInfos)
                    guard case .bind(let node) = decision else {
                        if case .unschedulable(let message) = decision { await refuse(pod, message, &cluster) }
                        continue
                    }
                    cluster.assume(pod, on: node)
                    if await !bind(pod, to: node) {
                        cluster.forget(pod)
                        group.addTask {
                            // Cancelled: the scheduler ends, there is nothing to try again.
                            guard (try? await Task.sleep(for: .seconds(1))) != nil else { return }
                            continuation.yield(.retry)
                        }
                    }
                }
            }
            group.cancelAll()
        }
    }

    /// - Returns: false if it should be tried again.
    private func bind(_ pod: Pod, to node: String) async -> Bool {
        let binding: JSON = [
            "apiVersion": "v1", "kind": "Binding",
            "metadata": ["name": .string(pod.name), "namespace": .string(pod.namespace), "uid": .string(pod.uid)],
            "target": ["apiVersion": "v1", "kind": "Node", "name": .string(node)],
        ]
        do {
            _ = try await client.create(Pod.resource, namespace: pod.namespace, name: pod.name, subresource: "binding", binding)
        } catch let error as KubeError where error.isNotFound || error.isConflict {
            return true  // gone, or bound by somebody else: the watch tells
        } catch {
            logger.warning("binding \(pod.namespace)/\(pod.name) to \(node): \(error)")
            return false
        }
        await report(pod, type: "Normal", reason: "Scheduled", action: "Binding", "Successfully assigned \(pod.namespace)/\(pod.name) to \(node)")
        return true
    }

    private func refuse(_ pod: Pod, _ message: String, _ cluster: inout ClusterSnapshot) async {
        guard cluster.isNews(pod, message) else { return }
        await report(pod, type: "Warning", reason: "FailedScheduling", action: "Scheduling", message)
        let condition: JSON = [
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": .string(message),
            "lastTransitionTime": .string(Time.now().description),
        ]
        do {
            _ = try await client.patch(
                Pod.resource, namespace: pod.namespace, name: pod.name, subresource: "status", type: .strategic, ["status": ["conditions": [condition]]])
        } catch {
            logger.debug("telling why \(pod.namespace)/\(pod.name) waits: \(error)")
        }
    }

    private func report(_ pod: Pod, type: String, reason: String, action: String, _ message: String) async {
        let now = MicroTime.now()
        let suffix = String(UInt64(bitPattern: now.time.seconds &* 1_000_000_000 &+ Int64(now.time.nanoseconds)), radix: 16)
        let event: JSON = [
            "apiVersion": "v1", "kind": "Event",
            "metadata": ["name": .string("\(pod.name).\(suffix)"), "namespace": .string(pod.namespace)],
            "involvedObject": [
                "apiVersion": "v1", "kind": "Pod", "name": .string(pod.name), "namespace": .string(pod.namespace), "uid": .string(pod.uid),
                "resourceVersion": .string(pod.metadata.resourceVersion ?? ""),
            ],
            "type": .string(type), "reason": .string(reason), "message": .string(message), "action": .string(action),
            "eventTime": .string(now.description), "firstTimestamp": nil, "lastTimestamp": nil, "source": [:],
            "reportingComponent": .string(name), "reportingInstance": .string(name),
        ]
        do {
            _ = try await client.create(Event.resource, namespace: pod.namespace, event)
        } catch {
            logger.debug("recording an event of \(pod.namespace)/\(pod.name): \(error)")
        }
    }
}
