import JSONTree
import KubeTypes
import Logging
import Runtime
import Synchronization
@testable import Kubelet

/// A kubelet on fakes, with a data directory of its own.
final class Bench: Sendable {
    let clock: ManualClock
    let runtime: FakeRuntime
    let api: FakeAPI
    let mounter: FakeMounter
    let probes: FakeProbes
    let directory: TemporaryDirectory

    init(directory: TemporaryDirectory = TemporaryDirectory(), runtime: FakeRuntime? = nil, api: FakeAPI = FakeAPI(), clock: ManualClock = ManualClock()) {
        self.clock = runtime?.clock ?? clock
        self.runtime = runtime ?? FakeRuntime(clock: clock)
        (self.api, mounter, probes, self.directory) = (api, FakeMounter(), FakeProbes(), directory)
        let running = self.clock
        api.state.withLock { $0.clock = running }
    }

    func kubelet() throws -> Kubelet {
        var logger = Logger(label: "kubelet") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        return try Kubelet(
            configuration: KubeletConfiguration(
                nodeName: "node1", nodeAddresses: ["192.0.2.1"], dataDirectory: directory.path, logDirectory: directory.path + "/logs",
                resolvConf: directory.path + "/resolv.conf"),
            client: api, source: api, runtime: runtime, images: runtime, mounter: mounter, probes: probes, logger: logger, clock: clock)
    }

    /// Runs a kubelet while `body` does, then stops it as a killed agent stops: nothing is cleaned up.
    func run(_ body: @escaping @Sendable (Kubelet) async throws -> Void) async throws {
        let kubelet = try kubelet()
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await kubelet.run()
                return false
            }
            group.addTask {
                try await body(kubelet)
                return true
            }
            defer { group.cancelAll() }
            while let isDone = try await group.next(), !isDone {}
        }
    }

    /// Sends a pod and waits until its status satisfies the condition.
    @discardableResult
    func start(_ pod: Pod, until condition: @escaping @Sendable (JSON) -> Bool) async -> JSON {
        api.send(.changed(pod))
        return await api.status(of: pod.name, where: condition)
    }

    /// Waits until the kubelet has no pod left. Its workers end without an event that a test could wait for.
    func untilEmpty(_ kubelet: Kubelet) async {
        while !Task.isCancelled, !(await kubelet.handler.dispatcher.pods().isEmpty) { await Task.yield() }
    }

    @discardableResult
    func event(_ reason: String) async -> JSON { await api.events.first { $0["reason"]?.string == reason } ?? .null }
}

extension JSON {
    var phase: String? { self["phase"]?.string }
    func condition(_ type: String) -> JSON? { self["conditions"]?.array?.first { $0["type"]?.string == type } }
    func container(_ name: String) -> JSON? { self["containerStatuses"]?.array?.first { $0["name"]?.string == name } }
    var isReady: Bool { condition("Ready")?["status"]?.string == "True" }
    func waitingReason(_ name: String) -> String? { container(name)?[path: "state", "waiting", "reason"]?.string }
}

/// A pod from JSON text of its spec.
func pod(_ spec: JSON, name: String = "web", uid: String = "uid-1", deletion: (time: WallTime, grace: Int)? = nil, status: JSON = [:], labels: JSON = [:]) -> Pod {
    var metadata: JSON = ["name": JSON(name), "namespace": "default", "uid": JSON(uid), "generation": 1, "labels": labels]
    if let deletion {
        metadata["deletionTimestamp"] = JSON(deletion.time.rfc3339)
        metadata["deletionGracePeriodSeconds"] = JSON(deletion.grace)
    }
    do {
        return try Pod(json: ["apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status])
    } catch {
        preconditionFailure("the test's pod is not valid: \(error)")
    }
}

let oneContainer: JSON = ["containers": [["name": "web", "image": "nginx", "imagePullPolicy": "IfNotPresent"]]]
