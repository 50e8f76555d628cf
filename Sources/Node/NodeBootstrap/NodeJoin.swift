public import ClusterTrust
public import KubeClient
public import Logging
import KubeAPI
import KubeTypes
import LinuxSystem

/// Makes this machine a node of a cluster, by kubeadm's protocol: discovery, then a certificate for the node's name.
///
/// What is in the directory afterwards is what the agent starts with: `ca.crt`, `kubelet-client.crt` and `.key`, and, last,
/// `kubelet.kubeconfig`. A try that ended half-way is taken up by the next one with the same key.
public struct NodeJoin: Sendable {
    /// What the operator says.
    public struct Configuration: Sendable {
        /// `host:port`, with or without `https://`.
        public var server: String
        public var token: BootstrapToken
        public var pins: [PublicKeyPin]
        public var nodeName: String
        /// Where the files go; made if it is missing.
        public var directory: String

        public init(server: String, token: BootstrapToken, pins: [PublicKeyPin], nodeName: String, directory: String) {
            (self.server, self.token, self.pins, self.nodeName, self.directory) = (server, token, pins, nodeName, directory)
        }
    }

    private let configuration: Configuration
    private let connections: any JoinConnections
    private let logger: Logger

    public init(_ configuration: Configuration, connections: any JoinConnections = NetworkConnections(), logger: Logger) {
        (self.configuration, self.connections, self.logger) = (configuration, connections, logger)
    }

    public static let clientUsages = ["digital signature", "client auth"]

    /// - Returns: how the node reaches its cluster, as the node.
    /// - Throws: ``NodeBootstrapError`` with one line that says what to do; `KubeError`, `SystemError`, `CancellationError`.
    public func run() async throws -> Kubeconfig {
        let path = configuration.directory + "/kubelet.kubeconfig"
        guard !Files.exists(path) else {
            throw NodeBootstrapError("found \(path): this machine is a node of a cluster already; take it out with 'swiftlet reset' first")
        }
        let cluster = try await Discovery(token: configuration.token, pins: configuration.pins, connections: connections).run(server: url)
        logger.info("found the cluster at \(cluster.server)")
        try Files.makeDirectories(configuration.directory, mode: 0o700)
        let key = try key()
        let name = KubernetesSigner.nodePrefix + configuration.nodeName
        let request = try key.request(commonName: name, organizations: [KubernetesSigner.nodeGroup])
        var joining = cluster
        joining.token = configuration.token.description
        let nodeName = configuration.nodeName
        let certificate = try await connections.verified(joining) { [logger] client in
            try await Self.refuseTakenName(nodeName, client)
            return try await CertificateExchange(client: client, logger: logger).certificate(
                key: key, request: request, signer: .kubeletClient, usages: Self.clientUsages)
        }
        var own = cluster
        (own.clientCertificate, own.clientKey) = (certificate, key.pem)
        try write(cluster.authority, "ca.crt", mode: 0o644)
        try write(certificate, "kubelet-client.crt", mode: 0o644)
        try write(own.yaml(user: name), "kubelet.kubeconfig", mode: 0o600)
        logger.info("the node \(nodeName) has its certificate")
        return own
    }

    private var url: String { configuration.server.hasPrefix("https://") ? configuration.server : "https://" + configuration.server }

    /// Two nodes of one name would take each other's pods.
    private static func refuseTakenName(_ name: String, _ client: KubeClient) async throws {
        do {
            let node = try await client.get(Node.self, name: name)
            guard node.status.conditions.contains(where: { $0.type == "Ready" && $0.status == "True" }) else { return }
            throw NodeBootstrapError(
                "a Node with name \"\(name)\" and status \"Ready\" already exists in the cluster. You must delete the existing Node or change the name of this new joining Node")
        } catch let error as KubeError where error.isNotFound {
            return
        }
    }

    private func key() throws -> RequestKey {
        let path = configuration.directory + "/kubelet-client.key"
        if Files.exists(path) { return try RequestKey(pem: Files.readString(path)) }
        let key = RequestKey()
        try write(key.pem, "kubelet-client.key", mode: 0o600)
        return key
    }

    private func write(_ text: String, _ name: String, mode: UInt32) throws {
        try Files.writeAtomically(Array(text.utf8), to: configuration.directory + "/" + name, mode: mode)
    }
}
