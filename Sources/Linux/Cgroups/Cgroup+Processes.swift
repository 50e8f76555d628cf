internal import Glibc
internal import LinuxSystem

extension Cgroup {
    /// The processes in this cgroup and its children, each once, sorted. Those of a foreign pid namespace are not seen.
    public func processes() throws(CgroupError) -> [Int32] {
        var found = Set<Int32>()
        do throws(SystemError) {
            for directory in directories { try Self.collect(directory, into: &found) }
        } catch {
            throw CgroupError(error)
        }
        return found.sorted()
    }

    private static func collect(_ directory: String, into found: inout Set<Int32>) throws(SystemError) {
        for line in try ControlFile.readIfPresent(directory + "/cgroup.procs")?.split(separator: "\n") ?? [] {
            if let pid = Int32(line), pid > 0 { found.insert(pid) }
        }
        for name in ControlFile.directories(in: directory) { try collect("\(directory)/\(name)", into: &found) }
    }

    /// Stops every process where it is; returns when all have stopped.
    public func freeze(deadline: Duration = .seconds(5)) throws(CgroupError) {
        try setFrozen(true, Deadline(after: deadline))
    }

    /// Lets stopped processes go on.
    public func thaw(deadline: Duration = .seconds(5)) throws(CgroupError) {
        try setFrozen(false, Deadline(after: deadline))
    }

    private func setFrozen(_ frozen: Bool, _ end: Deadline) throws(CgroupError) {
        guard let directory = directory(.freezer) else {
            throw CgroupError(.controllerUnavailable, "expected the cgroup controller freezer, found it not mounted")
        }
        try FreezerController.set(frozen: frozen, in: directory, root.version(of: .freezer), until: end)
    }

    /// Thaws this cgroup and every one inside it: on v1 a child can have been frozen by itself, there or in the v2 beside it.
    private func thawAll() throws(CgroupError) {
        guard root.version == .v1 else { return try setFrozen(false, Deadline(after: .milliseconds(500))) }
        do throws(SystemError) {
            if let top = root.hierarchies[.freezer] { try Self.thawTree(directory(in: top)) }
            if let unified = root.unified { _ = try ControlFile.writeIfPresent("0", to: directory(in: unified) + "/cgroup.freeze") }
        } catch {
            throw CgroupError(error)
        }
    }

    private static func thawTree(_ directory: String) throws(SystemError) {
        _ = try ControlFile.writeIfPresent("THAWED", to: directory + "/freezer.state")
        for name in ControlFile.directories(in: directory) { try thawTree("\(directory)/\(name)") }
    }

    /// Kills every process of this cgroup and its children and returns when all are dead (they may still be unreaped).
    ///
    /// A fork cannot escape: v2's `cgroup.kill` is atomic; on v1 the cgroup is frozen while it is signalled, again and again
    /// until it is empty, and every signal goes through a pidfd of a process that was seen in the cgroup after the pidfd was
    /// opened, so that a recycled pid is never hit. Idempotent; a cgroup that does not exist is empty.
    /// - Throws: ``CgroupError`` `timedOut` with the pids that are left, e.g. in uninterruptible sleep.
    public func kill(deadline: Duration = .seconds(10)) throws(CgroupError) {
        let end = Deadline(after: deadline)
        if let kernelKills = root.version == .v2 ? root.mountPoint : root.unified {
            try killAtOnce(directory(in: kernelKills), until: end)
        }
        // On v1 the hierarchies can disagree (a join that was interrupted); before Linux 5.14 there is no cgroup.kill.
        while true {
            let pids = try processes()
            if pids.isEmpty { return }
            guard !end.hasPassed else {
                throw CgroupError(.timedOut, "expected \(path) to be empty after SIGKILL, found processes \(pids)")
            }
            try killOneRound(pids, until: end)
        }
    }

    private func killAtOnce(_ directory: String, until end: Deadline) throws(CgroupError) {
        do throws(SystemError) {
            guard try ControlFile.writeIfPresent("1", to: directory + "/cgroup.kill") else { return }
            // v1: a frozen task dies only after it is thawed, so waiting here would wait for ever.
            if root.version == .v2 { _ = try FreezerController.wait(for: "populated", 0, in: directory, until: end) }
        } catch {
            throw CgroupError(error)
        }
    }

    private func killOneRound(_ pids: [Int32], until end: Deadline) throws(CgroupError) {
        // Freezing is what keeps a fork bomb from outrunning us; without it (state already THAWED, no freezer) the loop remains.
        _ = try? setFrozen(true, Deadline(after: .milliseconds(500)))
        var signalled: [FileDescriptor] = []
        let handles = pids.compactMap { pid in (try? Processes.openPidfd(pid)).map { (pid: pid, pidfd: $0) } }  // an error: it is gone
        let still = Set(try processes())
        for handle in handles where still.contains(handle.pid) {
            // ESRCH: it died by itself meanwhile.
            if (try? Processes.send(signal: SIGKILL, to: handle.pidfd)) != nil { signalled.append(handle.pidfd) }
        }
        // v1: a frozen task dies only after it is thawed. Without a freezer there is nothing to thaw, and the cgroup may be gone.
        try? thawAll()
        do throws(SystemError) {
            try Self.waitForExit(signalled, until: end)
        } catch {
            throw CgroupError(error)
        }
    }

    private static func waitForExit(_ pidfds: [FileDescriptor], until end: Deadline) throws(SystemError) {
        let poller = try Poller()
        for (index, pidfd) in pidfds.enumerated() { try poller.add(pidfd, .readable, token: UInt64(index)) }
        var left = pidfds.count
        while left > 0, !end.hasPassed {
            for event in try poller.wait(milliseconds: end.millisecondsLeft, maximum: 64) {
                try poller.remove(pidfds[Int(event.token)])
                left -= 1
            }
        }
    }
}
