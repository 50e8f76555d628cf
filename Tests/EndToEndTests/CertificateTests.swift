import Foundation
import Glibc
import Testing

/// Promise 8: certificates never expire under the user.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CertificateTests {
    /// The serial number and the end of what a server shows.
    private func shown(_ cluster: TestCluster, port: Int) async throws -> (serial: String, end: Date) {
        let output = try await cluster.succeed(["sh", "-c", """
            openssl s_client -connect 192.0.2.10:\(port) </dev/null 2>/dev/null | openssl x509 -noout -serial -enddate -dateopt iso_8601
            """])
        let values = output.lines.compactMap { $0.split(separator: "=").last.map(String.init) }
        let formatter = DateFormatter()
        (formatter.dateFormat, formatter.timeZone, formatter.locale) = ("yyyy-MM-dd HH:mm:ss'Z'", TimeZone(identifier: "UTC"), Locale(identifier: "en_US_POSIX"))
        return (values[0], try #require(formatter.date(from: values[1]), "\(output)"))
    }

    @Test("a cluster that outlives its certificates goes on: servers, agent, kubeconfig and open watches")
    func rotation() async throws {
        let cluster = try await TestCluster()
        try await cluster.importImages("busybox")
        let agent = try cluster.start(
            [TestCluster.binaries + "/swiftlet", "up", "--node-name", "node-1", "--certificate-lifetime", "40s"] + cluster.directories + cluster.cgroups)
        do {
            try await cluster.ready(agent)
            let control = try await RestartTests.controlPlane(of: agent, cluster)
            let old = cluster.directory + "/old.kubeconfig"
            try FileManager.default.copyItem(atPath: cluster.kubeconfig, toPath: old)
            let (api, kubelet) = (try await shown(cluster, port: 6443), try await shown(cluster, port: 10250))
            _ = try await cluster.apply(KubectlTests.pod("before", command: "echo before; exec sleep infinity"))
            try await cluster.kube("wait", "--for=condition=Ready", "pod/before", "--timeout=20s")
            let watch = try cluster.start(["kubectl", "get", "configmaps", "-w", "--no-headers"])

            _ = try await eventually("the first certificates have expired", within: 90, every: 1) {
                try await cluster.run(["kubectl", "--kubeconfig", old, "get", "nodes"]).status != 0 ? true : nil
            }
            // Whoever reads the kubeconfig anew is let in; everything still serves, and nothing was restarted for it.
            try await cluster.kube("create", "configmap", "afterwards")
            _ = try await eventually("the watch from before saw it") { watch.output.contains("afterwards") ? true : nil }
            for (port, first) in [(6443, api), (10250, kubelet)] {
                let now = try await shown(cluster, port: port)
                #expect(now.serial != first.serial)
                #expect(now.end > Date() && first.end < Date(), "port \(port): \(first.end), then \(now.end)")
            }
            #expect(try await cluster.kube("logs", "before") == "before\n")
            #expect(try await cluster.kube("exec", "before", "--", "echo", "hello") == "hello\n")
            #expect(try await cluster.kube("get", "node", "node-1", "--no-headers").contains(" Ready "))
            #expect(try await RestartTests.controlPlane(of: agent, cluster) == control)
            watch.signal(SIGTERM)
            _ = try await watch.wait(timeout: 10)

            // New connections of the agent are made with its new certificate: its old one has expired.
            kill(control, SIGKILL)
            try await cluster.ready(agent)
            _ = try await cluster.apply(KubectlTests.pod("after", command: "true", restart: "Never"))
            _ = try await eventually("a pod runs", within: 30) {
                try await cluster.kube("get", "pod", "after", "-o", "jsonpath={.status.phase}") == "Succeeded" ? true : nil
            }
        } catch {
            Issue.record("\(error)\nagent: \(agent.errorOutput.suffix(6000))")
        }
        try await cluster.remove(agent: agent)
    }
}
