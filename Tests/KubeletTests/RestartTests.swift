import Synchronization
import Runtime
import JSONTree
import KubeTypes
import Testing
@testable import Kubelet

@Suite("An agent that comes back", .timeLimit(.minutes(1)))
struct RestartTests {
    private static let probed: JSON = [
        "containers": [["name": "web", "image": "nginx", "imagePullPolicy": "Never", "readinessProbe": ["tcpSocket": ["port": 80]]]]
    ]

    /// A second agent on the same directory, runtime and API server.
    private func second(_ first: Bench) -> Bench { Bench(directory: first.directory, runtime: first.runtime, api: FakeAPI(), clock: first.clock) }

    @Test("finds its pod as it left it: same container, same status, nothing said")
    func adopts() async throws {
        let bench = Bench()
        let spec = Self.probed
        try await bench.run { _ in await bench.start(pod(spec)) { $0.isReady } }
        let status = try #require(bench.api.statuses.all.last?.status)
        let calls = bench.runtime.calls.all
        let id = bench.runtime.running("web")?.id

        let later = second(bench)
        later.api.remember(status, of: "web")
        try await later.run { kubelet in
            later.api.send(.changed(pod(spec, status: status)))
            later.api.send(.synchronized(uids: ["uid-1"]))
            // Probes run on: their first success after the restart changes nothing.
            await later.probes.runs.wait { !$0.isEmpty }
            let worker = try #require(await kubelet.handler.dispatcher.worker(namespace: "default", name: "web"))
            #expect(await worker.document["status"]?["containerStatuses"] == status["containerStatuses"])
            #expect(await worker.document["status"]?["conditions"] != nil)
        }
        #expect(bench.runtime.calls.all == calls)
        #expect(bench.runtime.running("web")?.id == id)
        #expect(later.api.statusPatches.all.isEmpty)
    }

    @Test("goes on without an API server: a crash is handled, and told when the server is back")
    func offline() async throws {
        let bench = Bench()
        try await bench.run { _ in await bench.start(pod(oneContainer)) { $0.isReady } }
        let later = second(bench)
        later.api.state.withLock { $0.isOffline = true }
        try await later.run { _ in
            later.runtime.exit("web", code: 1)
            await later.runtime.calls.wait { $0.contains("create web 1") }
            later.api.state.withLock { $0.isOffline = false }
            await later.clock.advance(by: .seconds(10))
            await later.api.status(of: "web") { $0.container("web")?["restartCount"]?.int == 1 }
        }
    }

    @Test("sees the exit that happened while it was away, with its code")
    func exitWhileAway() async throws {
        let bench = Bench()
        var spec = oneContainer
        spec["restartPolicy"] = "Never"
        let never = spec
        try await bench.run { _ in await bench.start(pod(never)) { $0.isReady } }
        bench.runtime.exit("web", code: 7)
        let later = second(bench)
        try await later.run { _ in
            let status = await later.api.status(of: "web") { $0.phase == "Failed" }
            #expect(status.container("web")?[path: "state", "terminated", "exitCode"]?.int == 7)
        }
    }

    @Test("remembers the wait of a crash loop")
    func keepsBackoff() async throws {
        let bench = Bench()
        try await bench.run { _ in
            await bench.start(pod(oneContainer)) { $0.isReady }
            bench.runtime.exit("web", code: 1)
            await bench.api.status(of: "web") { $0.container("web")?["restartCount"]?.int == 1 && $0.isReady }
        }
        bench.runtime.exit("web", code: 1)
        let later = second(bench)
        try await later.run { _ in
            await later.api.status(of: "web") { $0.waitingReason("web") == "CrashLoopBackOff" }
            #expect(!later.runtime.calls.all.contains("create web 2"))
            await later.clock.advance(by: .seconds(10))
            await later.api.status(of: "web") { $0.container("web")?["restartCount"]?.int == 2 }
        }
    }

    @Test("ends pods that were deleted while it was away")
    func deletedWhileAway() async throws {
        let bench = Bench()
        try await bench.run { _ in await bench.start(pod(oneContainer)) { $0.isReady } }
        let later = second(bench)
        try await later.run { kubelet in
            later.api.send(.synchronized(uids: []))
            await later.runtime.calls.wait { $0.contains { $0.hasPrefix("removeSandbox") } }
            await later.untilEmpty(kubelet)
            #expect(later.api.finished.all.isEmpty)
        }
        #expect(HostFiles.list(bench.directory.path + "/pods").isEmpty)
    }

    @Test("removes sandboxes and directories that belong to no pod")
    func orphans() async throws {
        let bench = Bench()
        try await bench.run { _ in await bench.start(pod(oneContainer)) { $0.isReady } }
        try HostFiles.write([], to: bench.directory.path + "/pods/uid-1/state.json")
        let later = second(bench)
        try await later.run { _ in await later.runtime.calls.wait { $0.contains { $0.hasPrefix("removeSandbox") } } }
        #expect(await later.runtime.sandboxes().isEmpty)
    }

    @Test("reset leaves nothing")
    func reset() async throws {
        let bench = Bench()
        let spec: JSON = [
            "containers": [["name": "web", "image": "nginx"]], "volumes": [["name": "m", "emptyDir": ["medium": "Memory"]]],
        ]
        try await bench.run { _ in await bench.start(pod(spec)) { $0.isReady } }
        #expect(bench.mounter.mounts.withLock { $0.count } == 1)
        try Kubelet.reset(dataDirectory: bench.directory.path, logDirectory: bench.directory.path + "/logs", mounter: bench.mounter)
        #expect(bench.mounter.mounts.withLock { $0.isEmpty })
        #expect(HostFiles.list(bench.directory.path) == ["logs"])
        #expect(HostFiles.list(bench.directory.path + "/logs").isEmpty)
    }

    @Test("the record survives being written and read")
    func record() throws {
        var record = PodRecord(uid: "u", startTime: WallTime(seconds: 5, nanoseconds: 7))
        record.sandboxAttempt = 3
        record.sandboxID = "s"
        record.addresses = ["10.0.0.1"]
        record.volumesArePrepared = true
        record.ending = .init(grace: .seconds(9), killAt: BootTime(nanoseconds: 11), isGone: true, failure: .init(reason: "DeadlineExceeded", message: "m"))
        record.publishedStatus = ["phase": "Running"]
        let exit = ContainerRecord.InstanceExit(
            id: "i", code: 137, signal: 9, reason: "OOMKilled", message: "m", startedAt: WallTime(seconds: 1), finishedAt: WallTime(seconds: 2))
        var container = ContainerRecord()
        (container.id, container.attempt, container.hasInstance, container.sandboxID) = ("i", 4, true, "s")
        (container.appliedImage, container.imageID, container.startedAt, container.exit, container.previous) = ("nginx", "sha256:x", WallTime(seconds: 1), exit, exit)
        container.backoff = .init(delay: .seconds(40), attemptedAt: WallTime(seconds: 3))
        container.startFailure = .init(reason: "RunContainerError", message: "m", at: WallTime(seconds: 4), retryAt: WallTime(seconds: 5))
        container.killAt = BootTime(nanoseconds: 12)
        container.probes = [.readiness: ProbeState(verdict: true, lastOutcome: false, run: 2), .startup: ProbeState()]
        record.containers = ["web": container]
        #expect(try PodRecord(json: JSON(parsing: record.json.bytes())) == record)
    }

    @Test("a record of a newer version is refused")
    func newerRecord() throws {
        #expect(throws: KubeletError.self) { try PodRecord(json: ["version": 2, "uid": "u", "startTime": 1]) }
    }
}
