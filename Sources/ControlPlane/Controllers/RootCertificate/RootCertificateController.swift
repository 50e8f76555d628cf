import JSONTree
import KubeClient
import KubeTypes
import Logging

/// Every namespace has a ConfigMap `kube-root-ca.crt` with the certificate that pods know the API server by.
struct RootCertificateController: Controller {
    let client: KubeClient
    /// PEM.
    let certificate: String
    let logger: Logger

    static let name = "kube-root-ca.crt"

    func run() async {
        let namespaces = Informer<Namespace>(client, logger: logger)
        let maps = Informer<ConfigMap>(client, options: .init(fieldSelector: "metadata.name=\(Self.name)"), logger: logger)
        let queue = RetryingQueue(backoff: .init()) { try await ensure($0, namespaces) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await namespaces.run() }
            group.addTask { await maps.run() }
            group.addTask {
                await withTaskGroup(of: Void.self) { work in
                    for await change in maps.changes() {
                        // Added and right is what most are: only a deletion or another content is work.
                        guard let map = change.object, change.isDeletion || map.data != ["ca.crt": certificate] else { continue }
                        work.addTask { await queue.work(map.namespace) }
                    }
                }
            }
            for await change in namespaces.changes() {
                guard case .added(let namespace) = change else { continue }
                group.addTask { await queue.work(namespace.name) }
            }
        }
    }

    private func ensure(_ name: String, _ namespaces: Informer<Namespace>) async throws -> Bool {
        guard let namespace = namespaces.object(name: name), namespace.metadata.deletionTimestamp == nil else { return true }
        let data: JSON = .object(["ca.crt": .string(certificate)])
        do {
            let found = try await client.get(ConfigMap.resource, namespace: name, name: Self.name)
            if found["data"] == data, found["binaryData"] == nil { return true }
            // PUT, not a patch: what does not belong there goes.
            _ = try await client.update(ConfigMap.resource, namespace: name, name: Self.name, object(name, data))
        } catch let error as KubeError where error.isNotFound {
            do {
                _ = try await client.create(ConfigMap.resource, namespace: name, object(name, data))
            } catch let error as KubeError where error.isNotFound || error.reason == .forbidden {
                return true  // the namespace is on its way out
            }
        }
        return true
    }

    private func object(_ namespace: String, _ data: JSON) -> JSON {
        [
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": [
                "name": .string(Self.name), "namespace": .string(namespace),
                "annotations": .object(["kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."]),
            ],
            "data": data,
        ]
    }
}

extension Informer.Change {
    var isDeletion: Bool {
        if case .deleted = self { true } else { false }
    }
}
