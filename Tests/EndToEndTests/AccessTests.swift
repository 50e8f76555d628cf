import Foundation
import Testing

/// Rights, service accounts and their tokens, as kubectl and a pod see them.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct AccessTests {
    @Test("kubectl tells who I am, what I may do, and grants it")
    func kubectlAuth() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            #expect(try await cluster.kube("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}") == "kubernetes-admin")
            let account = "system:serviceaccount:default:reader"
            func may(_ verb: String, _ resource: String) async throws -> String {
                try await cluster.kubectl("auth", "can-i", verb, resource, "--as", account).out.trimmingCharacters(in: .whitespacesAndNewlines)
            }
            try await cluster.kube("create", "serviceaccount", "reader")
            #expect(try await may("list", "pods") == "no")
            let denied = try await cluster.kubectl("get", "pods", "--as", account)
            #expect(denied.error.contains(#"pods is forbidden: User "\#(account)" cannot list resource "pods" in API group "" in the namespace "default""#))
            try await cluster.kube("create", "rolebinding", "reader", "--clusterrole=view", "--serviceaccount=default:reader")
            #expect(try await may("list", "pods") == "yes")
            #expect(try await may("list", "secrets") == "no")
            #expect(try await cluster.kube("auth", "can-i", "--list", "--as", account).contains("configmaps"))
            // A token is the account: curl with nothing but it.
            let token = try await cluster.kube("create", "token", "reader").trimmingCharacters(in: .whitespacesAndNewlines)
            let authority = cluster.dataDirectory + "/pki/ca.crt"
            func code(_ path: String) async throws -> String {
                try await cluster.succeed([
                    "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", authority, "-H", "Authorization: Bearer \(token)", "https://192.0.2.10:6443" + path,
                ]).out
            }
            #expect(try await code("/api/v1/namespaces/default/pods") == "200")
            #expect(try await code("/api/v1/namespaces/default/secrets") == "403")
            #expect(try await code("/openid/v1/jwks") == "200")
        }
    }

    @Test("a pod finds its token, the certificate and its namespace, and the API server's address")
    func tokenInPod() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            #expect(try await cluster.kube("get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}") == "10.96.0.1")
            #expect(try await cluster.kube("get", "endpointslices", "kubernetes", "-o", "jsonpath={.endpoints[0].addresses[0]}") == "192.0.2.10")
            try await cluster.apply("""
                apiVersion: v1
                kind: Pod
                metadata: {name: p}
                spec:
                  containers:
                  - name: main
                    image: busybox
                    imagePullPolicy: Never
                    command: [sleep, infinity]
                """)
            try await cluster.kube("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
            let directory = "/var/run/secrets/kubernetes.io/serviceaccount"
            #expect(try await cluster.kube("exec", "p", "--", "cat", directory + "/namespace") == "default")
            let certificate = try String(contentsOfFile: cluster.dataDirectory + "/pki/ca.crt", encoding: .utf8)
            #expect(try await cluster.kube("exec", "p", "--", "cat", directory + "/ca.crt") == certificate)
            let environment = try await cluster.kube("exec", "p", "--", "env")
            #expect(environment.contains("KUBERNETES_SERVICE_HOST=10.96.0.1\n"))
            #expect(environment.contains("KUBERNETES_SERVICE_PORT_HTTPS=443\n"))
            #expect(try await cluster.kubectl("exec", "p", "--", "touch", directory + "/token").status != 0, "read-only")
            let token = try await cluster.kube("exec", "p", "--", "cat", directory + "/token")
            let user = try await cluster.succeed(["kubectl", "auth", "whoami", "--token", token, "--kubeconfig", "/dev/null", "--server", "https://192.0.2.10:6443",
                                                  "--certificate-authority", cluster.dataDirectory + "/pki/ca.crt", "-o", "jsonpath={.status.userInfo}"]).out
            #expect(user.contains("system:serviceaccount:default:default"))
            #expect(user.contains(#""authentication.kubernetes.io/pod-name":["p"]"#))
            try await cluster.kube("delete", "pod", "p", "--now")
            let after = try await cluster.run(["kubectl", "get", "--raw", "/api", "--token", token, "--kubeconfig", "/dev/null", "--server", "https://192.0.2.10:6443",
                                               "--certificate-authority", cluster.dataDirectory + "/pki/ca.crt"])
            #expect(after.status != 0, "the token ends with its pod")
        }
    }
}
