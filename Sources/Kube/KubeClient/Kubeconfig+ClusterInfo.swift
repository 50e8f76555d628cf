import KubeAPI
import Yams

extension Kubeconfig {
    /// Reads the kubeconfig of the ConfigMap `cluster-info`: one cluster, nobody's.
    /// - Throws: `KubeError` with `badRequest`.
    public init(clusterInfo yaml: String) throws(KubeError) {
        func invalid(_ message: String, _ cause: (any Error)? = nil) -> KubeError { KubeError(reason: .badRequest, message: message, cause: cause) }
        let root: Node?
        do { root = try Yams.compose(yaml: yaml) } catch { throw invalid("expected YAML in the kubeconfig of cluster-info", error) }
        let clusters = root?["clusters"]?.sequence.map { Array($0) } ?? []
        guard clusters.count == 1, let cluster = clusters[0]["cluster"] else {
            throw invalid("expected the kubeconfig file in the cluster-info ConfigMap to have a single cluster, but it had \(clusters.count)")
        }
        guard let server = cluster["server"]?.string, server.hasPrefix("https://") else {
            throw invalid("expected the server in cluster-info to begin with https://, found '\(cluster["server"]?.string ?? "")'")
        }
        guard let data = cluster["certificate-authority-data"]?.string, let bytes = try? Base64.decode(data), !bytes.isEmpty else {
            throw invalid("expected certificate-authority-data in cluster-info, found none")
        }
        self.init(server: server.hasSuffix("/") ? String(server.dropLast()) : server, authority: String(decoding: bytes, as: UTF8.self))
    }
}

extension Kubeconfig {
    /// The text of a kubeconfig of this one cluster and user, everything inline.
    public func yaml(user: String) -> String {
        func base64(_ text: String) -> String { Base64.encode(Array(text.utf8)) }
        var credentials = ""
        if let clientCertificate, let clientKey {
            credentials += "    client-certificate-data: \(base64(clientCertificate))\n    client-key-data: \(base64(clientKey))\n"
        }
        if let token { credentials += "    token: \(token)\n" }
        return """
            apiVersion: v1
            kind: Config
            clusters:
            - name: kubernetes
              cluster:
                server: \(server)
                certificate-authority-data: \(base64(authority))
            users:
            - name: \(user)
              user:\(credentials.isEmpty ? " {}\n" : "\n" + credentials)contexts:
            - name: \(user)@kubernetes
              context:
                cluster: kubernetes
                user: \(user)
            current-context: \(user)@kubernetes

            """
    }
}
