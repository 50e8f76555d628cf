import JSONTree
import Synchronization
import Testing
@testable import Kubelet

@Suite("The end of a pod's files", .timeLimit(.minutes(1)))
struct FinishTests {
    /// Waits until the worker has taken in a version of the pod with this label, and with it done all that came before.
    private func label(_ value: String, _ spec: JSON, _ bench: Bench, _ worker: PodWorker) async {
        bench.api.send(.changed(pod(spec, deletion: (bench.clock.now(), 1), labels: ["version": JSON(value)])))
        while !Task.isCancelled, await worker.document[path: "metadata", "labels", "version"]?.string != value { await Task.yield() }
    }

    @Test("nothing is written below the directory of a pod that is being removed")
    func noWriteAfterwards() async throws {
        let bench = Bench()
        let gate = Recorded<Bool>()
        bench.api.state.withLock { $0.finishGate = gate }
        try await bench.run { kubelet in
            await bench.start(pod(oneContainer)) { $0.isReady }
            let worker = try #require(await kubelet.handler.dispatcher.worker(namespace: "default", name: "web"))
            bench.api.send(.changed(pod(oneContainer, deletion: (bench.clock.now(), 1))))
            await bench.api.finished.wait { !$0.isEmpty }
            // As if the removal had come this far: whatever appears now would stay behind, or keep the directory from going.
            let directory = bench.directory.path + "/pods/uid-1"
            try HostFiles.remove(directory)
            for version in ["1", "2"] { await label(version, oneContainer, bench, worker) }
            #expect(!HostFiles.exists(directory))
            gate.append(true)
            await bench.untilEmpty(kubelet)
        }
    }

    @Test("a pod is not finished while one of its volumes is being written")
    func waitsForRefresh() async throws {
        let bench = Bench()
        let spec: JSON = [
            "containers": [["name": "web", "image": "nginx"]], "volumes": [["name": "settings", "configMap": ["name": "settings"]]],
        ]
        bench.api.put(.configMap, "settings", ["colour": "blue"])
        try await bench.run { kubelet in
            await bench.start(pod(spec)) { $0.isReady }
            let worker = try #require(await kubelet.handler.dispatcher.worker(namespace: "default", name: "web"))
            let gate = Recorded<Bool>()
            bench.api.state.withLock { $0.objectGate = gate }
            let before = bench.api.asked.all.count
            bench.api.put(.configMap, "settings", ["colour": "red"])
            await bench.api.asked.wait { $0.count > before }
            bench.api.send(.changed(pod(spec, deletion: (bench.clock.now(), 1))))
            await bench.runtime.calls.wait { $0.contains { $0.hasPrefix("removeSandbox") } }
            for version in ["1", "2"] { await label(version, spec, bench, worker) }
            #expect(bench.api.finished.all.isEmpty)
            gate.append(true)
            await bench.api.finished.wait { !$0.isEmpty }
            await bench.untilEmpty(kubelet)
        }
        #expect(HostFiles.list(bench.directory.path + "/pods").isEmpty)
    }
}
