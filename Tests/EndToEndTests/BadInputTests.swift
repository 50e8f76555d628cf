import Foundation
import Testing

/// Wrong input ends in Kubernetes' own words, and nothing is left behind.
@Suite(.privileged, .serialized, .timeLimit(.minutes(5)))
struct BadInputTests {
    @Test("an invalid manifest is refused with every wrong field")
    func manifest() async throws {
        try await KubectlTests.withCluster([]) { cluster, _ in
            let output = try await cluster.apply("""
                apiVersion: v1
                kind: Pod
                metadata: {name: Bad_Name}
                spec:
                  restartPolicy: Sometimes
                  containers:
                  - name: one
                    image: busybox
                  - name: one
                    image: busybox
                    ports: [{containerPort: 70000}]
                """)
            #expect(output.status == 1)
            for expected in ["is invalid", "metadata.name: Invalid value: \"Bad_Name\"", "spec.restartPolicy: Unsupported value: \"Sometimes\"",
                             "spec.containers[1].name: Duplicate value: \"one\"", "spec.containers[1].ports[0].containerPort: Invalid value: 70000"] {
                #expect(output.error.contains(expected), "\(expected) is missing in \(output)")
            }
            let unknown = try await cluster.apply("""
                apiVersion: v1
                kind: Pod
                metadata: {name: typo}
                spec:
                  containers: [{name: one, image: busybox, comand: ["x"]}]
                """)
            #expect(unknown.error.contains(#"unknown field "spec.containers[0].comand""#), "\(unknown)")
        }
    }

