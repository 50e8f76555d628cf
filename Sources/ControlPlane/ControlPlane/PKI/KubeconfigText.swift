import FoundationEssentials

/// A kubeconfig with one cluster, one user and one context, everything inline.
enum KubeconfigText {
    static func make(server: String, authority: String, user: String, certificate: String, key: String) -> String {
        func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
        return """
            apiVersion: v1
            kind: Config
            clusters:
            - name: swiftlet
              cluster:
                server: \(server)
                certificate-authority-data: \(base64(authority))
            users:
            - name: \(user)
              user:
                client-certificate-data: \(base64(certificate))
                client-key-data: \(base64(key))
            contexts:
            - name: \(user)@swiftlet
              context:
                cluster: swiftlet
                user: \(user)
            current-context: \(user)@swiftlet

            """
    }
}
