import Synchronization
import JSONTree
import Logging
import Testing
@testable import Kubelet

@Suite("The node", .timeLimit(.minutes(1)))
struct NodeStatusTests {
    @Test("registers with its real capacity, and keeps its lease and status fresh")
    func registers() async throws {
        let bench = Bench()
        try await bench.run { _ in
            let node = await bench.api.nodeWrites.first { $0.verb == "create" }?.body ?? .null
            #expect(node[path: "metadata", "labels", "kubernetes.io/hostname"]?.string == "node1")
            #expect(node[path: "metadata", "labels", "kubernetes.io/os"]?.string == "linux")
            let status = try #require(node["status"])
            #expect(status[path: "capacity", "pods"]?.string == "110")
            #expect(status[path: "capacity", "memory"]?.string?.hasSuffix("Ki") == true)
            #expect(Int(status[path: "capacity", "cpu"]?.string ?? "") ?? 0 > 0)
            #expect(status[path: "nodeInfo", "kubeletVersion"]?.string == "v1.36.0+swiftlet")
            #expect(status[path: "nodeInfo", "containerRuntimeVersion"]?.string?.hasPrefix("swiftlet://") == true)
            #expect(status[path: "daemonEndpoints", "kubeletEndpoint", "Port"]?.int == 10250)
            #expect(status["addresses"] == [["type": "InternalIP", "address": "192.0.2.1"], ["type": "Hostname", "address": "node1"]])
            let ready = try #require(status["conditions"]?.array?.first { $0["type"]?.string == "Ready" })
            #expect((ready["status"]?.string, ready["reason"]?.string, ready["message"]?.string) == ("True", "KubeletReady", "kubelet is posting ready status"))
            let lease = await bench.api.nodeWrites.first { $0.verb == "lease" }?.body ?? .null
            #expect(lease[path: "spec", "holderIdentity"]?.string == "node1")
            #expect(lease[path: "metadata", "ownerReferences"]?.array?.first?["uid"]?.string == "node-uid")
            _ = await bench.api.nodeWrites.first { $0.verb == "status" }
            await bench.clock.advance(by: .seconds(10))
            _ = await bench.api.nodeWrites.first { $0.verb == "renew" }
        }
    }

    @Test("registers again when its object is deleted, and its lease belongs to the new one")
    func deleted() async throws {
        let bench = Bench()
        try await bench.run { _ in
            await bench.start(pod(oneContainer)) { $0.isReady }
            await bench.api.nodeWrites.wait { $0.contains { $0.verb == "lease" } && $0.contains { $0.verb == "status" } }
            // No time passes: the deletion itself is what makes it register.
            bench.api.changeNode { $0 = nil }
            await bench.api.nodeWrites.wait { $0.filter { $0.verb == "create" }.count == 2 }
            let renewed = await bench.api.nodeWrites.first { $0.verb == "renew" && $0.body["metadata"] != nil }?.body ?? .null
            #expect(renewed[path: "metadata", "ownerReferences"]?.array?.first?["uid"]?.string == "node-uid-2")
            #expect(renewed[path: "spec", "renewTime"] != nil)
            #expect(bench.runtime.running("web") != nil)
        }
    }

    @Test("says at once that it is alive when it was taken for silent; conditions of others are left alone")
    func unknown() async throws {
        let bench = Bench()
        try await bench.run { _ in
            await bench.api.nodeWrites.wait { $0.contains { $0.verb == "status" } }
            let status = bench.api.nodeWrites.all.first { $0.verb == "status" }?.body["status"] ?? .null
            bench.api.changeNode { node in
                node?["status"] = status
                node?["status"]?["conditions"] = .array((status["conditions"]?.array ?? []) + [["type": "Foreign", "status": "True"]])
            }
            let before = bench.api.nodeWrites.all.filter { $0.verb == "status" }.count
            bench.api.changeNode { $0?["status"]?["conditions"] = [["type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"]] }
            await bench.api.nodeWrites.wait { $0.filter { $0.verb == "status" }.count > before }
            let last = bench.api.nodeWrites.all.last { $0.verb == "status" }?.body
            let ready = last?[path: "status", "conditions"]?.array?.first { $0["type"]?.string == "Ready" }
            #expect(before == 1)
            #expect(ready?["status"]?.string == "True")
        }
    }

    @Test func conditions() {
        let calm = NodeConditions.build(.init(), previous: [], now: WallTime(seconds: 1))
        #expect(calm.map { $0["status"]?.string } == ["False", "False", "False", "True"])
        let pressed = NodeConditions.build(.init(memory: true), previous: calm, now: WallTime(seconds: 2))
        #expect(pressed[0]["reason"]?.string == "KubeletHasInsufficientMemory")
        #expect(pressed[0]["lastTransitionTime"]?.string == "1970-01-01T00:00:02Z")
        #expect(pressed[3]["lastTransitionTime"]?.string == "1970-01-01T00:00:01Z")
    }

