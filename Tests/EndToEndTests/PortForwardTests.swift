import Foundation
import Glibc
import Testing

/// `kubectl port-forward` and `kubectl cp`: what goes through the kubelet's streams, through the API server.
@Suite(.privileged, .serialized, .timeLimit(.minutes(5)))
struct PortForwardTests {
    /// Starts a forwarding and waits until kubectl listens.
    static func forward(_ cluster: TestCluster, _ arguments: String...) async throws -> (program: Program, port: String) {
        let program = try cluster.start(["kubectl", "port-forward"] + arguments)
        let line = try await eventually("kubectl listens", within: 20) {
            guard program.isRunning else { throw ShellError(description: "kubectl ended: \(program.output) \(program.errorOutput)") }
            return program.output.split(separator: "\n").first { $0.contains("Forwarding from 127.0.0.1:") }
        }
        let port = line.split(separator: ":")[1].prefix { $0.isNumber }
        return (program, String(port))
    }

    @Test("HTTP through a forwarded port: two connections at once, large both ways")
    func http() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            _ = try await cluster.apply(KubectlTests.pod("web", command: """
                mkdir -p /www; head -c 10000000 /dev/urandom > /www/large; echo small > /www/small; sha256sum /www/large > /www/sum
                mkfifo /silence
                (while true; do nc -l -p 9000 <> /silence | sha256sum > /www/receiving; mv /www/receiving /www/received; done) & exec httpd -f -h /www -p 127.0.0.1:8080
                """))
            try await cluster.kube("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
            _ = try await eventually("the server listens") {
                try await cluster.kubectl("exec", "web", "--", "wget", "-qO-", "http://127.0.0.1:8080/small").status == 0 ? true : nil
            }
            let (program, port) = try await Self.forward(cluster, "pod/web", ":8080")
            let url = "http://127.0.0.1:\(port)"
            #expect(try await cluster.succeed(["curl", "-sf", url + "/small"]).out == "small\n")
            // Two large ones side by side, through one tunnel.
            async let first = cluster.succeed(["sh", "-c", "curl -sf \(url)/large | sha256sum"], timeout: 180)
            async let second = cluster.succeed(["sh", "-c", "curl -sf \(url)/large | sha256sum"], timeout: 180)
            let sum = try await cluster.succeed(["curl", "-sf", url + "/sum"]).out.prefix(64)
            #expect(try await first.out.prefix(64) == sum)
            #expect(try await second.out.prefix(64) == sum)
            // Nobody asked: a connection that is opened and left open keeps nothing from ending.
            program.signal(SIGINT)
            #expect(try await program.wait(timeout: 20).out.contains("Handling connection for \(port)"))
            // The other direction: what the client sends, to its end. The server's input must stay open: kubectl gives a
            // connection up as soon as the server has said its last.
            let (upload, uploadPort) = try await Self.forward(cluster, "pod/web", ":9000")
            let file = cluster.directory + "/upload"
            try await cluster.succeed(["sh", "-c", "head -c 5000000 /dev/urandom > \(file)"])
            let expected = try await cluster.succeed(["sha256sum", file]).out.prefix(64)
            _ = try await cluster.run(["sh", "-c", "busybox nc -w 5 127.0.0.1 \(uploadPort) < \(file)"], timeout: 120)
            _ = try await eventually("everything arrived") {
                try await cluster.kube("exec", "web", "--", "cat", "/www/received").hasPrefix(expected) ? true : nil
            }
            upload.signal(SIGINT)
            _ = try await upload.wait(timeout: 20)
        }
    }

    @Test("a port on which nobody listens: kubectl says so, and a new forwarding works")
    func refused() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            _ = try await cluster.apply(KubectlTests.pod("web", command: "mkdir /www && echo small > /www/small && httpd -f -h /www -p 8080"))
            try await cluster.kube("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
            let (program, port) = try await Self.forward(cluster, "pod/web", ":81")
            #expect(try await cluster.run(["curl", "-s", "http://127.0.0.1:\(port)/"]).status != 0)
            _ = try await eventually("kubectl says why") { program.errorOutput.contains("connection refused") ? true : nil }
            #expect(program.errorOutput.contains("an error occurred forwarding \(port) -> 81: error forwarding port 81 to pod web_default"))
            // kubectl of these versions ends a forwarding at its first error by itself.
            program.signal(SIGINT)
            _ = try await program.wait(timeout: 20)
            #expect(try await cluster.kubectl("port-forward", "pod/nope", "1:1").status != 0)
            let (again, port2) = try await Self.forward(cluster, "pod/web", ":8080")
            #expect(try await cluster.succeed(["curl", "-sf", "http://127.0.0.1:\(port2)/small"]).out == "small\n")
            // The pod ends, and with it the forwarding; nothing holds its network.
            try await cluster.kube("delete", "pod", "web", "--grace-period=0", "--force")
            _ = try await eventually("kubectl notices", within: 30) {
                _ = try await cluster.run(["curl", "-s", "-m", "2", "http://127.0.0.1:\(port2)/small"])
                return again.isRunning ? nil : true
            }
        }
    }

    @Test("kubectl cp brings 100 MB in and out unchanged")
    func copy() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            _ = try await cluster.apply(KubectlTests.pod("box", command: "exec sleep infinity"))
            try await cluster.kube("wait", "--for=condition=Ready", "pod/box", "--timeout=60s")
            let directory = cluster.directory + "/tree"
            try await cluster.succeed(["sh", "-c", "mkdir -p \(directory)/sub && head -c 100000000 /dev/urandom > \(directory)/large && echo small > \(directory)/sub/small"])
            let sum = try await cluster.succeed(["sha256sum", directory + "/large"]).out.prefix(64)
            let clock = ContinuousClock()
            let inward = try await clock.measure { try await cluster.succeed(["kubectl", "cp", directory, "box:/tmp/tree"], timeout: 120) }
            #expect(try await cluster.kube("exec", "box", "--", "sha256sum", "/tmp/tree/large").hasPrefix(sum))
            #expect(try await cluster.kube("exec", "box", "--", "cat", "/tmp/tree/sub/small") == "small\n")
            let outward = try await clock.measure { try await cluster.succeed(["kubectl", "cp", "box:/tmp/tree", cluster.directory + "/back"], timeout: 120) }
            #expect(try await cluster.succeed(["sha256sum", cluster.directory + "/back/large"]).out.hasPrefix(sum))
            #expect(try await cluster.succeed(["cat", cluster.directory + "/back/sub/small"]).out == "small\n")
            print("kubectl cp of 100 MB: in \(inward), out \(outward)")
            // The end of standard input reaches the command, and its exit code comes back.
            let counted = try await cluster.succeed(["sh", "-c", "head -c 5000000 /dev/zero | kubectl exec -i box -- sh -c 'wc -c; exit 3'; echo $?"])
            #expect(counted.out == "5000000\n3\n")
        }
    }
}
