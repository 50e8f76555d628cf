import JSONTree
import KubeClient
import KubeTypes
import Logging

/// Every namespace has a ConfigMap `kube-root-ca.crt` by which its pods know the API server; it comes back when it is deleted,
/// and is set right when it is changed.
struct RootCertificateController: Controller {
    static let name = "kube-root-ca.crt"
    static let key = "ca.crt"

    let client: KubeClient
    let informers: SharedInformers
    /// The cluster's authority, as PEM.
    let certificate: String
    let clock: ControllerClock
    let logger: Logger

    func run() async {
        let maps = Informer<ConfigMap>(client, options: .init(fieldSelector: "metadata.name=\(Self.name)"), logger: logger)
        let queue = RetryingQueue<String>(clock: clock, logger: logger)
        let sources = [
            ChangeSource(informers.namespaces) { change in
                if let namespace = change.object { queue.add(namespace.name) }
            },
            ChangeSource(maps) { change in
                if let map = change.object { queue.add(map.namespace) }
            },
        ]
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await maps.run() }
            group.addTask { await Following.run(sources) { await queue.run { try await ensure($0, maps) } } }
        }
    }

    private func ensure(_ name: String, _ maps: Informer<ConfigMap>) async throws -> WorkResult {
        guard let namespace = informers.namespaces.object(name: name), namespace.metadata.deletionTimestamp == nil else { return .done }
        do {
            if let map = maps.object(namespace: name, name: Self.name) {
                guard let patch = Self.correction(map, certificate: certificate) else { return .done }
                _ = try await client.patch(ConfigMap.resource, namespace: name, name: Self.name, patch)
            } else {
                _ = try await client.create(ConfigMap.resource, namespace: name, [
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": [
                        "name": .string(Self.name), "namespace": .string(name),
                        "annotations": ["kubernetes.io/description": "The authority whose certificates prove the identity of the API server to pods."],
                    ], "data": [Self.key: .string(certificate)],
                ])
            }
        } catch let error as KubeError where error.isNamespaceTerminating {
            return .done
        } catch let error as KubeError where error.isAlreadyExists || error.isNotFound {
            return .retry  // The copy lags behind: look again.
        }
        return .done
    }

    /// What sets a map right: the certificate and nothing else. Nil if it is right.
    static func correction(_ map: ConfigMap, certificate: String) -> JSON? {
        guard map.data != [key: certificate] else { return nil }
        var data: JSONObject = [key: .string(certificate)]
        for other in map.data.keys.sorted() where other != key { data[other] = .some(.null) }
        return ["metadata": MergePatch.condition(map), "data": .object(data)]
    }
}
