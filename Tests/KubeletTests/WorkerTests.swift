import Synchronization
import Runtime
import JSONTree
import KubeTypes
import Testing
@testable import Kubelet

@Suite("The life of a pod", .timeLimit(.minutes(1)))
struct WorkerTests {
    @Test("a pod starts, is ready, and says so with its true ids")
    func starts() async throws {
        let bench = Bench()
        try await bench.run { _ in
            let status = await bench.start(pod(oneContainer)) { $0.isReady }
            #expect(status.phase == "Running")
            #expect(status["podIP"]?.string == "10.244.0.1")
            #expect(status["hostIP"]?.string == "192.0.2.1")
            #expect(status["qosClass"]?.string == "BestEffort")
            #expect(status["observedGeneration"]?.int == 1)
            let container = try #require(status.container("web"))
            #expect(container["containerID"]?.string == "swiftlet://container2")
            #expect(container["imageID"]?.string == "nginx@sha256:d")
            #expect(container["restartCount"]?.int == 0)
            #expect(container["started"]?.bool == true)
            for type in ["PodReadyToStartContainers", "Initialized", "ContainersReady"] { #expect(status.condition(type)?["status"]?.string == "True", "\(type)") }
            let started = await bench.event("Started")
            #expect(started["message"]?.string == "Container started")
            #expect(started[path: "involvedObject", "fieldPath"]?.string == "spec.containers{web}")
            #expect(started[path: "source", "component"]?.string == "kubelet")
            let pulled = await bench.event("Pulled")
            #expect(pulled["message"]?.string == "Container image \"nginx\" already present on machine and can be accessed by the pod")
        }
    }

    @Test("a pod of each restart policy ends as it should", arguments: [("Never", 0, "Succeeded"), ("Never", 3, "Failed"), ("OnFailure", 0, "Succeeded")])
    func ends(policy: String, code: Int32, phase: String) async throws {
        let bench = Bench()
        try await bench.run { _ in
            var spec = oneContainer
            spec["restartPolicy"] = JSON(policy)
            await bench.start(pod(spec)) { $0.phase == "Running" }
            bench.runtime.exit("web", code: code)
            let status = await bench.api.status(of: "web") { $0.phase == phase }
            #expect(status.container("web")?[path: "state", "terminated", "exitCode"]?.int == Int64(code))
            #expect(status.condition("Ready")?["reason"]?.string == (code == 0 ? "PodCompleted" : "PodFailed"))
            // The sandbox goes; the object stays.
            await bench.runtime.calls.wait { $0.contains("removeSandbox sandbox1") }
            #expect(bench.api.finished.all.isEmpty)
        }
    }

    @Test("a container that crashes is restarted at once, then after 10 s, and counted")
    func crashLoop() async throws {
        let bench = Bench()
        try await bench.run { _ in
            await bench.start(pod(oneContainer)) { $0.isReady }
            bench.runtime.exit("web", code: 1)
            await bench.api.status(of: "web") { $0.container("web")?["restartCount"]?.int == 1 && $0.isReady }
            bench.runtime.exit("web", code: 2)
            let waiting = await bench.api.status(of: "web") { $0.waitingReason("web") == "CrashLoopBackOff" }
            #expect(waiting.container("web")?[path: "state", "waiting", "message"]?.string == "back-off 10s restarting failed container=web pod=web_default(uid-1)")
            #expect(waiting.container("web")?[path: "lastState", "terminated", "exitCode"]?.int == 2)
            #expect(waiting.phase == "Running")
            #expect(!waiting.isReady)
            await bench.clock.advance(by: .seconds(10))
            let again = await bench.api.status(of: "web") { $0.container("web")?["restartCount"]?.int == 2 && $0.isReady }
            #expect(again.container("web")?[path: "lastState", "terminated", "exitCode"]?.int == 2)
            let event = await bench.event("BackOff")
            #expect(event["message"]?.string == "Back-off restarting failed container web in pod web_default(uid-1)")
        }
    }

    @Test("an unknown image: ErrImagePull with the reason, then ImagePullBackOff, then another try")
    func unknownImage() async throws {
        let bench = Bench()
        try await bench.run { _ in
            let spec: JSON = ["containers": [["name": "web", "image": "nope", "imagePullPolicy": "IfNotPresent"]]]
            let failed = await bench.start(pod(spec)) { $0.waitingReason("web") == "ErrImagePull" }
            #expect(failed.container("web")?[path: "state", "waiting", "message"]?.string == "image \"nope\" not found")
            #expect(failed.phase == "Pending")
            await bench.clock.advance(by: .seconds(2))
            let backOff = await bench.api.status(of: "web") { $0.waitingReason("web") == "ImagePullBackOff" }
            #expect(backOff.container("web")?[path: "state", "waiting", "message"]?.string == "Back-off pulling image \"nope\": ErrImagePull: image \"nope\" not found")
            await bench.clock.advance(by: .seconds(8))
            await bench.runtime.calls.wait { $0.filter { $0 == "pull nope" }.count == 2 }
        }
    }

    @Test("a command that cannot run: RunContainerError with the reason, counted against the container")
    func cannotRun() async throws {
        let bench = Bench()
        bench.runtime.state.withLock { $0.startFailures["web"] = "exec /nope: no such file or directory (ENOENT)" }
        try await bench.run { _ in
            let status = await bench.start(pod(oneContainer)) { $0.waitingReason("web") == "RunContainerError" }
            #expect(status.container("web")?[path: "state", "waiting", "message"]?.string == "exec /nope: no such file or directory (ENOENT)")
            let terminated = status.container("web")?[path: "lastState", "terminated"]
            #expect(terminated?["exitCode"]?.int == 127)
            #expect(terminated?["startedAt"] == nil, "it never ran")
            let event = await bench.event("Failed")
            #expect(event["message"]?.string == "Error: exec /nope: no such file or directory (ENOENT)")
            bench.runtime.state.withLock { $0.startFailures = [:] }
            await bench.clock.advance(by: .seconds(20))
            await bench.api.status(of: "web") { $0.isReady }
        }
    }

    @Test("a missing ConfigMap is waited for, and starts the container when it comes")
    func missingConfigMap() async throws {
        let bench = Bench()
        try await bench.run { _ in
            let spec: JSON = ["containers": [["name": "web", "image": "nginx", "imagePullPolicy": "Never", "envFrom": [["configMapRef": ["name": "settings"]]]]]]
            let status = await bench.start(pod(spec)) { $0.waitingReason("web") == "CreateContainerConfigError" }
            #expect(status.container("web")?[path: "state", "waiting", "message"]?.string == "configmap \"settings\" not found")
            bench.api.put(.configMap, "settings", ["COLOUR": "blue"])
            await bench.api.status(of: "web") { $0.isReady }
            let environment = bench.runtime.running("web")?.configuration.environment ?? []
            #expect(environment.contains { $0.name == "COLOUR" && $0.value == "blue" })
        }
    }

    @Test("a deleted pod gets its grace, its final status, and is finished at the API by UID")
    func deletion() async throws {
        let bench = Bench()
        try await bench.run { kubelet in
            await bench.start(pod(oneContainer)) { $0.isReady }
            bench.api.send(.changed(pod(oneContainer, deletion: (bench.clock.now() + .seconds(30), 30))))
            await bench.api.finished.wait { !$0.isEmpty }
            await bench.untilEmpty(kubelet)
            #expect(bench.api.finished.all.map(\.uid) == ["uid-1"])
            #expect(bench.runtime.calls.all.contains("stop web 30"))
            let last = try #require(bench.api.statuses.all.last?.status)
            #expect(last.container("web")?[path: "state", "terminated", "exitCode"]?.int == 143)
            #expect(last.phase == "Failed")
            #expect((await bench.event("Killing"))["message"]?.string == "Stopping container web")
        }
        #expect(HostFiles.list(bench.directory.path + "/pods").isEmpty)
        #expect(HostFiles.list(bench.directory.path + "/logs").isEmpty)
        #expect(await bench.runtime.sandboxes().isEmpty)
    }

    @Test("a second deletion with less grace hurries the first")
    func forcedDeletion() async throws {
        let bench = Bench()
        bench.runtime.state.withLock { $0.stubborn = ["web"] }
        try await bench.run { _ in
            await bench.start(pod(oneContainer)) { $0.isReady }
            bench.api.send(.changed(pod(oneContainer, deletion: (bench.clock.now() + .seconds(30), 30))))
            await bench.runtime.calls.wait { $0.contains("stop web 30") }
            bench.api.send(.changed(pod(oneContainer, deletion: (bench.clock.now(), 0))))
            await bench.runtime.calls.wait { $0.contains("stop web 0") }
            await bench.api.finished.wait { !$0.isEmpty }
        }
    }

    @Test("readiness follows its probe and its thresholds")
    func readiness() async throws {
        let bench = Bench()
        bench.probes.set(.failure(output: "HTTP probe failed with statuscode: 503"))
        try await bench.run { _ in
            let probe: JSON = ["httpGet": ["port": 80], "periodSeconds": 1, "failureThreshold": 2]
            let spec: JSON = ["containers": [["name": "web", "image": "nginx", "imagePullPolicy": "Never", "readinessProbe": probe]]]
            let status = await bench.start(pod(spec)) { $0.phase == "Running" }
            #expect(!status.isReady)
            #expect(status.condition("ContainersReady")?["message"]?.string == "containers with unready status: [web]")
            let event = await bench.event("Unhealthy")
            #expect(event["message"]?.string == "Readiness probe failed: HTTP probe failed with statuscode: 503")
            bench.probes.set(.success)
            await bench.clock.advance(by: .seconds(1))
            await bench.api.status(of: "web") { $0.isReady }
            let ready = bench.api.statuses.all.count
            // One failure is below the threshold; the second one counts.
            bench.probes.set(.failure(output: "x"))
            await bench.clock.advance(by: .seconds(1))
            await bench.probes.runs.wait { $0.count >= 3 }
            await bench.clock.advance(by: .seconds(1))
            await bench.api.statuses.wait { $0.count > ready && !$0.last!.status.isReady }
            #expect(bench.probes.runs.all.count == 4)
        }
    }

    @Test("a failed liveness probe restarts the container")
    func liveness() async throws {
        let bench = Bench()
        bench.probes.set(.failure(output: "dead"))
        try await bench.run { _ in
            let probe: JSON = ["exec": ["command": ["true"]], "failureThreshold": 1]
            let spec: JSON = ["containers": [["name": "web", "image": "nginx", "imagePullPolicy": "Never", "livenessProbe": probe]]]
            let status = await bench.start(pod(spec)) { $0.container("web")?["restartCount"]?.int == 1 }
            #expect(status.container("web")?[path: "lastState", "terminated", "exitCode"]?.int == 143)
            let event = await bench.event("Killing")
            #expect(event["message"]?.string == "Container web failed liveness probe, will be restarted")
        }
    }

    @Test("a field that is not supported is refused by name, and nothing is started")
    func refused() async throws {
        let bench = Bench()
        try await bench.run { _ in
            let spec: JSON = ["containers": [["name": "web", "image": "nginx", "ports": [["containerPort": 80, "hostPort": 8080]]]]]
            let status = await bench.start(pod(spec)) { $0.waitingReason("web") == "CreateContainerConfigError" }
            #expect(status.phase == "Pending")
            #expect(status.container("web")?[path: "state", "waiting", "message"]?.string == "spec.containers[0].ports[0].hostPort is not supported by this node")
            #expect((await bench.event("UnsupportedField"))["message"]?.string == "spec.containers[0].ports[0].hostPort is not supported by this node")
            bench.api.send(.changed(pod(spec, deletion: (bench.clock.now(), 0))))
            await bench.api.finished.wait { !$0.isEmpty }
            #expect(bench.runtime.calls.all.isEmpty)
        }
    }

    @Test("init containers run one after another before the others")
    func initContainers() async throws {
        let bench = Bench()
        try await bench.run { _ in
            let spec: JSON = [
                "initContainers": [["name": "first", "image": "busybox"], ["name": "side", "image": "busybox", "restartPolicy": "Always"]],
                "containers": [["name": "web", "image": "nginx"]],
            ]
            let waiting = await bench.start(pod(spec)) { $0["initContainerStatuses"]?.array?.first?[path: "state", "running"] != nil }
            #expect(waiting.waitingReason("web") == "PodInitializing")
            #expect(waiting.condition("Initialized")?["message"]?.string == "containers with incomplete status: [first side]")
            #expect(bench.runtime.running("side") == nil)
            bench.runtime.exit("first", code: 0)
            let status = await bench.api.status(of: "web") { $0.isReady }
            #expect(status.condition("Initialized")?["status"]?.string == "True")
            #expect(bench.runtime.calls.all.filter { $0.hasPrefix("create") } == ["create first 0", "create side 0", "create web 0"])
            // The sidecar outlives the containers, and the first one's exit is remembered.
            bench.api.send(.changed(pod(spec, deletion: (bench.clock.now() + .seconds(5), 5))))
            await bench.api.finished.wait { !$0.isEmpty }
            #expect(bench.runtime.calls.all.filter { $0.hasPrefix("stop ") } == ["stop web 5", "stop side 5"])
        }
    }

    @Test("preStop runs before the signal, postStart before readiness; a postStart that fails ends the container")
    func hooks() async throws {
        let bench = Bench()
        try await bench.run { _ in
            let hooks: JSON = ["postStart": ["exec": ["command": ["hello"]]], "preStop": ["exec": ["command": ["bye"]]]]
            let spec: JSON = ["containers": [["name": "web", "image": "nginx", "lifecycle": hooks]]]
            await bench.start(pod(spec)) { $0.isReady }
            bench.api.send(.changed(pod(spec, deletion: (bench.clock.now() + .seconds(30), 30))))
            await bench.api.finished.wait { !$0.isEmpty }
            let calls = bench.runtime.calls.all.filter { $0.hasPrefix("exec") || $0.hasPrefix("stop web") }
            #expect(calls == ["exec hello", "exec bye", "stop web 30"])
        }
        let failing = Bench()
        try await failing.run { _ in
            let hooks: JSON = ["postStart": ["exec": ["command": ["exit", "1"]]]]
            await failing.start(pod(["containers": [["name": "web", "image": "nginx", "lifecycle": hooks]]])) { $0.container("web")?["restartCount"]?.int == 1 }
            #expect((await failing.event("FailedPostStartHook"))["message"]?.string == "PostStartHook failed")
        }
    }

    @Test("a pod past its deadline fails and keeps its object")
    func deadline() async throws {
        let bench = Bench()
        try await bench.run { _ in
            var spec = oneContainer
            spec["activeDeadlineSeconds"] = 60
            await bench.start(pod(spec)) { $0.isReady }
            await bench.clock.advance(by: .seconds(60))
            let status = await bench.api.status(of: "web") { $0.phase == "Failed" }
            #expect(status["reason"]?.string == "DeadlineExceeded")
            await bench.runtime.calls.wait { $0.contains { $0.hasPrefix("removeSandbox") } }
            #expect(bench.api.finished.all.isEmpty)
        }
    }

    @Test("a changed image replaces the container")
    func imageChange() async throws {
        let bench = Bench()
        try await bench.run { _ in
            await bench.start(pod(oneContainer)) { $0.isReady }
            bench.api.send(.changed(pod(["containers": [["name": "web", "image": "busybox", "imagePullPolicy": "IfNotPresent"]]])))
            let status = await bench.api.status(of: "web") { $0.isReady && $0.container("web")?["restartCount"]?.int == 1 }
            #expect(status.container("web")?["imageID"]?.string == "busybox@sha256:d")
            #expect((await bench.event("Killing"))["message"]?.string == "Container web definition changed, will be restarted")
        }
    }

    @Test("a lost sandbox is made anew with its containers")
    func lostSandbox() async throws {
        let bench = Bench()
        try await bench.run { _ in
            await bench.start(pod(oneContainer)) { $0.isReady }
            bench.runtime.failSandboxes()
            let status = await bench.api.status(of: "web") { $0.isReady && $0.container("web")?["restartCount"]?.int == 1 }
            #expect(bench.runtime.calls.all.contains("runSandbox 1"))
            #expect(status.container("web")?[path: "lastState", "terminated", "exitCode"]?.int == 137)
            #expect(status["podIP"]?.string != "10.244.0.1")
        }
    }
}
