import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Keeps the `kube-dns` Service and its slices. A Service of that name with a selector is somebody's own DNS: it is left alone.
struct ClusterDNSController: Controller {
    let client: KubeClient
    let configuration: ClusterDNSService
    let logger: Logger
    var backoff = Backoff()

    func run() async {
        let nodes = Informer<Node>(client, logger: logger, backoff: backoff)
        let namespace = ClusterDNSService.namespace
        let services = Informer<Service>(
            client, namespace: namespace, options: .init(fieldSelector: "metadata.name=\(ClusterDNSService.name)"), logger: logger, backoff: backoff)
        let slices = Informer<EndpointSlice>(
            client, namespace: namespace, options: .init(labelSelector: "endpointslice.kubernetes.io/managed-by=\(ClusterDNSService.manager)"), logger: logger,
            backoff: backoff)
        let queue = RetryingQueue(backoff: backoff) { _ in try await reconcile(nodes, services, slices) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await nodes.run() }
            group.addTask { await services.run() }
            group.addTask { await slices.run() }
            group.addTask { for await change in nodes.changes() where Self.matters(change) { await queue.work("") } }
            group.addTask { for await _ in services.changes() { await queue.work("") } }
            for await _ in slices.changes() { await queue.work("") }
        }
    }

    /// Heartbeats change nothing here.
    private static func matters(_ change: Informer<Node>.Change) -> Bool {
        guard case .modified(let node, let previous) = change else { return true }
        func ready(_ node: Node) -> Bool { node.status.conditions.contains { $0.type == "Ready" && $0.status == "True" } }
        return ready(node) != ready(previous) || node.status.addresses != previous.status.addresses
            || (node.metadata.deletionTimestamp == nil) != (previous.metadata.deletionTimestamp == nil)
    }

    /// - Returns: true when nothing is left to do.
    private func reconcile(_ nodes: Informer<Node>, _ services: Informer<Service>, _ slices: Informer<EndpointSlice>) async throws -> Bool {
        // Their next change, or their completeness, comes back here.
        guard nodes.hasSynced, services.hasSynced, slices.hasSynced else { return true }
        guard let service = services.object(namespace: ClusterDNSService.namespace, name: ClusterDNSService.name) else {
            do { _ = try await client.create(Service.resource, namespace: ClusterDNSService.namespace, configuration.service) } catch {
                logger.debug("creating the Service \(ClusterDNSService.name): \(error)")
                throw error
            }
            return true
        }
        let isForeign = !service.spec.selector.isEmpty
        for change in configuration.changes(from: slices.objects, to: isForeign ? [] : nodes.objects) {
            do { try await carryOut(change) } catch {
                logger.debug("changing the EndpointSlices of \(ClusterDNSService.name): \(error)")
                throw error
            }
        }
        return true
    }

    private func carryOut(_ change: ClusterDNSService.Change) async throws {
        let namespace = ClusterDNSService.namespace
        switch change {
        case .create(let slice):
            do { _ = try await client.create(EndpointSlice.resource, namespace: namespace, slice) } catch let error as KubeError where error.isAlreadyExists {
                // Ours, of a moment ago: the informer has not seen it yet.
            }
        case .patch(let name, let patch):
            _ = try await client.patch(EndpointSlice.resource, namespace: namespace, name: name, patch)
        case .delete(let name):
            do { _ = try await client.delete(EndpointSlice.resource, namespace: namespace, name: name) } catch let error as KubeError where error.isNotFound {}
        }
    }
}
