import Cgroups
import Glibc
import Images
import LinuxSystem
import Logging
import Runtime
import ShimProtocol
import Testing

/// Restart means nothing, nothing leaks: agents and shims that die at every step.
@Suite(.privileged, .serialized) struct RuntimeRestartTests {
    private static func pid(_ node: TestNode, _ container: String) async throws -> Int32? {
        guard case .running(let pid)? = try await node.runtime.containers(in: nil).first(where: { $0.id == container })?.state else { return nil }
        return pid
    }

    @Test func aNewAgentAdoptsRunningPods() async throws {
        try await TestNode.run { node in
            let made = try await node.run("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done", sandbox: { $0.hostUsers = false })
            let before = try await (node.runtime.sandboxes(), node.runtime.containers(in: nil))
            try await node.dropAgent()
            try await node.start()
            let after = try await (node.runtime.sandboxes(), node.runtime.containers(in: nil))
            #expect(before.0 == after.0 && before.1 == after.1)
            #expect(node.network.attached.count == 1, "adoption leaves the network alone")
            #expect(try await node.exec(made.container, ["echo", "still here"]).output == "still here\n")
            let second = try await node.runtime.runSandbox(node.sandbox("second") { $0.hostUsers = false })
            #expect(second.state == .ready, "the adopted pod's range of ids is taken")
            try await node.runtime.stopContainer(made.container, signal: nil, grace: .zero)
            let lines = try node.log()
            #expect(lines == (1...lines.count).map { "line \($0)" }, "a line is missing or twice")
        }
    }

    @Test func eventsWhileNoAgentRanAreDelivered() async throws {
        try await TestNode.run { node in
            let short = try await node.run("while [ ! -e /go/now ]; do sleep 0.01; done; exit 9", pod: "short") {
                $0.mounts = [Mount(source: node.base + "/logs", target: "/go")]
            }
            try await node.dropAgent()
            try Files.write([], to: node.base + "/logs/now")
            let record = "\(node.base)/run/pods/\(short.sandbox)/\(ExitRecord.fileName(container: short.container))"
            try await TestNode.eventually("the shim has written the exit") { Files.exists(record) }
            let runtime = try await node.start()
            let exit = try await TestNode.exit(of: short.container, await runtime.events())
            #expect(exit.code == 9)
            guard case .exited(exit)? = await runtime.containers(in: nil).first?.state else {
                Issue.record("the state does not show the exit")
                return
            }
            // And only once: the next agent has heard of it.
            try await node.dropAgent()
            let third = try await node.start()
            let events = await third.events()
            await third.shutdown()
            for await event in events { Issue.record("told twice: \(event)") }
        }
    }

    @Test func aDeadShimIsTheEndOfItsPod() async throws {
        try await TestNode.run { node in
            let events = try await node.runtime.events()
            let made = try await node.run("exec sleep 1000")
            let pid = try #require(try await Self.pid(node, made.container))
            let pidfd = try Processes.openPidfd(pid)
            try Self.killShim(node, made.sandbox)
            let seen = try await TestNode.deadline {
                var seen: [RuntimeEvent] = []
                for await event in events {
                    seen.append(event)
                    if case .sandboxFailed = event { break }
                }
                return seen
            }
            #expect(seen.contains { if case .containerExited(made.sandbox, made.container, let exit) = $0 { exit.code == 137 } else { false } })
            try TestNode.expectEnd(of: pidfd, "the container still runs")
            #expect(try await node.runtime.sandboxes().map(\.state) == [.notReady])
            await #expect(throws: RuntimeError.self) { try await node.runtime.createContainer(in: made.sandbox, node.container("main", "true")) }
            try await node.runtime.stopSandbox(made.sandbox)
            try await node.runtime.removeSandbox(made.sandbox)
            try node.audit()
        }
    }

