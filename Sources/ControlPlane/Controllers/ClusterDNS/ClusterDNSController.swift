import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Keeps the `kube-dns` Service and its slices. A Service of that name with a selector is somebody's own DNS: it is left alone.
struct ClusterDNSController: Controller {
    let client: KubeClient
    let informers: SharedInformers
    let configuration: ClusterDNSService
    let clock: ControllerClock
    let logger: Logger

    func run() async {
        // One thing to look after, so one key.
        let queue = RetryingQueue<String>(clock: clock, logger: logger)
        queue.add(ClusterDNSService.name)
        let sources = [
            ChangeSource(informers.nodes) { if Self.matters($0) { queue.add(ClusterDNSService.name) } },
            ChangeSource(informers.services) { if $0.object.map(Self.isOurs) == true { queue.add(ClusterDNSService.name) } },
            ChangeSource(informers.endpointSlices) { if $0.object.map(Self.isOurs) == true { queue.add(ClusterDNSService.name) } },
        ]
        await Following.run(sources) { await queue.run { _ in try await reconcile() } }
    }

    /// Heartbeats change nothing here.
    private static func matters(_ change: Informer<Node>.Change) -> Bool {
        guard case .modified(let node, let previous) = change else { return true }
        func ready(_ node: Node) -> Bool { node.status.conditions.contains { $0.type == "Ready" && $0.status == "True" } }
        return ready(node) != ready(previous) || node.status.addresses != previous.status.addresses
            || (node.metadata.deletionTimestamp == nil) != (previous.metadata.deletionTimestamp == nil)
    }

    private static func isOurs(_ service: Service) -> Bool { service.namespace == ClusterDNSService.namespace && service.name == ClusterDNSService.name }

    private static func isOurs(_ slice: EndpointSlice) -> Bool {
        slice.namespace == ClusterDNSService.namespace && slice.metadata.labels["endpointslice.kubernetes.io/managed-by"] == ClusterDNSService.manager
    }

    private func reconcile() async throws -> WorkResult {
        let service = informers.services.object(namespace: ClusterDNSService.namespace, name: ClusterDNSService.name)
        if service == nil {
            do { _ = try await client.create(Service.resource, namespace: ClusterDNSService.namespace, configuration.service) } catch let error as KubeError where error.isAlreadyExists {
                return .retry  // The copy lags behind: look again.
            }
        }
        let isForeign = service?.spec.selector.isEmpty == false
        let existing = informers.endpointSlices.objects.filter(Self.isOurs)
        for change in configuration.changes(from: existing, to: isForeign ? [] : informers.nodes.objects) { try await carryOut(change) }
        return .done
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
