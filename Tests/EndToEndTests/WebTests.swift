import Foundation
import Glibc
import Testing

/// What most users do first: a Deployment behind a Service, called by name, restricted by a policy, rolled while it is used.
@Suite(.serialized, .timeLimit(.minutes(8)))
struct WebTests {
    @Test("the demo: a client calls a Deployment by its Service's name, the host by its address, and a policy keeps others out")
    func demo() async throws {
        try await KubectlTests.withCluster(["busybox", "curl", "nginx"]) { cluster, _ in
            try await cluster.kube("apply", "-f", TestCluster.root + "/examples/web.yaml")
            try await cluster.kube("rollout", "status", "deployment/web", "--timeout=90s")
            try await cluster.kube("rollout", "status", "deployment/client", "--timeout=60s")
            _ = try await eventually("the client is answered") {
                try await cluster.kube("logs", "deployment/client", "--tail=1").contains("web answers") ? true : nil
            }
            let address = try await cluster.kube("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
            #expect(address.hasPrefix("10.96."))
            #expect(try await cluster.succeed(["curl", "-sf", "--max-time", "5", "http://\(address)/"]).out.contains("Welcome to nginx!"))
            let slices = try await cluster.kube("get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", "jsonpath={.items[*].endpoints[*].addresses[0]}")
            #expect(slices.split(separator: " ").count == 3)
            // A pod that the policy does not name gets no answer, at the Service's address and at the pod's own.
            _ = try await cluster.apply(KubectlTests.pod("stranger", image: "curl", command: "exec sleep infinity"))
            try await cluster.kube("wait", "--for=condition=Ready", "pod/stranger", "--timeout=60s")
            let pod = String(slices.split(separator: " ")[0])
            for target in [address, pod] {
                let refused = try await cluster.kubectl("exec", "stranger", "--", "wget", "-q", "-T", "2", "-O", "/dev/null", "http://\(target)/")
                #expect(refused.status != 0, "the policy lets nobody but the client in: \(target)")
            }
            try await cluster.kube("delete", "networkpolicy", "web")
            _ = try await eventually("without the policy everybody is answered", within: 20) {
                try await cluster.kubectl("exec", "stranger", "--", "curl", "-sf", "--max-time", "2", "-o", "/dev/null", "http://web/").status == 0 ? true : nil
            }
            try await cluster.kube("delete", "-f", TestCluster.root + "/examples/web.yaml", "--ignore-not-found", "--timeout=60s")
            _ = try await eventually("nothing of the application is left") {
                try await cluster.kube("get", "deployments,replicasets,endpointslices", "-l", "app in (web,client)", "-o", "name").isEmpty ? true : nil
            }
        }
    }

    @Test("a roll to a new version fails no request, also while the agent and the control plane are killed")
    func rolling() async throws {
        let cluster = try await TestCluster()
        for image in ["busybox", "curl", "nginx"] { try await cluster.importImages(image) }
        var agent = try await cluster.up()
        do {
            try await cluster.kube("apply", "-f", TestCluster.root + "/examples/web.yaml")
            try await cluster.kube("delete", "networkpolicy", "web")
            try await cluster.kube("rollout", "status", "deployment/web", "--timeout=90s")
            let address = try await cluster.kube("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
            // One request after the other, each on a connection of its own, until the file is removed.
            let marker = cluster.directory + "/go-on"
            FileManager.default.createFile(atPath: marker, contents: nil)
            let caller = try cluster.start(["sh", "-c", """
                n=0; failed=0
                while [ -e \(marker) ]; do
                  n=$((n+1)); curl -sf --max-time 5 -o /dev/null http://\(address)/ || { failed=$((failed+1)); echo "request $n: exit $?"; }
                done
                echo "$n requests, $failed failed"
                """])
            try await cluster.kube("set", "env", "deployment/web", "VERSION=2")
            try await cluster.kube("rollout", "status", "deployment/web", "--timeout=120s")
            try await cluster.kube("set", "env", "deployment/web", "VERSION=3")
            _ = try await eventually("the second roll has begun") {
                try await cluster.kube("get", "deployment", "web", "-o", "jsonpath={.status.updatedReplicas}") == "1" ? true : nil
            }
            agent.signal(SIGKILL)
            _ = try await agent.wait(timeout: 10)
            agent = try await cluster.up()
            try await cluster.kube("rollout", "status", "deployment/web", "--timeout=120s")
            try FileManager.default.removeItem(atPath: marker)
            let result = try await caller.wait(timeout: 30)
            #expect(result.lines.last?.hasSuffix(" 0 failed") == true, "\(result)")
            #expect((Int(result.lines.last?.split(separator: " ").first ?? "") ?? 0) > 20, "\(result)")
        } catch {
            Issue.record("\(error)\nagent: \(agent.errorOutput.suffix(6000))")
        }
        try await cluster.remove(agent: agent)
    }

    @Test("a Service is rejected at once without endpoints, answers on its node port, and spreads connections")
    func services() async throws {
        try await KubectlTests.withCluster(["curl"]) { cluster, _ in
            _ = try await cluster.apply("""
                apiVersion: apps/v1
                kind: Deployment
                metadata: {name: names}
                spec:
                  replicas: 3
                  selector: {matchLabels: {app: names}}
                  template:
                    metadata: {labels: {app: names}}
                    spec:
                      terminationGracePeriodSeconds: 0
                      containers:
                      - name: main
                        image: curl
                        command: ["sh", "-c", "mkdir /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www"]
                        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
                """)
            try await cluster.kube("expose", "deployment", "names", "--port=80", "--target-port=8080", "--type=NodePort")
            try await cluster.kube("create", "service", "clusterip", "nobody", "--tcp=80:80")
            try await cluster.kube("rollout", "status", "deployment/names", "--timeout=60s")
            let address = try await cluster.kube("get", "service", "names", "-o", "jsonpath={.spec.clusterIP}")
            let port = try await cluster.kube("get", "service", "names", "-o", "jsonpath={.spec.ports[0].nodePort}")
            let nobody = try await cluster.kube("get", "service", "nobody", "-o", "jsonpath={.spec.clusterIP}")
            #expect(try await cluster.succeed(["curl", "-sf", "--max-time", "5", "http://192.0.2.10:\(port)/"]).out.hasPrefix("names-"))
            let refused = try await cluster.run(["curl", "-s", "--max-time", "5", "http://\(nobody)/"])
            #expect(refused.status == 7, "connection refused, at once: \(refused)")
            let answers = try await cluster.succeed(["sh", "-c", "for i in $(seq 300); do curl -sf --max-time 5 http://\(address)/; done"], timeout: 120)
            let counts = Dictionary(grouping: answers.lines, by: { $0 }).mapValues(\.count)
            #expect(counts.count == 3 && counts.values.allSatisfy { $0 > 50 }, "\(counts)")
            // From inside: by every form of the name, and a pod that reaches itself through its Service.
            let pod = try await cluster.kube("get", "pods", "-l", "app=names", "-o", "jsonpath={.items[0].metadata.name}")
            for name in ["names", "names.default", "names.default.svc.cluster.local"] {
                let answer = try await cluster.kubectl("exec", pod, "--", "curl", "-sf", "--max-time", "5", "http://\(name)/")
                #expect(answer.out.hasPrefix("names-"), "\(name): \(answer)")
            }
            try await cluster.kube("scale", "deployment", "names", "--replicas=1")
            _ = try await eventually("one pod is left") { try await cluster.kube("get", "pods", "-l", "app=names", "-o", "name").split(separator: "\n").count == 1 ? true : nil }
            let last = try await cluster.kube("get", "pods", "-l", "app=names", "-o", "jsonpath={.items[0].metadata.name}")
            #expect(try await cluster.kubectl("exec", last, "--", "curl", "-sf", "--max-time", "5", "http://names/").out == last + "\n")
            // A foreign flush is repaired.
            try await cluster.succeed(["nft", "flush", "ruleset"])
            _ = try await eventually("the rules are back", within: 20) {
                try await cluster.run(["curl", "-sf", "--max-time", "2", "http://\(address)/"]).status == 0 ? true : nil
            }
        }
    }
}