    @Test("an unknown image and a missing command are told in the pod's status")
    func pods() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            _ = try await cluster.apply(KubectlTests.pod("unknown-image", image: "no-such-image:1", command: "true"))
            _ = try await cluster.apply("""
                apiVersion: v1
                kind: Pod
                metadata: {name: no-command}
                spec:
                  containers: [{name: main, image: busybox, command: ["/no/such/program"]}]
                """)
            _ = try await eventually("the image cannot be pulled") {
                let reason = try await cluster.kube("get", "pod", "unknown-image", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
                return reason == "ImagePullBackOff" ? true : nil
            }
            _ = try await eventually("the command is missing") {
                let state = try await cluster.kube("get", "pod", "no-command", "-o", "jsonpath={.status.containerStatuses[0]}")
                return state.contains("/no/such/program") && state.contains("no such file or directory") ? true : nil
            }
        }
    }

    @Test("logs that cannot be had and commands that cannot be run are told in the words that users know")
    func noLogs() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            _ = try await cluster.apply(KubectlTests.pod("running", command: "echo hello; exec sleep infinity"))
            _ = try await cluster.apply("""
                apiVersion: v1
                kind: Pod
                metadata: {name: waiting}
                spec:
                  containers:
                  - {name: one, image: busybox, volumeMounts: [{name: v, mountPath: /v}]}
                  - {name: two, image: busybox}
                  volumes: [{name: v, configMap: {name: missing}}]
                """)
            _ = try await cluster.apply(KubectlTests.pod("imageless", image: "no-such-image:1", command: "true"))
            try await cluster.kube("wait", "--for=condition=Ready", "pod/running", "--timeout=60s")
            _ = try await eventually("the image cannot be pulled") {
                let reason = try await cluster.kube("get", "pod", "imageless", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
                return reason == "ImagePullBackOff" ? true : nil
            }
            let server = "Error from server (BadRequest): "
            let waiting = server + "container \"one\" in pod \"waiting\" is waiting to start: ContainerCreating\n"
            let raw = "/api/v1/namespaces/default/pods/waiting/log"
            let cases: [(arguments: [String], error: String)] = [
                (["logs", "waiting", "-c", "one"], waiting),
                (["logs", "waiting"], "Defaulted container \"one\" out of: one, two\n" + waiting),
                (["logs", "waiting", "-c", "nope"], "error: container nope is not valid for pod waiting\n"),
                (["get", "--raw", raw + "?container=nope"], server + "container nope is not valid for pod waiting\n"),
                (["get", "--raw", raw], server + "a container name must be specified for pod waiting, choose one of: [one two]\n"),
                (["logs", "running", "--previous"], server + "previous terminated container \"main\" in pod \"running\" not found\n"),
                (["logs", "imageless"], server + "container \"main\" in pod \"imageless\" is waiting to start: trying and failing to pull image\n"),
                (["logs", "running", "--tail=-5"], "error: --tail must be greater than or equal to -1\n"),
                (["get", "--raw", "/api/v1/namespaces/default/pods/running/log?tailLines=x"], ""),
                (["logs", "nothing"], "error: error from server (NotFound): pods \"nothing\" not found in namespace \"default\"\n"),
                (["exec", "waiting", "-c", "one", "--", "true"], "error: unable to upgrade connection: container not found (\"one\")\n"),
            ]
            for (arguments, error) in cases {
                let output = try await cluster.run(["kubectl"] + arguments)
                #expect(output.status == 1, "\(arguments): \(output)")
                #expect(output.out == "", "\(arguments): \(output)")
                if error.isEmpty { #expect(output.error.hasPrefix(server), "\(arguments): \(output)") } else { #expect(output.error == error, "\(arguments)") }
            }
        }
    }

    @Test("nobody unauthenticated gets in")
    func anonymous() async throws {
        try await KubectlTests.withCluster([]) { cluster, _ in
            let denied = try await cluster.run(["curl", "-sk", "https://192.0.2.10:6443/api/v1/pods"])
            #expect(denied.out.contains("Unauthorized"), "\(denied)")
            let kubelet = try await cluster.run(["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "https://192.0.2.10:10250/pods"])
            #expect(kubelet.out == "401", "\(kubelet)")
        }
    }

    @Test("a port in use, a foreign user, an unreadable directory and another place for cgroups end in one clear line")
    func startup() async throws {
        let cluster = try await TestCluster()
        let agent = try await cluster.up()
        let second = try await cluster.run([TestCluster.binaries + "/swiftlet", "up", "--node-name", "node-2",
                                            "--data-dir", cluster.directory + "/second", "--run-dir", cluster.directory + "/second-run", "--cgroup-parent", cluster.name + "-2"])
        #expect(second.status != 0)
        #expect(second.error.contains("6443") && second.error.contains("in use"), "\(second)")
        let user = try await cluster.run(["setpriv", "--reuid=65534", "--clear-groups", TestCluster.binaries + "/swiftlet", "up"])
        #expect(user.status != 0)
        #expect(user.error.contains("root"), "\(user)")
        #expect(user.error.split(separator: "\n").count == 1, "\(user)")
        try "a file".write(toFile: cluster.directory + "/file", atomically: true, encoding: .utf8)
        let unreadable = try await cluster.run([TestCluster.binaries + "/swiftlet", "up", "--data-dir", cluster.directory + "/file"])
        #expect(unreadable.status != 0)
        #expect(unreadable.error.contains(cluster.directory + "/file"), "\(unreadable)")
        agent.signal(SIGTERM)
        _ = try await agent.wait(timeout: 30)
        let moved = try await cluster.run([TestCluster.binaries + "/swiftlet", "up", "--node-name", "node-1"] + cluster.directories + ["--cgroup-parent", cluster.name + "-2"])
        #expect(moved.status == 1, "\(moved)")
        #expect(moved.error.hasPrefix("swiftlet: expected --cgroup-parent to be \(cluster.name), where this node's pods are"), "\(moved)")
        try await cluster.remove(agent: agent)
    }

    @Test("a data directory that the control plane's user cannot reach ends in one line that says which, who and what to do")
    func unreachable() async throws {
        let cluster = try await TestCluster()
        let closed = cluster.directory + "/closed"
        try FileManager.default.createDirectory(atPath: closed + "/inner", withIntermediateDirectories: true)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: closed)
        let swiftlet = TestCluster.binaries + "/swiftlet"
        let directories = ["--data-dir", closed + "/inner/data", "--run-dir", cluster.directory + "/closed-run"]
        for command in [[swiftlet, "up"] + cluster.cgroups, [swiftlet, "control-plane"], ["setpriv", "--reuid=65534", "--clear-groups", swiftlet, "control-plane"]] {
            let output = try await cluster.run(command + directories, timeout: 30)
            #expect(output.status == 1, "\(command): \(output)")
            #expect(output.error.split(separator: "\n").count == 1, "\(command): \(output)")
            for expected in ["user nobody", "pass through \(closed) (mode 0700)", "chmod o+x \(closed)", "--data-dir"] {
                #expect(output.error.contains(expected), "\(expected) is missing in \(command): \(output)")
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: closed + "/inner") == [])
        #expect(!FileManager.default.fileExists(atPath: cluster.directory + "/closed-run"))

        // Where the way is open, umask or not, the same place works.
        try FileManager.default.setAttributes([.posixPermissions: 0o711], ofItemAtPath: closed)
        let agent = try cluster.start(["sh", "-c", "umask 077; exec \"$@\"", "sh", swiftlet, "up", "--node-name", "node-1", "--log-dir", cluster.directory + "/log"] + directories + cluster.cgroups)
        _ = try await eventually("the API is served") { FileManager.default.contents(atPath: agent.errorPath).map { String(decoding: $0, as: UTF8.self).contains("the API is served") } == true ? true : nil }
        agent.signal(SIGTERM)
        _ = try await agent.wait(timeout: 30)
        #expect(try await cluster.swiftlet("reset", "--yes", "--log-dir", cluster.directory + "/log", "--cgroup-parent", cluster.name, directories[0], directories[1], directories[2], directories[3]).status == 0)
        try await cluster.remove(agent: nil)
    }

    @Test("a control plane that cannot start ends the agent too, with the reason")
    func brokenStore() async throws {
        let cluster = try await TestCluster()
        try FileManager.default.createDirectory(atPath: cluster.dataDirectory + "/control-plane/storage.sqlite", withIntermediateDirectories: true)
        let output = try await cluster.run([TestCluster.binaries + "/swiftlet", "up", "--node-name", "node-1"] + cluster.directories + cluster.cgroups, timeout: 30)
        #expect(output.status == 1, "\(output)")
        #expect(output.error.contains("swiftlet: the control plane cannot start: "), "\(output)")
        #expect(output.error.contains("storage.sqlite"), "\(output)")
        try await cluster.remove(agent: nil)
    }
}
