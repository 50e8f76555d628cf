import Foundation
import Glibc
import Testing

/// Promise 1: killing the agent, the control plane or both harms no workload and loses nothing.
@Suite(.privileged, .serialized, .timeLimit(.minutes(8)))
struct RestartTests {
    @Test("kill -9 of the agent, of the control plane and of both: same processes, no restart, no line lost, never NotReady")
    func killed() async throws {
        let cluster = try await TestCluster()
        try await cluster.importImages("busybox")
        var agent = try await cluster.up()
        do {
            _ = try await cluster.apply(KubectlTests.pod("writer", command: "i=0; while true; do echo $i; i=$((i+1)); sleep 0.01; done", more: """
                    readinessProbe: {exec: {command: ["true"]}, periodSeconds: 1}
                """))
            try await cluster.kube("wait", "--for=condition=Ready", "pod/writer", "--timeout=60s")
            let before = try await Self.identity(cluster)

            // The agent alone: its control plane notices and ends with it.
            agent.signal(SIGKILL)
            _ = try await agent.wait(timeout: 10)
            agent = try await cluster.up()
            #expect(try await Self.identity(cluster) == before)

            // The control plane alone: the agent starts it again.
            let child = try await Self.controlPlane(of: agent, cluster)
            kill(child, SIGKILL)
            try await cluster.ready(agent)
            #expect(try await Self.identity(cluster) == before)

            // Both, in one breath.
            let both = try await Self.controlPlane(of: agent, cluster)
            kill(both, SIGKILL)
            agent.signal(SIGKILL)
            _ = try await agent.wait(timeout: 10)
            agent = try await cluster.up()
            #expect(try await Self.identity(cluster) == before)

            let lines = try await cluster.kube("logs", "writer").split(separator: "\n").map { Int($0) }
            #expect(lines == (0..<lines.count).map(Optional.init))
            #expect(lines.count > 100)
            let described = try await cluster.kube("describe", "pod", "writer")
            #expect(!described.contains("Unhealthy"), "\(described)")
        } catch {
            Issue.record("\(error)\nagent: \(agent.errorOutput.suffix(6000))")
        }
        try await cluster.remove(agent: agent)
    }

    @Test("two watches resumed from one resource version see the same sequence after a kill")
    func watches() async throws {
        let cluster = try await TestCluster()
        var agent = try await cluster.up()
        do {
            try await cluster.kube("create", "configmap", "start")
            let version = try await cluster.kube("get", "configmap", "start", "-o", "jsonpath={.metadata.resourceVersion}")
            for name in ["one", "two"] { try await cluster.kube("create", "configmap", name) }
            let path = "/api/v1/namespaces/default/configmaps?watch=true&timeoutSeconds=3&resourceVersion=\(version)"
            let first = try await cluster.kube("get", "--raw", path)
            agent.signal(SIGKILL)
            _ = try await agent.wait(timeout: 10)
            agent = try await cluster.up()
            let second = try await cluster.kube("get", "--raw", path)
            #expect(first == second)
            #expect(first.split(separator: "\n").count == 2, "\(first)")
        } catch {
            Issue.record("\(error)\nagent: \(agent.errorOutput.suffix(6000))")
        }
        try await cluster.remove(agent: agent)
    }

    @Test("a node that is deleted registers again at once, and its pods run on")
    func deletedNode() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            _ = try await cluster.apply(KubectlTests.pod("writer", command: "while true; do sleep 1; done"))
            try await cluster.kube("wait", "--for=condition=Ready", "pod/writer", "--timeout=60s")
            let before = try await Self.identity(cluster)
            let uid = try await cluster.kube("get", "node", "node-1", "-o", "jsonpath={.metadata.uid}")
            try await cluster.kube("delete", "node", "node-1")
            _ = try await eventually("the node is back and Ready", within: 10) {
                let state = try await cluster.kube("get", "node", "node-1", "-o", "jsonpath={.metadata.uid} {.status.conditions[?(@.type==\"Ready\")].status}")
                return state.hasSuffix(" True") && !state.hasPrefix(uid) ? true : nil
            }
            _ = try await eventually("the lease belongs to the new node", within: 15) {
                let owner = try await cluster.kube("get", "lease", "node-1", "-n", "kube-node-lease", "-o", "jsonpath={.metadata.ownerReferences[0].uid}")
                return try await cluster.kube("get", "node", "node-1", "-o", "jsonpath={.metadata.uid}") == owner ? true : nil
            }
            #expect(try await Self.identity(cluster) == before)
            _ = try await cluster.apply(KubectlTests.pod("another", command: "true", restart: "Never"))
            _ = try await eventually("the node takes pods again") {
                try await cluster.kube("get", "pod", "another", "-o", "jsonpath={.status.phase}") == "Succeeded" ? true : nil
            }
        }
    }

    /// What must not change: container id, restart count, start time, the time it became ready, the process.
    static func identity(_ cluster: TestCluster) async throws -> String {
        let status = try await cluster.kube("get", "pod", "writer", "-o", "jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].state.running.startedAt} {.status.conditions[?(@.type==\"Ready\")].lastTransitionTime} {.status.conditions[?(@.type==\"Ready\")].status}")
        let process = try await cluster.kube("exec", "writer", "--", "sh", "-c", "cut -d' ' -f22 /proc/1/stat")
        return status + process
    }

    /// The pid of the agent's control plane: its child of that name.
    static func controlPlane(of agent: Program, _ cluster: TestCluster) async throws -> Int32 {
        let output = try await cluster.run(["pgrep", "-f", "swiftlet control-plane.*\(cluster.directory)"])
        guard let pid = output.lines.compactMap({ Int32($0) }).first(where: { $0 != agent.pid }) else {
            throw ShellError(description: "no control plane found: \(output)")
        }
        return pid
    }
}
