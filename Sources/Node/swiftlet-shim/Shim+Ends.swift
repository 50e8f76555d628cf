import Glibc
import LinuxSystem
import ShimProtocol

/// How things end: signals, reaping, exit records, shutdown.
extension Shim {
    // MARK: Signals

    func kill(_ container: Container, _ signal: Int32) throws(ShimFailure) {
        if case .exited = container.state { return }
        guard let pidfd = container.pidfd else { return terminate(container) }
        do throws(SystemError) { try Processes.send(signal: signal, to: pidfd) } catch {
            if error.errno != ESRCH { throw ShimFailure(error) }
        }
    }

    /// SIGKILL to the first process; its PID namespace, if it has one, goes with it.
    func terminate(_ container: Container) {
        if let pidfd = container.pidfd {
            try? Processes.send(signal: SIGKILL, to: pidfd) // ESRCH: it has ended
        } else if container.pid > 0 {
            try? Processes.kill(container.pid, SIGKILL) // our unreaped child
        } else {
            container.channel?.socket.close() // the intermediate's child finds nobody to be released by
        }
    }

    func kill(_ exec: Exec, _ signal: Int32) {
        guard exec.pid > 0 else { return }
        // It leads its own session and is not reaped yet: the group's number is still its own.
        if signal == SIGKILL { try? Processes.kill(-exec.pid, SIGKILL) } // ESRCH: no group any more
        if let pidfd = exec.pidfd { try? Processes.send(signal: signal, to: pidfd) } // ESRCH: it has ended
    }

    func delete(_ container: Container) throws(ShimFailure) {
        switch container.state {
        case .exited:
            forget(container)
        case .creating, .created:
            container.isDeleted = true
            terminate(container)
        case .starting, .running:
            throw ShimFailure(step: "state", errno: EBUSY, message: "container \(container.id) is running")
        }
    }

    private func forget(_ container: Container) {
        containers[container.id] = nil
        events.removeAll { $0.container == container.id }
        try? Files.remove(ExitRecord.fileName(container: container.id), at: directory) // a deleted container may have none
    }

    // MARK: Reaping

    /// Looks at a zombie before it is reaped: until then its pid cannot be somebody else's.
    func reapChildren() {
        while let exit = try? Processes.wait(.any, blocking: false, reap: false) { // ECHILD: no children at all
            if !isKnown(exit.pid) {
                // Perhaps an intermediate process has just reported it.
                for container in containers.values where container.pid == 0 { followChannel(of: container) }
                for exec in execs.values where exec.pid == 0 { followChannel(of: exec) }
            }
            let container = containers.values.first { $0.pid == exit.pid }
            let exec = execs.values.first { $0.pid == exit.pid }
            _ = try? Processes.wait(.pid(exit.pid), blocking: false) // it is there: we have just seen it
            if let container {
                ended(container, exit)
            } else if let exec {
                ended(exec, exit)
            } else if exit.pid == namespaces.initProcess?.pid {
                namespaces.initProcess = nil
                if shutdownRequest == nil { record(ShimEvent(.initExited, pid: exit.pid, time: Clocks.now())) }
            } else {
                keepUnclaimed(exit)
            }
        }
        finishShutdown()
    }

    private func isKnown(_ pid: Int32) -> Bool {
        containers.values.contains { $0.pid == pid } || execs.values.contains { $0.pid == pid } || namespaces.initProcess?.pid == pid
    }

    /// An orphan, an intermediate process, or a process whose intermediate has not spoken yet.
    private func keepUnclaimed(_ exit: ChildExit) {
        let isWaiting = containers.values.contains { $0.pid == 0 && $0.channel != nil } || execs.values.contains { $0.pid == 0 && $0.channel != nil }
        if isWaiting, unclaimedExits.count < 256 { unclaimedExits[exit.pid] = exit } else { unclaimedExits = [:] }
    }

    // MARK: Ends

    func ended(_ container: Container, _ exit: ChildExit) {
        // What it said before its end decides whether it ever ran.
        followChannel(of: container)
        if case .exited = container.state { return }
        for token in container.tokens { unregister(token, nil) }
        container.tokens = []
        container.output.finish()
        let record = exitRecord(of: container, exit)
        let state = container.state
        container.state = .exited(record)
        container.channel = nil
        container.pidfd = nil
        container.forgetPlan()
        if container.isDeleted {
            if case .creating(let request) = state { reply(request, failure: ShimFailure(step: "state", message: "container \(container.id) was deleted")) }
            return forget(container)
        }
        // The record is on disk before anybody hears of the exit.
        do throws(SystemError) {
            try Files.writeAtomically(record.bytes, to: ExitRecord.fileName(container: container.id), at: directory, durable: false)
        } catch {
            self.record(ShimEvent(.note, container: container.id, time: Clocks.now(), message: "the exit record was not written: \(error)"))
        }
        switch state {
        case .creating(let request):
            reply(request, failure: record.failure)
            // It was never there: the id can be used again, and nothing is to be told.
            return forget(container)
        case .starting(let request): reply(request, failure: record.failure)
        case .created, .running, .exited: break
        }
        self.record(ShimEvent(.containerExited, container: container.id, pid: exit.pid, time: record.finishedAt, exit: record))
    }

    private func exitRecord(of container: Container, _ exit: ChildExit) -> ExitRecord {
        var record = ExitRecord()
        record.container = container.id
        (record.code, record.signal) = (exit.code, exit.signal)
        record.startedAt = container.startedAt
        record.finishedAt = Clocks.now()
        record.outOfMemory = container.oomKills() > container.oomKillsBefore
        record.droppedLines = container.output.droppedLines
        if container.startedAt == 0 {
            let death = exit.signal.map { "killed by signal \($0)" } ?? "ended with code \(exit.code)"
            record.failure = container.failure ?? ShimFailure(step: "set up", errno: 0, message: "the process \(death) before it executed")
            record.code = exit.signal == nil ? 128 : exit.code
        }
        return record
    }

    func shutdown(_ request: Request) {
        shutdownRequest = request
        for container in containers.values {
            if case .exited = container.state { continue }
            terminate(container)
        }
        for exec in execs.values { kill(exec, SIGKILL) }
        if let process = namespaces.initProcess { try? Processes.send(signal: SIGKILL, to: process.pidfd) } // ESRCH: it has ended
        finishShutdown()
    }
}
