import ClusterTrust
import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Signs `cluster-info` with every bootstrap token, so that who has a token can tell that it is the cluster's.
struct BootstrapSigner: Controller {
    static let namespace = "kube-public"
    static let name = "cluster-info"
    static let kubeconfigKey = "kubeconfig"
    static let signaturePrefix = "jws-kubeconfig-"

    let client: KubeClient
    let clock: ControllerClock
    let logger: Logger

    func run() async {
        let secrets = BootstrapTokens.informer(client, logger)
        let maps = Informer<ConfigMap>(client, namespace: Self.namespace, options: .init(fieldSelector: "metadata.name=\(Self.name)"), logger: logger)
        // One thing to sign, so one key.
        let queue = RetryingQueue<String>(clock: clock, logger: logger)
        let sources = [ChangeSource(secrets) { _ in queue.add(Self.name) }, ChangeSource(maps) { _ in queue.add(Self.name) }]
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await secrets.run() }
            group.addTask { await maps.run() }
            group.addTask { await Following.run(sources) { await queue.run { _ in try await sign(maps, secrets) } } }
        }
    }

    private func sign(_ maps: Informer<ConfigMap>, _ secrets: Informer<Secret>) async throws -> WorkResult {
        guard let map = maps.object(namespace: Self.namespace, name: Self.name) else { return .done }
        let tokens = secrets.objects.filter { $0.metadata.deletionTimestamp == nil }.compactMap { BootstrapTokenSecret(secret: $0.json) }
        let now = clock.now()
        if let patch = Self.correction(map, tokens, now: now) {
            try await ignoringNotFound { _ = try await client.patch(ConfigMap.resource, namespace: Self.namespace, name: Self.name, patch) }
        }
        // The signature of a token goes when the token expires.
        let next = tokens.filter { $0.signs && !$0.isExpired(at: now) }.compactMap(\.expiration).min()
        return .at(next.map { $0 - now })
    }

    /// What sets the signatures right; nil if they are.
    static func correction(_ map: ConfigMap, _ tokens: [BootstrapTokenSecret], now: Time) -> JSON? {
        var wanted: [String: String] = [:]
        if let content = map.data[kubeconfigKey], !content.isEmpty {
            for token in tokens where token.signs && !token.isExpired(at: now) {
                wanted[signaturePrefix + token.token.id] = DetachedSignature.make(content, token.token)
            }
        }
        var data = JSONObject()
        for (key, value) in wanted.sorted(by: { $0.key < $1.key }) where map.data[key] != value { data[key] = .string(value) }
        for key in map.data.keys.sorted() where key.hasPrefix(signaturePrefix) && wanted[key] == nil { data[key] = .some(.null) }
        return data.isEmpty ? .none : .some(["metadata": MergePatch.condition(map), "data": .object(data)])
    }
}
