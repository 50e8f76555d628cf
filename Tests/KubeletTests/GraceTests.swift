import JSONTree
import Synchronization
import Testing
@testable import Kubelet

/// A process has its whole grace, from its signal on.
@Suite("Grace", .timeLimit(.minutes(1)))
struct GraceTests {
    private func stops(_ bench: Bench) -> [String] { bench.runtime.calls.all.filter { $0.hasPrefix("stop ") } }

    private func delete(_ bench: Bench, _ spec: JSON = oneContainer, grace: Int) {
        bench.api.send(.changed(pod(spec, deletion: (bench.clock.now() + .seconds(grace), grace))))
    }

    @Test("the API server's whole seconds and its clock cut nothing off", arguments: [Duration.zero, .seconds(-3600), .seconds(3600)])
    func whole(skew: Duration) async throws {
        // A fraction of a second that the deletion's time cannot carry.
        let bench = Bench(clock: ManualClock(WallTime(seconds: 1_800_000_000, nanoseconds: 900_000_000)))
        try await bench.run { _ in
            await bench.start(pod(oneContainer)) { $0.isReady }
            bench.api.send(.changed(pod(oneContainer, deletion: (bench.clock.now() + .seconds(1) + skew, 1))))
            await bench.api.finished.wait { !$0.isEmpty }
            #expect(stops(bench) == ["stop web 1"])
        }
    }

    @Test("across a restart of the agent what is left counts, whatever the wall clock says")
    func restart() async throws {
        let bench = Bench()
        bench.runtime.state.withLock { $0.stubborn = ["web"] }
        try await bench.run { _ in
            await bench.start(pod(oneContainer)) { $0.isReady }
            delete(bench, grace: 30)
            await bench.runtime.calls.wait { $0.contains("stop web 30") }
            // The pass that began the stop has been written down once it is told.
            await bench.api.statusPatches.wait { !$0.isEmpty }
            let saved = bench.directory.path + "/pods/uid-1/state.json"
            while !Task.isCancelled, HostFiles.text(saved)?.contains("killAt") != true { await Task.yield() }
        }
        await bench.clock.advance(by: .seconds(10), whenSomethingSleeps: false)
        bench.clock.set(by: .seconds(-7200))
        let later = Bench(directory: bench.directory, runtime: bench.runtime, api: FakeAPI(), clock: bench.clock)
        try await later.run { _ in
            delete(later, grace: 30)
            await later.runtime.calls.wait { $0.contains("stop web 20") }
            later.runtime.exit("web", code: 0)
            await later.api.finished.wait { !$0.isEmpty }
        }
        // Long after its time a process gets none: the kill is due.
        #expect(stops(bench) == ["stop web 30", "stop web 20"])
    }

    @Test("what an agent that was away for longer than the grace finds is killed at once")
    func overdue() async throws {
        let bench = Bench()
        bench.runtime.state.withLock { $0.stubborn = ["web"] }
        try await bench.run { _ in
            await bench.start(pod(oneContainer)) { $0.isReady }
            delete(bench, grace: 30)
            let saved = bench.directory.path + "/pods/uid-1/state.json"
            while !Task.isCancelled, HostFiles.text(saved)?.contains("killAt") != true { await Task.yield() }
        }
        await bench.clock.advance(by: .seconds(31), whenSomethingSleeps: false)
        let later = Bench(directory: bench.directory, runtime: bench.runtime, api: FakeAPI(), clock: bench.clock)
        try await later.run { _ in
            delete(later, grace: 30)
            await later.api.finished.wait { !$0.isEmpty }
        }
        #expect(stops(bench).last == "stop web 0")
    }

    @Test("a second deletion counts its shorter grace from now, and a longer rest is not granted", arguments: [(5, "stop web 5"), (25, nil)] as [(Int, String?)])
    func second(grace: Int, expected: String?) async throws {
        let bench = Bench()
        bench.runtime.state.withLock { $0.stubborn = ["web"] }
        try await bench.run { kubelet in
            await bench.start(pod(oneContainer)) { $0.isReady }
            delete(bench, grace: 30)
            await bench.runtime.calls.wait { $0.contains("stop web 30") }
            await bench.clock.advance(by: .seconds(10), whenSomethingSleeps: false)
            delete(bench, grace: grace)
            let worker = try #require(await kubelet.handler.dispatcher.worker(namespace: "default", name: "web"))
            while !Task.isCancelled, await worker.record.ending?.grace != .seconds(grace) { await Task.yield() }
            if let expected { await bench.runtime.calls.wait { $0.contains(expected) } }
            bench.runtime.exit("web", code: 0)
            await bench.api.finished.wait { !$0.isEmpty }
            #expect(stops(bench) == ["stop web 30"] + [expected].compactMap { $0 })
        }
    }

    @Test("a sidecar gets what the containers before it have left, and never less than it takes to see a signal", arguments: [(1, 4), (4, 2)])
    func sidecar(used: Int, left: Int) async throws {
        let bench = Bench()
        bench.runtime.state.withLock { $0.stubborn = ["web"] }
        let spec: JSON = [
            "initContainers": [["name": "side", "image": "busybox", "restartPolicy": "Always"]], "containers": [["name": "web", "image": "nginx"]],
        ]
        try await bench.run { _ in
            await bench.start(pod(spec)) { $0.isReady }
            delete(bench, spec, grace: 5)
            await bench.runtime.calls.wait { $0.contains("stop web 5") }
            await bench.clock.advance(by: .seconds(used), whenSomethingSleeps: false)
            bench.runtime.exit("web", code: 0)
            await bench.api.finished.wait { !$0.isEmpty }
            #expect(stops(bench) == ["stop web 5", "stop side \(left)"])
        }
    }
}
