public import KubeHTTP

/// How the server reaches the nodes' agents, for logs, exec, attach and port-forward.
public struct NodeConnection: Sendable {
    /// The client's side of TLS: the authorities of the nodes' certificates, and the certificate that nodes know the API server by.
    public var tls: TLSClient?
    /// Which of a node's addresses to use, the best first.
    public var addressTypes: [String]

    public init(tls: TLSClient?, addressTypes: [String] = ["InternalIP", "Hostname", "ExternalIP"]) {
        self.tls = tls
        self.addressTypes = addressTypes
    }
}