    @Test func aShimThatDiedWhileNoAgentRan() async throws {
        try await TestNode.run { node in
            let made = try await node.run("exec sleep 1000")
            let pidfd = try Processes.openPidfd(try #require(try await Self.pid(node, made.container)))
            try await node.dropAgent()
            try Self.killShim(node, made.sandbox)
            let runtime = try await node.start()
            let events = await runtime.events()
            #expect(try await TestNode.exit(of: made.container, events).code == 137)
            try TestNode.expectEnd(of: pidfd, "the container still runs")
            #expect(await runtime.sandboxes().map(\.state) == [.notReady])
            try await runtime.removeSandbox(made.sandbox)
            try node.audit()
        }
    }

    /// A stopped process still accepts connections: the kernel does it. Its pod is lost, the others go on, and the agent starts.
    @Test func aSilentShimDoesNotHoldUpTheStart() async throws {
        try await TestNode.run { node in
            let healthy = try await node.run("exec sleep 1000", pod: "healthy")
            let silent = try await node.run("exec sleep 1000", pod: "silent")
            let pidfd = try Processes.openPidfd(try #require(try await Self.pid(node, silent.container)))
            try await node.dropAgent()
            try Self.signalShim(node, silent.sandbox, SIGSTOP)
            let runtime = try await TestNode.deadline { try await node.start { $0.shimGreetingTimeout = .seconds(2) } }
            #expect(node.log.all.contains { $0.contains("the shim of sandbox silent-0 has not answered") })
            #expect(await runtime.sandboxes().filter { $0.state == .notReady }.map(\.id) == [silent.sandbox])
            try TestNode.expectEnd(of: pidfd, "the container of the silent shim still runs")
            #expect(try await node.exec(healthy.container, ["echo", "fine"]).output == "fine\n")
            try await runtime.removeSandbox(silent.sandbox)
        }
    }

    private static func killShim(_ node: TestNode, _ sandbox: String) throws { try signalShim(node, sandbox, SIGKILL) }

    /// A signal to the shim alone, which its lock identifies.
    private static func signalShim(_ node: TestNode, _ sandbox: String, _ signal: Int32) throws {
        let directory = try openFile("\(node.base)/run/pods/\(sandbox)", [.path, .directory])
        let pid = try UnixSockets.connect(ShimLauncher.socketName, in: directory).peer().pid
        #expect(try Files.readString("/proc/\(pid)/cmdline").contains(sandbox))
        try Processes.send(signal: signal, to: try Processes.openPidfd(pid))
    }

    @Test func fiftyCyclesLeaveNothing() async throws {
        try await TestNode.run { node in
            let runtime = try node.runtime
            let descriptors = try Files.list("/proc/self/fd").count
            for cycle in 0..<50 {
                let result = try await node.runToEnd("exit 0", pod: "cycle\(cycle)")
                #expect(result.exit.code == 0)
            }
            #expect(await runtime.sandboxes().isEmpty)
            #expect(await runtime.containers(in: nil).isEmpty)
            #expect(try node.images.holds().isEmpty)
            #expect(try Files.list("/proc/self/fd").count <= descriptors + 2, "descriptors leak")
            try node.audit()
        }
    }

    /// An agent that died at any instant: every prefix of the ledger with what had been made by then, played back.
    @Test func resetTakesBackAPodThatWasLeftRunning() async throws {
        try await TestNode.run { node in
            let made = try await node.run("exec sleep 1000")
            _ = try await node.runtime.createContainer(in: made.sandbox, node.container("created", "true"))
            try await node.dropAgent()
            try await NodeRuntime.reset(configuration: node.configuration, network: node.network, logger: .init(label: "test"))
            try node.audit()
            #expect(node.network.attached.isEmpty)
            let runtime = try await node.start()
            #expect(await runtime.sandboxes().isEmpty)
            #expect(try node.images.holds().isEmpty)
        }
    }

    /// The record is written last: without it, the sandbox was never made.
    @Test func aHalfMadeSandboxIsTakenBack() async throws {
        try await TestNode.run { node in
            let made = try await node.run("exec sleep 1000")
            try await node.dropAgent()
            try Files.remove("\(node.base)/run/pods/\(made.sandbox)/sandbox.json")
            let runtime = try await node.start()
            #expect(await runtime.sandboxes().isEmpty)
            try node.audit()
            #expect(node.network.attached.isEmpty)
        }
    }

    @Test func aHalfMadeContainerIsTakenBack() async throws {
        try await TestNode.run { node in
            let made = try await node.run("exec sleep 1000")
            let half = try await node.runtime.createContainer(in: made.sandbox, node.container("half", "true"))
            try await node.dropAgent()
            try Files.remove("\(node.base)/run/pods/\(made.sandbox)/containers/\(half).json")
            let runtime = try await node.start()
            #expect(await runtime.containers(in: nil).map(\.id) == [made.container])
            #expect(try Files.list(node.base + "/data/containers").map(\.name) == [made.container])
            #expect(try !node.cgroupRoot.cgroup("kubepods/besteffort/podpod/\(half)").exists)
        }
    }

    @Test func aRebootTakesTheRunDirectory() async throws {
        try await TestNode.run { node in
            _ = try await node.run("exec sleep 1000")
            try await node.dropAgent()
            // What a reboot does: processes, cgroups and the run directory are gone, the data directory stays.
            try await NodeRuntime.reset(configuration: node.configuration, network: node.network, logger: .init(label: "test"))
            try Files.makeDirectories(node.base + "/data/ledger")
            try Files.makeDirectories(node.base + "/data/containers/\(String(repeating: "a", count: 64))/upper")
            let ledger = "+ sandbox directory \(node.base)/run/pods/gone-0\n+ sandbox cgroup kubepods/podgone\n+ sandbox pin \(node.base)/run/pods/gone-0/ns/net\n"
            try Files.write(Array(ledger.utf8), to: node.base + "/data/ledger/gone-0")
            let runtime = try await node.start()
            #expect(await runtime.sandboxes().isEmpty)
            try node.audit()
        }
    }

    @Test func aFailedNetworkLeavesNothing() async throws {
        try await TestNode.run { node in
            let runtime = try NodeRuntime(configuration: node.configuration, images: node.images, network: BrokenNetwork(), logger: .init(label: "test"))
            try await runtime.start()
            let error = await #expect(throws: RuntimeError.self) { try await runtime.runSandbox(node.sandbox()) }
            #expect(error?.code == .sandboxFailed && error?.message == "connect the pod to the network: no address is free")
            #expect(await runtime.sandboxes().isEmpty)
            try node.audit()
            await runtime.shutdown()
        }
    }
}

private struct BrokenNetwork: SandboxNetwork {
    struct Failure: Error, CustomStringConvertible { let description = "no address is free" }
    func attach(sandbox: String, namespacePath: String) async throws -> [String] { throw Failure() }
    func detach(sandbox: String, namespacePath: String) async throws {}
}
