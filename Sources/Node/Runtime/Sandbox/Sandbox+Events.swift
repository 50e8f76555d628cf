import Cgroups
import CLinux
import Glibc
import LinuxSystem
import Logging
import ShimProtocol

extension Sandbox {
    /// Subscribes to the shim's events after a number and handles them until the connection ends.
    func listen(after sequence: UInt64) async throws(RuntimeError) {
        guard let shim else { return }
        let events = shim.events
        // Unstructured: it lives as long as the connection, which `stop` and `detach` close before they wait for it.
        eventTask = Task(executorPreference: services.threads) { [weak self] in
            for await event in events { await self?.handle(event) }
            await self?.connectionEnded()
        }
        try await shim.subscribe(after: sequence)
    }

    /// The effect goes to the file first, then the acknowledgement to the shim: what is lost in between comes again.
    private func handle(_ event: ShimEvent) {
        switch event.kind {
        case .containerStarted: noteStartedEvent(event)
        case .containerExited: noteExit(event)
        case .execExited: finishExec(event)
        case .note: services.logger.notice("\(event.message)", metadata: ["sandbox": "\(id)", "container": "\(event.container)"])
        case .initExited: fail("the minimal init of the shared process namespace has died, and with it all containers")
        case .unknown: break
        }
        guard event.sequence > record.acknowledgedEvent else { return }
        // Not written down for its own sake: the shim keeps what it has not been told of, and every effect can come twice.
        record.acknowledgedEvent = event.sequence
        // A start need not be acknowledged by itself: the end of the same container will do, and costs no second wake-up.
        if event.kind != .containerStarted { shim?.acknowledge(upTo: event.sequence) }
    }

    private func noteStartedEvent(_ event: ShimEvent) {
        do throws(RuntimeError) { try noteStarted(event.container, pid: event.pid, at: event.time) } catch {
            services.logger.warning("could not write the state of container \(event.container): \(error)")
        }
    }

    private func noteExit(_ event: ShimEvent) {
        guard let exit = event.exit else { return }
        noteExit(event.container, ContainerExit(exit, isStarting: containers[event.container]?.isStarting ?? false))
    }

    func noteExit(_ container: String, _ exit: ContainerExit) {
        guard var record = containers[container]?.record, !record.isExited else { return }
        // A start that failed is told by the answer to the start, in better words.
        if case .created = record.state, containers[container]?.isStarting == true, exit.reason == "ContainerCannotRun" { return }
        record.state = .exited(exit)
        containers[container]?.record = record
        do { try persist(record) } catch { services.logger.warning("could not write the state of container \(container): \(error)") }
        services.hub.send(.containerExited(sandbox: id, container: container, exit))
        resumeWaiters(of: container)
    }

    /// The connection is gone. If the shim is not, the agent connects again and misses nothing. If it is, and was not told to
    /// go, the pod is lost: nobody holds its output and exit codes any more.
    private func connectionEnded() async {
        finishAllExecs()
        guard phase == .ready || phase == .making else { return }
        shim?.close()
        shim = nil
        do {
            if let again = try await connect() {
                guard phase == .ready || phase == .making else { return again.close() }
                shim = again
                return try await listen(after: record.acknowledgedEvent)
            }
        } catch {
            services.logger.error("could not connect again to the shim of sandbox \(id): \(error)")
        }
        fail("the pod's shim has died")
    }

    /// Kills the pod by cgroup and reports it. The exit records that the shim has still written count.
    func fail(_ reason: String) {
        guard phase == .ready || phase == .making else { return }
        let wasReady = phase == .ready
        phase = .failed
        record.state = .notReady
        record.failure = reason
        for path in containers.keys.map({ "\(record.configuration.cgroupParent)/\($0)" }) + [initCgroup] {
            do { try services.configuration.cgroupRoot.cgroup(path).kill() } catch {
                services.logger.error("could not kill cgroup \(path) of failed sandbox \(id): \(error)")
            }
        }
        let now = Clocks.now()
        for record in containers.values.map(\.record) where record.isRunning || containers[record.id]?.isStarting == true {
            let known = exitRecord(of: record.id).map { ContainerExit($0, isStarting: false) }
            noteExit(record.id, known ?? ContainerExit(code: 137, signal: SIGKILL, reason: "Error", message: "\(reason); the container was killed", finishedAt: now))
        }
        guard wasReady else { return }
        do { try persistSandbox() } catch { services.logger.warning("could not write the state of sandbox \(id): \(error)") }
        services.hub.send(.sandboxFailed(sandbox: id, reason: reason))
    }

    /// What the shim wrote before it sent the event.
    func exitRecord(of container: String) -> ExitRecord? {
        let path = "\(directories.pod(id))/\(ExitRecord.fileName(container: container))"
        guard let bytes = try? Files.read(path, limit: 1 << 20) else { return nil } // not there: it has not exited by itself
        return try? ExitRecord(decoding: bytes) // cut off: as if not there
    }
}

extension ContainerExit {
    /// The reasons are those Kubernetes users know.
    init(_ record: ExitRecord, isStarting: Bool) {
        let reason: String
        if record.failure != nil || (record.startedAt == 0 && isStarting) {
            reason = "ContainerCannotRun"
        } else if record.outOfMemory, record.code != 0 {
            reason = "OOMKilled"
        } else {
            reason = record.code == 0 ? "Completed" : "Error"
        }
        let signal = record.signal == 0 ? nil : record.signal
        self.init(code: record.code, signal: signal, reason: reason, message: record.failure?.description ?? "", finishedAt: record.finishedAt)
    }
}
