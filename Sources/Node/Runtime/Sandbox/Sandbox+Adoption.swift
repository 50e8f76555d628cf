import Glibc
import JSONTree
import LinuxSystem
import Logging
import ShimProtocol

extension Sandbox {
    /// Reads a sandbox that an earlier agent has made; nil if it was never made completely.
    static func load(_ id: String, services: RuntimeServices) throws -> Sandbox? {
        let directories = services.directories
        let ledger = try Ledger(path: directories.ledger(id))
        guard Files.exists(directories.sandboxFile(id)) else { return nil }
        let record = try SandboxRecord(json: JSON(parsing: Files.read(directories.sandboxFile(id))))
        let sandbox = Sandbox(record: record, phase: record.state == .ready ? .ready : .failed, ledger: ledger, services: services)
        if let start = record.userNamespaceStart { services.ranges.adopt(start) }
        return sandbox
    }

    /// Goes on where the earlier agent stopped: the same processes, and every event since the last one it has dealt with.
    func adopt() async throws {
        for name in try NodeDirectories.names(in: directories.containerFiles(id)) where name.hasSuffix(".json") {
            let container = try ContainerRecord(json: JSON(parsing: Files.read("\(directories.containerFiles(id))/\(name)")))
            containers[container.id] = Container(record: container)
        }
        await takeBackUnfinished()
        guard let found = try await connect() else { return fail("the pod's shim died while no agent ran") }
        shim = found
        do {
            // Events first: they say what became of containers after the record was written, in order.
            try await listen(after: record.acknowledgedEvent)
            try await reconcile()
        } catch {
            guard error.code == .timedOut else { throw error }
            try endSilentShim()
            fail("the pod's shim does not answer")
        }
    }

    private func endSilentShim() throws {
        services.logger.error("the shim of sandbox \(id) has not answered for \(services.configuration.shimGreetingTimeout): it is killed")
        try ShimLock.kill(podDirectory: directories.pod(id))
    }

    /// Connects to the shim if it lives; nil if it does not. One that does not answer in time is ended.
    func connect() async throws -> ShimClient? {
        // Not while the machine sleeps: the shim slept as well.
        let clock = SuspendingClock()
        let deadline = clock.now + services.configuration.shimGreetingTimeout
        while clock.now < deadline {
            guard try ShimLock.isHeld(podDirectory: directories.pod(id)) else { return nil }
            do throws(ShimError) {
                return try ShimClient(podDirectory: directories.pod(id), timeout: deadline - clock.now)
            } catch {
                // The agent's own lack of descriptors or memory says nothing about the shim.
                if let errno = error.cause?.errno, [EMFILE, ENFILE, ENOMEM].contains(errno) { throw error }
            }
            // It is on its way out, and the lock is what tells; the kernel has no event for that.
            try await Task.sleep(for: .milliseconds(20))
        }
        try endSilentShim()
        return nil
    }

    /// Entries of containers that were being made or removed when the earlier agent died.
    private func takeBackUnfinished() async {
        var scopes: [String] = []
        for case .container(let container) in ledger.outstanding.map(\.scope) where containers[container] == nil && !scopes.contains(container) {
            scopes.append(container)
        }
        for container in scopes { await takeBack(container) }
    }

    /// Compares with what the shim itself knows: a start whose answer nobody received, events that it no longer keeps.
    private func reconcile() async throws(RuntimeError) {
        guard let shim else { return }
        let known = Dictionary(try await shim.status().map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for record in containers.values.map(\.record) where !record.isExited {
            guard let state = known[record.id] else {
                if record.isRunning { noteExit(record.id, lost(record)) }
                continue
            }
            switch state.state {
            case .running: try noteStarted(record.id, pid: state.pid, at: state.startedAt)
            case .exited:
                if let exit = state.exit { noteExit(record.id, ContainerExit(exit, isStarting: false)) }
            case .creating, .created:
                // The earlier agent died between the two halves of a start: forgotten, so that it can be started again.
                try await shim.forget(record.id)
            case .starting, .unknown: break // an event will tell
            }
        }
        for container in known.keys where containers[container] == nil { try await shim.forget(container) }
    }

    /// The end of a container that nobody can tell about, unless its shim wrote it down.
    func lost(_ record: ContainerRecord) -> ContainerExit {
        exitRecord(of: record.id).map { ContainerExit($0, isStarting: false) }
            ?? ContainerExit(code: 137, signal: SIGKILL, reason: "Error", message: "the container was killed; its exit is not known", finishedAt: Clocks.now())
    }

    /// Lets go of the shim, which goes on alone: the agent ends.
    func detach() async {
        guard phase == .ready || phase == .failed else { return }
        phase = .detached
        shim?.close()
        await eventTask?.value
        shim = nil
        eventTask = nil
    }

    func reopenLog(of container: String) async throws(RuntimeError) {
        let shim = try requireReady()
        guard try self.container(container).record.isRunning else {
            throw RuntimeError(.wrongState, "cannot open the log of container \(container) anew: it is not running")
        }
        try await shim.reopenLog(container)
    }
}
