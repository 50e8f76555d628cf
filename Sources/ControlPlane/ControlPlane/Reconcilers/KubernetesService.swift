import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// The Service `kubernetes` and its endpoints: where pods find the API server.
public struct KubernetesService: Sendable {
    /// The address of the Service: the first of the range.
    var serviceAddress: String
    /// Where the API server is, as pods and nodes reach it.
    var endpointAddress: String
    var endpointPort: Int

    static let namespace = "default"
    static let name = "kubernetes"
    private static let portName = "https"

    /// The first address of a range of Services; nil if the text is no range.
    public static func firstAddress(of range: String) -> String? {
        AddressRange(range).map { AddressRange.text(of: $0.address(at: 1)) }
    }

    private var isIPv6: Bool { endpointAddress.contains(":") }

    private func metadata(_ labels: JSON) -> JSON { ["name": .string(Self.name), "namespace": .string(Self.namespace), "labels": labels] }

    var service: JSON {
        [
            "apiVersion": "v1", "kind": "Service", "metadata": metadata(["component": "apiserver", "provider": "kubernetes"]),
            "spec": [
                "type": "ClusterIP", "clusterIP": .string(serviceAddress), "sessionAffinity": "None",
                "ports": [["name": .string(Self.portName), "protocol": "TCP", "port": 443, "targetPort": JSON(endpointPort)]],
            ],
        ]
    }

    var endpoints: JSON {
        [
            "apiVersion": "v1", "kind": "Endpoints", "metadata": metadata(["endpointslice.kubernetes.io/skip-mirror": "true"]),
            "subsets": [[
                "addresses": [["ip": .string(endpointAddress)]],
                "ports": [["name": .string(Self.portName), "port": JSON(endpointPort), "protocol": "TCP"]],
            ]],
        ]
    }

    var slice: JSON {
        [
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata(["kubernetes.io/service-name": .string(Self.name)]),
            "addressType": isIPv6 ? "IPv6" : "IPv4", "endpoints": [["addresses": [.string(endpointAddress)], "conditions": ["ready": true]]],
            "ports": [["name": .string(Self.portName), "port": JSON(endpointPort), "protocol": "TCP"]],
        ]
    }

    // MARK: decisions

    enum Action: Equatable {
        case create, nothing
        /// A merge patch.
        case patch(JSON)
        /// What differs cannot be changed in place.
        case replace
    }

    /// What brings an object to what it should be. Fields that the server or others set, and that nothing is said about, stay.
    static func action(found: JSON?, desired: JSON) -> Action {
        guard let found else { return .create }
        for fixed in [["spec", "clusterIP"], ["addressType"]] {
            if let value = value(desired, fixed), value != Self.value(found, fixed) { return .replace }
        }
        var patch = JSONObject()
        for (key, value) in desired.object ?? [:] where !["apiVersion", "kind"].contains(key) {
            if let change = difference(value, found[key]) { patch[key] = change }
        }
        return patch.isEmpty ? .nothing : .patch(.object(patch))
    }

    private static func value(_ object: JSON, _ path: [String]) -> JSON? {
        path.reduce(Optional(object)) { $0?[$1] }
    }

    private static func difference(_ desired: JSON, _ found: JSON?) -> JSON? {
        // Not `? nil : …`: between JSON values that nil would be JSON's null, and a patch with null removes.
        guard let members = desired.object else {
            if covers(found, desired) { return nil }
            return desired
        }
        var change = JSONObject()
        for (key, value) in members { if let part = difference(value, found?[key]) { change[key] = part } }
        if change.isEmpty { return nil }
        return .object(change)
    }

    /// Whether everything that is desired is there; lists have to be as long.
    private static func covers(_ found: JSON?, _ desired: JSON) -> Bool {
        guard let found else { return false }
        switch (desired, found) {
        case (.object(let members), .object): return members.allSatisfy { covers(found[$0.key], $0.value) }
        case (.array(let wanted), .array(let elements)): return wanted.count == elements.count && zip(wanted, elements).allSatisfy { covers($1, $0) }
        default: return desired == found
        }
    }
}

/// Keeps the Service `kubernetes` in place, whoever changes or deletes it.
struct KubernetesServiceReconciler: Sendable {
    let client: KubeClient
    let service: KubernetesService
    let logger: Logger
    var backoff = Backoff()

    /// Runs until cancelled.
    func run() async {
        let (signals, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        await withTaskGroup(of: Void.self) { group in
            follow(Service.self, &group, signal)
            follow(Endpoints.self, &group, signal)
            follow(EndpointSlice.self, &group, signal)
            signal.yield()
            var failures = 0
            for await _ in signals {
                do {
                    try await reconcile()
                    failures = 0
                } catch {
                    failures += 1
                    logger.warning("cannot keep the Service kubernetes in place: \(error)")
                    guard (try? await backoff.pause(failures)) != nil else { break }  // Only cancellation ends a pause early.
                    signal.yield()
                }
            }
            group.cancelAll()
        }
    }

    private func follow<Object: KubeObject>(_ type: Object.Type, _ group: inout TaskGroup<Void>, _ signal: AsyncStream<Void>.Continuation) {
        let informer = Informer<Object>(
            client, namespace: KubernetesService.namespace, options: ListOptions(fieldSelector: "metadata.name=\(KubernetesService.name)"), logger: logger)
        let changes = informer.changes()
        group.addTask { await informer.run() }
        group.addTask { for await _ in changes { signal.yield() } }
    }

    func reconcile() async throws {
        try await reconcile(Service.resource, service.service)
        try await reconcile(Endpoints.resource, service.endpoints)
        try await reconcile(EndpointSlice.resource, service.slice)
    }

    private func reconcile(_ resource: ResourceReference, _ desired: JSON) async throws {
        let (namespace, name) = (KubernetesService.namespace, KubernetesService.name)
        var found: JSON?
        do { found = try await client.get(resource, namespace: namespace, name: name) } catch let error as KubeError where error.isNotFound {}
        switch KubernetesService.action(found: found, desired: desired) {
        case .nothing: return
        case .create: _ = try await client.create(resource, namespace: namespace, desired)
        case .patch(let patch): _ = try await client.patch(resource, namespace: namespace, name: name, patch)
        case .replace:
            _ = try await client.delete(resource, namespace: namespace, name: name)
            _ = try await client.create(resource, namespace: namespace, desired)
        }
    }
}
