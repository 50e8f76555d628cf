import Foundation
import Testing

/// kubectl's commands around a Deployment, as users type them.
@Suite(.serialized, .timeLimit(.minutes(8)))
struct DeploymentTests {
    @Test("create, expose, scale, set image, rollout history, undo, restart and status")
    func rollout() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            #expect(try await cluster.kube("create", "deployment", "web", "--image=busybox", "--replicas=2", "--", "sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.1; done")
                == "deployment.apps/web created\n")
            #expect(try await cluster.kube("rollout", "status", "deployment/web", "--timeout=60s").contains("deployment \"web\" successfully rolled out"))
            let row = try await cluster.kube("get", "deployment", "web", "--no-headers").split(separator: " ").map(String.init)
            #expect(row.prefix(4) == ["web", "2/2", "2", "2"])
            #expect(try await cluster.kube("expose", "deployment", "web", "--port=80") == "service/web exposed\n")
            #expect(try await cluster.kube("scale", "deployment/web", "--replicas=3") == "deployment.apps/web scaled\n")
            try await cluster.kube("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web", "--timeout=60s")
            #expect(try await cluster.kube("set", "image", "deployment/web", "busybox=busybox:1.35") == "deployment.apps/web image updated\n")
            try await cluster.kube("rollout", "status", "deployment/web", "--timeout=90s")
            #expect(try await cluster.kube("rollout", "history", "deployment/web").split(separator: "\n").suffix(2).map { $0.prefix(1) } == ["1", "2"])
            #expect(try await cluster.kube("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n")
            try await cluster.kube("rollout", "status", "deployment/web", "--timeout=90s")
            #expect(try await cluster.kube("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}") == "busybox")
            #expect(try await cluster.kube("rollout", "restart", "deployment/web") == "deployment.apps/web restarted\n")
            try await cluster.kube("rollout", "status", "deployment/web", "--timeout=90s")
            let sets = try await cluster.kube("get", "replicasets", "-l", "app=web", "-o", "jsonpath={.items[*].spec.replicas}")
            #expect(sets.split(separator: " ").sorted() == ["0", "0", "3"], "going back uses the set that is there")
            let described = try await cluster.kube("describe", "deployment", "web")
            for expected in ["StrategyType:           RollingUpdate", "25% max unavailable, 25% max surge", "NewReplicaSetAvailable", "MinimumReplicasAvailable", "Scaled up replica set web-"] {
                #expect(described.contains(expected), "\(expected) is missing in:\n\(described)")
            }
            #expect(try await cluster.kube("delete", "deployment", "web", "--cascade=foreground", "--timeout=60s").contains("deleted"))
            #expect(try await cluster.kube("get", "pods,replicasets", "-l", "app=web", "-o", "name").isEmpty)
        }
    }

    @Test("patch, apply with pruning, server-side apply with its conflicts, diff, dry run")
    func changes() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            func manifest(_ image: String, replicas: Int, more: String = "") -> String {
                """
                apiVersion: apps/v1
                kind: Deployment
                metadata: {name: app, labels: {app: app}}
                spec:
                  replicas: \(replicas)
                  selector: {matchLabels: {app: app}}
                  template:
                    metadata: {labels: {app: app}}
                    spec:
                      terminationGracePeriodSeconds: 0
                      containers:
                      - name: main
                        image: \(image)
                        command: [sleep, infinity]
                \(more)
                """
            }
            func field(_ path: String) async throws -> String { try await cluster.kube("get", "deployment", "app", "-o", "jsonpath={\(path)}") }
            _ = try await cluster.apply(manifest("busybox", replicas: 0, more: "        env: [{name: A, value: \"1\"}, {name: B, value: \"2\"}]"))
            _ = try await cluster.apply(manifest("busybox", replicas: 0, more: "        env: [{name: B, value: \"3\"}]"))
            #expect(try await field(".spec.template.spec.containers[0].env") == #"[{"name":"B","value":"3"}]"#, "fields removed from the manifest are pruned")
            #expect(try await cluster.kube("patch", "deployment", "app", "-p", #"{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"busybox"}]}}}}"#)
                == "deployment.apps/app patched\n")
            #expect(try await field(".spec.template.spec.containers[*].name").split(separator: " ").sorted() == ["main", "side"], "lists merge by name")
            #expect(try await cluster.kube("label", "deployment", "app", "tier=front").contains("labeled"))
            #expect(try await cluster.kube("annotate", "deployment", "app", "note=hello").contains("annotated"))
            let path = cluster.directory + "/app.yaml"
            try manifest("busybox", replicas: 0).write(toFile: path, atomically: true, encoding: .utf8)
            let server = try await cluster.kubectl("apply", "--server-side", "--field-manager=team", "-f", path)
            #expect(server.status != 0 || server.out.contains("serverside-applied"), "\(server)")
            try await cluster.kube("apply", "--server-side", "--force-conflicts", "--field-manager=team", "-f", path)
            try manifest("busybox", replicas: 1).write(toFile: path, atomically: true, encoding: .utf8)
            let conflict = try await cluster.kubectl("apply", "--server-side", "--field-manager=other", "-f", path)
            #expect(conflict.status != 0)
            #expect(conflict.error.contains("Apply failed with 1 conflict: conflict with \"team\": .spec.replicas"), "\(conflict)")
            let difference = try await cluster.kubectl("diff", "-f", path)
            #expect(difference.status == 1 && difference.out.contains("+  replicas: 1"), "\(difference)")
            #expect(try await cluster.kube("apply", "--dry-run=server", "-f", path).contains("(server dry run)"))
            #expect(try await field(".spec.replicas") == "0", "a dry run changes nothing")
            #expect(try await cluster.kube("create", "namespace", "x", "--dry-run=client", "-o", "yaml").contains("kind: Namespace"))
            let edited = try await cluster.succeed(["env", "KUBE_EDITOR=sed -i s/replicas:.*/replicas:\\ 2/", "kubectl", "edit", "deployment", "app"])
            #expect(edited.out.contains("deployment.apps/app edited"))
            #expect(try await field(".spec.replicas") == "2")
            #expect(try await cluster.kube("get", "deployments", "-o", "custom-columns=NAME:.metadata.name,N:.spec.replicas", "--no-headers").split(separator: " ").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) } == ["app", "2"])
        }
    }

    @Test("explain has text for the fields, auth can-i answers, what is wrong is refused in Kubernetes' words")
    func words() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            for (path, expected) in [("pod.spec.containers.image", "FIELD: image"), ("deployment.spec.strategy", "KIND:       Deployment"), ("service.spec.ports", "FIELDS:")] {
                let text = try await cluster.kube("explain", path)
                #expect(text.contains(expected), "\(text)")
                #expect(!text.contains("<empty>"), "\(path) has no description:\n\(text)")
            }
            #expect(try await cluster.kube("auth", "can-i", "create", "deployments").trimmingCharacters(in: .whitespacesAndNewlines) == "yes")
            let nobody = try await cluster.kubectl("auth", "can-i", "list", "secrets", "--as=jane")
            #expect(nobody.out.trimmingCharacters(in: .whitespacesAndNewlines) == "no" && nobody.status == 1, "\(nobody)")
            let forbidden = try await cluster.kubectl("get", "pods", "--as=jane")
            #expect(forbidden.error.contains(#"pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default""#), "\(forbidden)")
            try await cluster.kube("create", "role", "reader", "--verb=list", "--resource=pods")
            try await cluster.kube("create", "rolebinding", "jane", "--role=reader", "--user=jane")
            _ = try await eventually("the binding lets her", within: 10) { try await cluster.kubectl("get", "pods", "--as=jane").status == 0 ? true : nil }
            let mismatch = try await cluster.apply("""
                apiVersion: apps/v1
                kind: Deployment
                metadata: {name: wrong}
                spec:
                  selector: {matchLabels: {app: a}}
                  template:
                    metadata: {labels: {app: b}}
                    spec: {containers: [{name: main, image: busybox}]}
                """)
            #expect(mismatch.error.contains("`selector` does not match template `labels`"), "\(mismatch)")
            let port = try await cluster.kubectl("create", "service", "nodeport", "high", "--tcp=80", "--node-port=99")
            #expect(port.error.contains("provided port is not in the valid range. The range of valid ports is 30000-32767"), "\(port)")
            try await cluster.kube("create", "service", "clusterip", "first", "--tcp=80", "--clusterip=10.96.7.7")
            let taken = try await cluster.kubectl("create", "service", "clusterip", "second", "--tcp=80", "--clusterip=10.96.7.7")
            #expect(taken.error.contains("provided IP is already allocated"), "\(taken)")
        }
    }

    @Test("a pod calls the API with the token that is mounted in it")
    func token() async throws {
        try await KubectlTests.withCluster(["python3"]) { cluster, _ in
            try await cluster.kube("create", "clusterrolebinding", "viewers", "--clusterrole=view", "--serviceaccount=default:default")
            _ = try await cluster.apply(KubectlTests.pod("caller", image: "python3", command: """
                python3 -c '
                import ssl, urllib.request, os
                home = "/var/run/secrets/kubernetes.io/serviceaccount/"
                url = "https://kubernetes.default.svc:" + os.environ["KUBERNETES_SERVICE_PORT"] + "/api/v1/namespaces/" + open(home + "namespace").read() + "/pods/caller"
                request = urllib.request.Request(url, headers={"Authorization": "Bearer " + open(home + "token").read()})
                print(urllib.request.urlopen(request, context=ssl.create_default_context(cafile=home + "ca.crt")).status)
                '
                """, restart: "Never"))
            _ = try await eventually("the pod has asked") { try await cluster.kube("get", "pod", "caller", "-o", "jsonpath={.status.phase}") == "Succeeded" ? true : nil }
            #expect(try await cluster.kube("logs", "caller") == "200\n")
        }
    }
}
