import Foundation
import Testing

/// The real kubectl against a one-node cluster with real containers.
@Suite(.privileged, .serialized, .timeLimit(.minutes(5)))
struct KubectlTests {
    /// One cluster for one test body; always removed, and proven to leave nothing.
    static func withCluster(_ images: [String] = ["busybox"], _ body: (TestCluster, Program) async throws -> Void) async throws {
        let cluster = try await TestCluster()
        for image in images { try await cluster.importImages(image) }
        let agent = try await cluster.up()
        do {
            try await body(cluster, agent)
        } catch {
            Issue.record("\(error)\nagent: \(agent.errorOutput.suffix(6000))")
        }
        try await cluster.remove(agent: agent)
    }

    @Test("the demo pod becomes Ready, its sidecar follows the log and reaches it on localhost")
    func demo() async throws {
        try await Self.withCluster(["busybox", "nginx"]) { cluster, _ in
            try await cluster.kube("apply", "-f", TestCluster.root + "/examples/pod.yaml")
            try await cluster.kube("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
            let wide = try await cluster.kube("get", "pod", "web", "-o", "wide", "--no-headers")
            let columns = wide.split(separator: " ").map(String.init)
            #expect(columns[1...3] == ["2/2", "Running", "0"])
            #expect(columns[5].hasPrefix("10.244."))
            #expect(columns[6] == "node-1")
            _ = try await eventually("the sidecar saw nginx") {
                try await cluster.kube("logs", "web", "-c", "follower").contains("nginx answers on localhost") ? true : nil
            }
            // The host reaches the pod on its routed address; the request shows up in the sidecar's log.
            try await cluster.succeed(["curl", "-sf", "-A", "from-the-host", "http://\(columns[5])/"])
            _ = try await eventually("the sidecar followed the log") {
                try await cluster.kube("logs", "web", "-c", "follower").contains("from-the-host") ? true : nil
            }
            // How wide kubectl makes its columns depends on what else it prints.
            let described = try await cluster.kube("describe", "pod", "web").split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
            for expected in ["Name: web", "Node: node-1/192.0.2.10", "Status: Running", "QoS Class: Burstable",
                             "Successfully assigned default/web to node-1", "Container ID: swiftlet://", "Container started", "Type: EmptyDir"] {
                #expect(described.contains(expected), "\(expected) is missing in:\n\(described)")
            }
        }
    }

    @Test("get, describe, apply and delete print what a Kubernetes user expects")
    func verbs() async throws {
        try await Self.withCluster { cluster, _ in
            #expect(try await cluster.kube("version").contains("Server Version: v1.36"))
            #expect(try await cluster.kube("cluster-info").contains("Kubernetes control plane"))
            #expect(try await cluster.kube("get", "nodes", "--no-headers").split(separator: " ").prefix(2) == ["node-1", "Ready"])
            let names = try await cluster.kube("get", "namespaces", "-o", "name").split(separator: "\n").sorted()
            #expect(names == ["namespace/default", "namespace/kube-node-lease", "namespace/kube-public", "namespace/kube-system"])
            let resources = try await cluster.kube("api-resources")
            let rows = resources.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            for row in [["pods", "po", "v1", "true", "Pod"], ["configmaps", "cm", "v1", "true", "ConfigMap"], ["namespaces", "ns", "v1", "false", "Namespace"],
                        ["leases", "coordination.k8s.io/v1", "true", "Lease"], ["events", "ev", "v1", "true", "Event"]] {
                #expect(rows.contains(row), "\(row) is missing in:\n\(resources)")
            }
            #expect(try await cluster.kube("create", "namespace", "team").contains("namespace/team created"))
            let manifest = """
                apiVersion: v1
                kind: ConfigMap
                metadata: {name: settings, namespace: team, labels: {tier: front}}
                data: {a: "1", b: "2"}
                """
            #expect(try await cluster.apply(manifest).out.contains("configmap/settings created"))
            #expect(try await cluster.apply(manifest).out.contains("configmap/settings unchanged"))
            #expect(try await cluster.apply(manifest.replacingOccurrences(of: "b: \"2\"", with: "c: \"3\"")).out.contains("configmap/settings configured"))
            let data = try await cluster.kube("get", "configmap", "settings", "-n", "team", "-o", "jsonpath={.data}")
            #expect(data == #"{"a":"1","c":"3"}"#)
            #expect(try await cluster.kube("get", "cm", "-A", "-l", "tier=front", "-o", "name").contains("configmap/settings"))
            #expect(try await cluster.kube("get", "cm", "-A", "-l", "tier=back").isEmpty)
            #expect(try await cluster.kube("get", "cm", "settings", "-n", "team", "-o", "yaml").contains("kind: ConfigMap"))
            #expect(try await cluster.kube("describe", "node", "node-1").contains("KubeletReady"))
            try await cluster.kube("create", "secret", "generic", "password", "--from-literal=key=value", "-n", "team")
            #expect(try await cluster.kube("get", "secrets", "-n", "team", "--no-headers").split(separator: " ").prefix(3) == ["password", "Opaque", "1"])
            let missing = try await cluster.kubectl("get", "pod", "nothing")
            #expect(missing.status == 1)
            #expect(missing.error.contains(#"Error from server (NotFound): pods "nothing" not found"#))
            #expect(try await cluster.kube("delete", "namespace", "team").contains(#"namespace "team" deleted"#))
            #expect(try await cluster.kubectl("get", "namespace", "team").status == 1)
        }
    }

    @Test("logs -f follows, exec runs commands with and without a terminal, delete ends the pod in its grace")
    func containers() async throws {
        try await Self.withCluster { cluster, _ in
            _ = try await cluster.apply(Self.pod("counter", command: "i=0; trap 'echo bye; exit 7' TERM; while true; do echo line $i; i=$((i+1)); sleep 0.1; done"))
            try await cluster.kube("wait", "--for=condition=Ready", "pod/counter", "--timeout=60s")
            let follower = try cluster.start(["kubectl", "logs", "-f", "counter"])
            _ = try await eventually("twenty lines were followed") { follower.output.contains("line 20\n") ? true : nil }
            #expect(follower.output.hasPrefix("line 0\nline 1\nline 2\n"))
            let hello = try await cluster.kubectl("exec", "counter", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
            #expect(hello.out == "out\n")
            #expect(hello.error.contains("err\n"))
            #expect(hello.error.contains("command terminated with exit code 3"))
            #expect(hello.status == 3)
            // A terminal: script(1) gives kubectl one of 100 columns, and the container sees its size.
            let terminal = try await cluster.run(["script", "-qec", "stty cols 100 rows 40; kubectl exec -it counter -- sh -c 'tty; while [ -z \"$(stty size)\" ]; do sleep 0.1; done; stty size'", "/dev/null"])
            #expect(terminal.out.contains("/dev/pts/"), "\(terminal)")
            #expect(terminal.out.contains("40 100"), "\(terminal)")
            #expect(try await cluster.kube("delete", "pod", "counter").contains(#"pod "counter" deleted"#))
            let ended = try await follower.wait(timeout: 30)
            #expect(ended.out.hasSuffix("bye\n"))
            #expect(try await cluster.kubectl("get", "pod", "counter").status == 1)
        }
    }

    @Test("a watch sees a pod come and go")
    func watch() async throws {
        try await Self.withCluster { cluster, _ in
            let watch = try cluster.start(["kubectl", "get", "pods", "-w", "--no-headers"])
            _ = try await cluster.apply(Self.pod("short", command: "echo done", restart: "Never"))
            _ = try await eventually("the watch saw the end") { watch.output.contains("Completed") ? true : nil }
            try await cluster.kube("delete", "pod", "short")
            watch.signal(SIGTERM)
            let output = try await watch.wait(timeout: 10)
            let states = output.lines.map { $0.split(separator: " ").map(String.init)[2] }
            #expect(states.first == "Pending", "\(output)")
            #expect(states.contains("ContainerCreating"), "\(output)")
            #expect(try await cluster.kubectl("get", "pods").error.contains("No resources found in default namespace."))
        }
    }

    static func pod(_ name: String, image: String = "busybox", command: String, restart: String = "Always", more: String = "") -> String {
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: \(name)}
        spec:
          restartPolicy: \(restart)
          terminationGracePeriodSeconds: 5
          containers:
          - name: main
            image: \(image)
            command: ["sh", "-c", \(String(reflecting: command))]
        \(more)
        """
    }
}