    @Test func facts() throws {
        #expect(MachineFacts.memoryTotal("MemTotal:       16384 kB\nMemFree: 1 kB\n") == 16 << 20)
        #expect(MachineFacts.osImage("NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n") == "Debian GNU/Linux 12 (bookworm)")
        let facts = try MachineFacts(dataDirectory: "/")
        #expect(facts.cpus > 0 && facts.memory > 0 && facts.storage > 0 && !facts.kernelVersion.isEmpty)
    }
}

@Suite("Events", .timeLimit(.minutes(1)))
struct EventTests {
    private func recorder(_ api: FakeAPI, _ clock: ManualClock) -> EventRecorder {
        EventRecorder(client: api, clock: clock, nodeName: "n", logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test("repeats raise the count of one event")
    func repeats() async throws {
        let (api, clock) = (FakeAPI(), ManualClock())
        let recorder = recorder(api, clock)
        let task = Task { await recorder.run() }
        defer { task.cancel() }
        let target = EventTarget(namespace: "default", name: "web", uid: "u", fieldPath: "spec.containers{web}")
        recorder.record(target, .warning, reason: "BackOff", message: "m")
        await api.events.wait { $0.count == 1 }
        let first = api.events.all[0]
        #expect(first["count"]?.int == 1)
        #expect(first["type"]?.string == "Warning")
        #expect(first[path: "involvedObject", "uid"]?.string == "u")
        recorder.record(target, .warning, reason: "BackOff", message: "m")
        await api.events.wait { $0.count == 2 }
        #expect(api.events.all[1]["count"]?.int == 2)
        recorder.record(target, .warning, reason: "BackOff", message: "another")
        await api.events.wait { $0.count == 3 }
        #expect(api.events.all[2]["count"]?.int == 1)
    }

    @Test("a flood about one object is cut off, counted, and goes on at the rate that is allowed")
    func flood() async throws {
        let (api, clock) = (FakeAPI(), ManualClock())
        let recorder = recorder(api, clock)
        let task = Task { await recorder.run() }
        defer { task.cancel() }
        let target = EventTarget(namespace: "default", name: "web", uid: "u")
        for index in 1...25 {
            recorder.record(target, .warning, reason: "BackOff", message: "m")
            await api.events.wait { $0.count == index }
        }
        // These two are not sent; the marker about another object shows that they have been looked at.
        recorder.record(target, .warning, reason: "BackOff", message: "m")
        recorder.record(EventTarget(namespace: "default", name: "marker", uid: "v"), .normal, reason: "Marker", message: "m")
        await api.events.wait { $0.contains { $0["reason"]?.string == "Marker" } }
        recorder.record(target, .warning, reason: "BackOff", message: "m")
        recorder.record(EventTarget(namespace: "default", name: "marker", uid: "w"), .normal, reason: "Marker", message: "n")
        await api.events.wait { $0.contains { $0["message"]?.string == "n" } }
        await clock.advance(by: .seconds(300), whenSomethingSleeps: false)
        recorder.record(target, .warning, reason: "BackOff", message: "m")
        await api.events.wait { $0.count == 28 }
        let counts = api.events.all.filter { $0["message"]?.string == "m" && $0["reason"]?.string != "Marker" }.map { $0["count"]?.int }
        #expect(counts == Array(1...25) + [28])
        #expect(api.events.all.filter { $0["kind"]?.string == "Event" && $0["reason"]?.string == "BackOff" }.count == 1, "one object, however often")
    }

    @Test("what was recorded without a server is sent when it is back")
    func offline() async throws {
        let (api, clock) = (FakeAPI(), ManualClock())
        api.state.withLock { $0.isOffline = true }
        let recorder = recorder(api, clock)
        let task = Task { await recorder.run() }
        defer { task.cancel() }
        for message in ["m", "n", "n", "n"] { recorder.record(EventTarget(namespace: "d", name: "a", uid: "u"), .normal, reason: "A", message: message) }
        await clock.waitForSleeper(within: .seconds(1))
        api.state.withLock { $0.isOffline = false }
        await clock.advance(by: .milliseconds(500))
        await api.events.wait { $0.count == 2 }
        #expect(api.events.all.map { $0["message"]?.string } == ["m", "n"])
        #expect(api.events.all[1]["count"]?.int == 3)
    }
}
