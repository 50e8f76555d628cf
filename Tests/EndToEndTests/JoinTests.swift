import Foundation
import Testing

/// Joining as an operator does it, over the network: tokens, discovery, certificates. kubectl, curl and openssl look on.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct JoinTests {
    private func join(_ cluster: TestCluster, _ arguments: [String], data: String, name: String) async throws -> Output {
        try await cluster.run([TestCluster.binaries + "/swiftlet"] + arguments + ["--data-dir", cluster.directory + "/" + data, "--node-name", name])
    }

    @Test("the printed command makes a node's certificate, and the cluster knows the node by it")
    func joins() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            let printed = try await cluster.swiftlet("token", "create", "--print-join-command", "--ttl", "1h", "--description", "for node-2", "--data-dir", cluster.dataDirectory)
            let words = printed.out.split(whereSeparator: \.isWhitespace).map(String.init)
            #expect(Array(words.prefix(4)) == ["swiftlet", "node", "join", "192.0.2.10:6443"], "\(printed)")
            // The pin is what openssl makes of the authority.
            let digest = try await cluster.succeed(["sh", "-c", """
                openssl x509 -pubkey -noout -in \(cluster.dataDirectory)/pki/ca.crt | openssl pkey -pubin -outform der | openssl dgst -sha256 -hex | sed 's/^.* //'
                """]).out.trimmingCharacters(in: .whitespacesAndNewlines)
            #expect(words.last == "sha256:" + digest)

            let token = try #require(words.drop { $0 != "--token" }.dropFirst().first)
            let id = String(token.prefix(6))
            let list = try await cluster.swiftlet("token", "list", "--data-dir", cluster.dataDirectory).out
            #expect(list.hasPrefix("TOKEN "))
            #expect(list.contains("\n\(token)   "))
            #expect(list.contains("authentication,signing   for node-2"))

            _ = try await eventually("cluster-info is signed") {
                try await cluster.kube("get", "configmap", "-n", "kube-public", "cluster-info", "-o", "jsonpath={.data.jws-kubeconfig-\(id)}").isEmpty ? nil : true
            }
            // Nobody sees it without an identity, and nothing else.
            func anonymous(_ path: String) async throws -> String {
                try await cluster.succeed(["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "https://192.0.2.10:6443" + path]).out
            }
            #expect(try await anonymous("/api/v1/namespaces/kube-public/configmaps/cluster-info") == "200")
            #expect(try await anonymous("/api/v1/namespaces/kube-system/configmaps/kubeadm-config") == "401")

            let joined = try await join(cluster, Array(words.dropFirst()), data: "second", name: "node-2")
            #expect(joined.status == 0, "\(joined)")
            #expect(joined.out == "This machine is the node node-2 now.\n")
            let kubeconfig = cluster.directory + "/second/pki/kubelet.kubeconfig"
            let whoami = try await cluster.succeed(["kubectl", "--kubeconfig", kubeconfig, "auth", "whoami", "-o", "jsonpath={.status.userInfo}"]).out
            #expect(whoami.contains(#""username":"system:node:node-2""#))
            #expect(whoami.contains("system:nodes"))
            let requests = try await cluster.kube("get", "csr")
            #expect(requests.split(separator: "\n").first?.split(whereSeparator: \.isWhitespace).map(String.init) == ["NAME", "AGE", "SIGNERNAME", "REQUESTOR", "REQUESTEDDURATION", "CONDITION"])
            #expect(requests.contains("kubernetes.io/kube-apiserver-client-kubelet   system:bootstrap:\(id)   <none>              Approved,Issued"), "\(requests)")

            // A node of one name is enough.
            #expect(try await join(cluster, Array(words.dropFirst()), data: "third", name: "node-1").error.contains("a Node with name \"node-1\" and status \"Ready\" already exists"))
            #expect(try await cluster.swiftlet("token", "delete", id, "--data-dir", cluster.dataDirectory).out == "bootstrap token \"\(id)\" deleted\n")
            #expect(try await cluster.swiftlet("token", "list", "--data-dir", cluster.dataDirectory).lines.count == 1)
            let late = try await join(cluster, Array(words.dropFirst()), data: "third", name: "node-3")
            #expect(late.status == 1)
            #expect(late.error.contains("is invalid for this cluster or it has expired") || late.error.contains("can't trust this API Server") || late.error.contains("Unauthorized"), "\(late)")
        }
    }

    @Test("kubectl certificate approve gives a person a certificate")
    func person() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            try await cluster.succeed(["sh", "-c", """
                cd \(cluster.directory) && openssl req -new -newkey rsa:2048 -nodes -keyout jane.key -out jane.csr -subj /O=developers/CN=jane 2>/dev/null
                """])
            let request = try Data(contentsOf: URL(fileURLWithPath: cluster.directory + "/jane.csr")).base64EncodedString()
            let applied = try await cluster.apply("""
                apiVersion: certificates.k8s.io/v1
                kind: CertificateSigningRequest
                metadata: {name: jane}
                spec:
                  request: \(request)
                  signerName: kubernetes.io/kube-apiserver-client
                  expirationSeconds: 3600
                  usages: [client auth]
                """)
            #expect(applied.status == 0, "\(applied)")
            #expect(try await cluster.kube("get", "csr", "jane", "--no-headers").contains("60m"))
            try await cluster.kube("certificate", "approve", "jane")
            _ = try await eventually("the certificate is there") {
                try await cluster.kube("get", "csr", "jane", "--no-headers").contains("Approved,Issued") ? true : nil
            }
            let subject = try await cluster.succeed(["sh", "-c", """
                cd \(cluster.directory) && kubectl get csr jane -o jsonpath={.status.certificate} | base64 -d > jane.crt \
                && openssl verify -CAfile \(cluster.dataDirectory)/pki/ca.crt jane.crt >&2 && openssl x509 -noout -subject -in jane.crt
                """]).out
            #expect(subject.contains("O = developers") && subject.contains("CN = jane"), "\(subject)")
            let answer = try await cluster.succeed(["sh", "-c", """
                cd \(cluster.directory) && curl -s --cacert \(cluster.dataDirectory)/pki/ca.crt --cert jane.crt --key jane.key https://192.0.2.10:6443/api/v1/nodes
                """]).out
            #expect(answer.contains(#"User \"jane\" cannot list resource \"nodes\""#), "\(answer)")
        }
    }
}
