import Foundation
import Glibc
import Testing

/// What a pod's specification promises, seen through kubectl and from inside the container.
@Suite(.privileged, .serialized, .timeLimit(.minutes(8)))
struct WorkloadTests {
    @Test("environment and volumes come from ConfigMaps and Secrets and follow their changes")
    func configuration() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            try await cluster.kube("create", "configmap", "settings", "--from-literal=color=blue", "--from-literal=size=9")
            try await cluster.kube("create", "secret", "generic", "key", "--from-literal=token=s3cret")
            _ = try await cluster.apply("""
                apiVersion: v1
                kind: Pod
                metadata: {name: reader, labels: {a: b}}
                spec:
                  containers:
                  - name: main
                    image: busybox
                    command: ["sh", "-c", "echo $COLOR $(NAME) $TOKEN $PRE_size; exec sleep infinity"]
                    envFrom: [{prefix: PRE_, configMapRef: {name: settings}}]
                    env:
                    - {name: COLOR, valueFrom: {configMapKeyRef: {name: settings, key: color}}}
                    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
                    - {name: TOKEN, valueFrom: {secretKeyRef: {name: key, key: token}}}
                    volumeMounts:
                    - {name: settings, mountPath: /settings}
                    - {name: key, mountPath: /key, readOnly: true}
                    - {name: memory, mountPath: /memory}
                  volumes:
                  - {name: settings, configMap: {name: settings}}
                  - {name: key, secret: {secretName: key, defaultMode: 0400}}
                  - {name: memory, emptyDir: {medium: Memory}}
                """)
            try await cluster.kube("wait", "--for=condition=Ready", "pod/reader", "--timeout=60s")
            #expect(try await cluster.kube("logs", "reader") == "blue reader s3cret 9\n")
            #expect(try await cluster.kube("exec", "reader", "--", "cat", "/settings/color") == "blue")
            #expect(try await cluster.kube("exec", "reader", "--", "stat", "-Lc", "%a", "/key/token") == "400\n")
            #expect(try await cluster.kube("exec", "reader", "--", "sh", "-c", "grep ' /memory ' /proc/mounts").contains("tmpfs"))
            #expect(try await cluster.kubectl("exec", "reader", "--", "sh", "-c", "echo x > /key/token").status != 0)
            try await cluster.kube("patch", "configmap", "settings", "--type=merge", "-p", #"{"data":{"color":"red"}}"#)
            _ = try await eventually("the volume follows the ConfigMap", within: 90, every: 0.5) {
                try await cluster.kube("exec", "reader", "--", "cat", "/settings/color") == "red" ? true : nil
            }
        }
    }

    @Test("the memory limit ends in OOMKilled, a crash in CrashLoopBackOff, an end in Completed")
    func ends() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            _ = try await cluster.apply(KubectlTests.pod("hungry", command: "x=a; while true; do x=$x$x; done", restart: "Never", more: "    resources: {limits: {memory: 32Mi}}"))
            _ = try await cluster.apply(KubectlTests.pod("crashing", command: "echo going down; exit 3"))
            _ = try await cluster.apply(KubectlTests.pod("finite", command: "true", restart: "Never"))
            func reason(_ pod: String, _ path: String) async throws -> String {
                try await cluster.kube("get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].\(path)}")
            }
            _ = try await eventually("hungry is killed") { try await reason("hungry", "state.terminated.reason") == "OOMKilled" ? true : nil }
            #expect(try await reason("hungry", "state.terminated.exitCode") == "137")
            _ = try await eventually("finite completes") { try await cluster.kube("get", "pod", "finite", "--no-headers").contains("Completed") ? true : nil }
            _ = try await eventually("crashing backs off") { try await reason("crashing", "state.waiting.reason") == "CrashLoopBackOff" ? true : nil }
            #expect(try await reason("crashing", "lastState.terminated.exitCode") == "3")
            #expect(try await cluster.kube("get", "pod", "crashing", "--no-headers").contains("CrashLoopBackOff"))
            #expect(try await cluster.kube("logs", "crashing", "--previous") == "going down\n")
            #expect(try await cluster.kube("describe", "pod", "crashing").contains("Back-off restarting failed container"))
            // Its two starts are one event that was seen twice.
            _ = try await eventually("the starts are counted in one event") {
                let counts = try await cluster.kube(
                    "get", "events", "--field-selector", "involvedObject.name=crashing,reason=Started", "-o", "jsonpath={.items[*].count}")
                return counts.contains(" ") || counts == "1" || counts.isEmpty ? nil : true
            }
        }
    }

    @Test("a container sees neither the host's processes nor its files, and only its own limits of power")
    func isolation() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            _ = try await cluster.apply(KubectlTests.pod("inside", command: "exec sleep infinity"))
            try await cluster.kube("wait", "--for=condition=Ready", "pod/inside", "--timeout=60s")
            func sh(_ script: String) async throws -> Output { try await cluster.kubectl("exec", "inside", "--", "sh", "-c", script) }
            #expect(try await sh("ls -d /proc/[0-9]* | wc -l").out.trimmingCharacters(in: .whitespacesAndNewlines).count == 1)
            #expect(try await sh("test -e /proc/1/root\(cluster.directory)").status != 0)
            #expect(try await sh("wc -c < /proc/timer_list 2>/dev/null || echo 0").out.trimmingCharacters(in: .whitespacesAndNewlines) == "0")
            #expect(try await sh("echo 1 > /proc/sys/kernel/panic").status != 0)
            #expect(try await sh("mount -t tmpfs none /mnt").status != 0)
            #expect(try await sh("unshare -m true").status != 0)
            #expect(try await sh("hostname").out == "inside\n")
            #expect(try await sh("grep Seccomp: /proc/self/status").out.contains("2"))
            #expect(try await sh("ls /proc/self/fd").out.split(separator: "\n").count <= 4)
        }
    }

    @Test("a process that ignores its stop signal has its whole grace, counted from the signal")
    func grace() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            // Every line is a time of the clock that nobody sets; the signal's is marked.
            _ = try await cluster.apply(KubectlTests.pod("stubborn", command: "trap 'echo signal $(cat /proc/uptime)' TERM; while true; do cat /proc/uptime; usleep 10000; done"))
            try await cluster.kube("wait", "--for=condition=Ready", "pod/stubborn", "--timeout=60s")
            let follower = try cluster.start(["kubectl", "logs", "-f", "stubborn"])
            _ = try await eventually("the log is followed") { follower.output.isEmpty ? nil : true }
            try await cluster.kube("delete", "pod", "stubborn", "--grace-period=1")
            let lines = try await follower.wait(timeout: 30).lines.map { $0.split(separator: " ") }
            let signal = try #require(lines.firstIndex { $0.first == "signal" })
            let killed = try #require(lines.last { $0.first != "signal" }?.first.flatMap { Double($0) })
            let signalled = try #require(Double(lines[signal][1]))
            #expect((0.95..<1.5).contains(killed - signalled), "it lived for \(killed - signalled) s after its signal")
        }
    }

    @Test("a field that is not supported yet is refused by name")
    func refused() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            _ = try await cluster.apply(KubectlTests.pod("fancy", command: "true", more: "  runtimeClassName: gvisor"))
            _ = try await eventually("the pod says what is not supported") {
                let text = try await cluster.kube("describe", "pod", "fancy")
                return text.contains("runtimeClassName") && text.contains("Warning") ? true : nil
            }
        }
    }

    @Test("10 MB/s of numbered lines while the agent is killed: every line is in the log, in order, across rotation")
    func logs() async throws {
        let cluster = try await TestCluster()
        try await cluster.importImages("busybox")
        var agent = try await cluster.up()
        do {
            // 300,000 lines of 100 bytes, 4,000 a go at 10 MB/s: three times the size at which a log file is rotated.
            _ = try await cluster.apply(KubectlTests.pod("flood", command: """
                awk 'BEGIN { for (i = 0; i < 300000; i++) { printf "%099d\\n", i; if (i % 4000 == 3999) { fflush(); system("usleep 40000") } } }'; echo end
                """, restart: "Never"))
            _ = try await eventually("the flood has begun") { try await cluster.kubectl("logs", "flood", "--tail=1").out.isEmpty ? nil : true }
            agent.signal(SIGKILL)
            _ = try await agent.wait(timeout: 10)
            agent = try await cluster.up()
            _ = try await eventually("the flood has ended", within: 120, every: 0.5) {
                try await cluster.kube("get", "pod", "flood", "-o", "jsonpath={.status.phase}") == "Succeeded" ? true : nil
            }
            let logs = try await Self.lines(cluster.directory + "/log")
            #expect(logs.count == 300_001)
            for (number, line) in logs.dropLast().enumerated() where Int(line) != number {
                Issue.record("line \(number) is \(line)")
                break
            }
        } catch {
            Issue.record("\(error)\nagent: \(agent.errorOutput.suffix(6000))")
        }
        try await cluster.remove(agent: agent)
    }

    /// The lines of all log files of the one container below `directory`, oldest file first, without the CRI prefix.
    static func lines(_ directory: String) async throws -> [Substring] {
        let listing = try await Program(["find", directory, "-type", "f", "-name", "0.log*"], directory: "/tmp").wait(timeout: 10)
        // `0.log.<time>` are the rotated ones, in order of time; `0.log` is the newest.
        let files = listing.lines.sorted { left, right in right.hasSuffix("0.log") ? !left.hasSuffix("0.log") : !left.hasSuffix("0.log") && left < right }
        var lines: [Substring] = []
        for file in files {
            let text = try String(contentsOfFile: file, encoding: .utf8)
            for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
                let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 3, omittingEmptySubsequences: false)
                lines.append(Substring(parts[3]))
            }
        }
        return lines
    }
}
