import KubeAPI
import KubeClient
import Testing

@Suite struct KubeconfigTests {
    static func yaml(cluster: String = "server: https://127.0.0.1:6443/", user: String = "token: secret") -> String {
        """
        apiVersion: v1
        kind: Config
        clusters:
        - name: other
          cluster: {server: https://other}
        - name: here
          cluster:
            certificate-authority-data: \(Base64.encode(Array("AUTHORITY".utf8)))
            \(cluster)
        users:
        - name: me
          user:
            \(user)
        contexts:
        - name: me@here
          context: {cluster: here, user: me, namespace: apps}
        current-context: me@here
        """
    }

    @Test func readsInlineData() throws {
        let user = "{client-certificate-data: \(Base64.encode(Array("CERT".utf8))), client-key-data: \(Base64.encode(Array("KEY".utf8)))}"
        let configuration = try Kubeconfig(yaml: Self.yaml(user: user))
        #expect(configuration == Kubeconfig(
            server: "https://127.0.0.1:6443", authority: "AUTHORITY", clientCertificate: "CERT", clientKey: "KEY", namespace: "apps"))
    }

    @Test func readsToken() throws {
        #expect(try Kubeconfig(yaml: Self.yaml()).token == "secret")
    }

    @Test(arguments: [
        (KubeconfigTests.yaml(cluster: "server: http://plain"), "https://"),
        (KubeconfigTests.yaml(cluster: "server: https://a\n    insecure-skip-tls-verify: true"), "insecure-skip-tls-verify"),
        (KubeconfigTests.yaml(user: "client-certificate-data: QQ=="), "only one of them"),
        (KubeconfigTests.yaml(user: "client-certificate-data: '!'"), "base64"),
        (KubeconfigTests.yaml(user: "exec: {command: aws}"), "exec"),
        (KubeconfigTests.yaml(user: "tokenFile: /does/not/exist"), "/does/not/exist"),
        ("[]", "mapping"),
        ("a: [", "YAML"),
        ("current-context: x", "contexts to have an entry named x"),
        ("clusters: []", "current-context"),
    ])
    func refusesWithTheReason(yaml: String, part: String) {
        let error = #expect(throws: KubeError.self) { try Kubeconfig(yaml: yaml) }
        #expect(error?.message.contains(part) == true, "\(String(describing: error))")
    }

    @Test func missingFileIsNamed() {
        let error = #expect(throws: KubeError.self) { try Kubeconfig(path: "/does/not/exist") }
        #expect(error?.message.contains("/does/not/exist") == true)
    }
}
