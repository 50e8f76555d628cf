public import ClusterTrust
public import KubeClient
import KubeTypes

/// Finds out where the cluster is and by whose certificates it is known, from a token and the pin of its authority
/// (kubeadm's token-based discovery).
///
///     cluster-info, over TLS that nobody vouches for
///       └─ signed with the token? ─ authority pinned? ─ the same over TLS that this authority vouches for? ─▶ trusted
public struct Discovery: Sendable {
    private let token: BootstrapToken
    private let pins: [PublicKeyPin]
    private let connections: any JoinConnections

    /// - Parameter pins: of the cluster's authority: one of them has to fit.
    public init(token: BootstrapToken, pins: [PublicKeyPin], connections: any JoinConnections = NetworkConnections()) {
        (self.token, self.pins, self.connections) = (token, pins, connections)
    }

    /// - Parameter server: `https://host:port`.
    /// - Returns: the cluster's server and authority, without a user.
    /// - Throws: ``NodeBootstrapError``, and `KubeError` if the server cannot be reached.
    public func run(server: String) async throws -> Kubeconfig {
        let map = try await connections.unverified(server: server) { try await Self.clusterInfo($0) }
        let trusted = try Self.judge(map.data, token, pins)
        let again = try await connections.verified(Kubeconfig(server: server, authority: trusted.authority)) { try await Self.clusterInfo($0) }
        guard again.data[Self.key] == map.data[Self.key] else {
            throw NodeBootstrapError("the second kubeconfig from the cluster-info ConfigMap (using validated TLS) was different from the first")
        }
        return trusted
    }

    private static let key = "kubeconfig"

    private static func clusterInfo(_ client: KubeClient) async throws -> ConfigMap {
        do {
            return try await client.get(ConfigMap.self, namespace: "kube-public", name: "cluster-info")
        } catch let error as KubeError where error.isNotFound || error.reason == .unauthorized || error.reason == .forbidden {
            throw NodeBootstrapError("the server shows no cluster-info to nodes that join: make a token on the control plane with 'swiftlet token create'", cause: error)
        }
    }

    /// Whether what the server says of itself can be trusted. Pure.
    static func judge(_ data: [String: String], _ token: BootstrapToken, _ pins: [PublicKeyPin]) throws -> Kubeconfig {
        guard let text = data[key], !text.isEmpty else { throw NodeBootstrapError("there is no kubeconfig key in the cluster-info ConfigMap") }
        guard let signature = data["jws-kubeconfig-" + token.id] else {
            throw NodeBootstrapError(
                "token id \"\(token.id)\" is invalid for this cluster or it has expired. Use \"swiftlet token create\" on the control plane to create a new valid token")
        }
        guard DetachedSignature.isValid(signature, of: text, token) else {
            throw NodeBootstrapError("failed to verify JWS signature of received cluster info object, can't trust this API Server: the token's secret is another one")
        }
        let cluster = try Kubeconfig(clusterInfo: text)
        let found = try PublicKeyPin(certificatePEM: cluster.authority)
        guard pins.contains(found) else {
            throw NodeBootstrapError("cluster CA found in cluster-info ConfigMap is invalid: none of the public keys \"\(found)\" are pinned")
        }
        return cluster
    }
}
