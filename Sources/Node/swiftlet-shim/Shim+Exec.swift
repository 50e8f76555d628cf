import Glibc
import LinuxSystem
import ShimProtocol

/// Commands in running containers.
extension Shim {
    func exec(_ plan: ExecPlan, _ descriptors: [FileDescriptor], _ request: Request) throws(ShimFailure) {
        guard let container = containers[plan.container] else { throw ShimFailure(step: "not found", message: "no container \(plan.container) in this pod") }
        guard case .running = container.state, let target = container.pidfd else { throw ShimFailure(step: "state", message: "container \(plan.container) is not running") }
        guard execs[plan.id] == nil else { throw ShimFailure(step: "state", errno: EEXIST, message: "exec \(plan.id) exists already") }
        let expected = plan.process.terminal ? 0 : 3
        guard descriptors.count == expected else { throw ShimFailure(step: "plan", errno: EBADF, message: "expected \(expected) descriptors for an exec, found \(descriptors.count)") }
        try asFailure { () throws(SystemError) in
            try assertOneThread()
            let (mine, theirs) = try UnixSockets.pair(.sequencedPackets)
            try mine.setNonBlocking(true)
            try giveStreams(descriptors, to: plan.process)
            let child = ExecChild(plan: plan, container: container.plan, pod: pod, target: target, channel: ChildChannel(theirs), stdio: descriptors)
            let cgroup = try CgroupMembership(container.plan.cgroups, birth: container.plan.birthCgroup).openBirth()
            guard try Processes.fork(cgroup: cgroup) != nil else { child.run() }
            theirs.close()
            let exec = Exec(plan: plan, client: request.client, request: request)
            exec.channel = ShimChannel(mine)
            exec.channelToken = try register(mine, .readable, .execChannel(exec))
            execs[plan.id] = exec
            armTimer()
        }
    }

    /// What the process says on its way.
    func followChannel(of exec: Exec) {
        while let channel = exec.channel {
            let received: (message: ChildMessage, descriptor: FileDescriptor?)?
            do throws(SystemError) { received = try channel.poll() } catch { received = (.end, nil) }
            guard let (message, descriptor) = received else { return }
            switch message {
            case .pid(let pid):
                exec.pid = pid
                exec.pidfd = try? Processes.openPidfd(pid) // only EMFILE: then it cannot be signalled, but it is reaped
                if exec.client.isClosed, exec.plan.killOnDisconnect { kill(exec, SIGKILL) }
                if let exit = unclaimedExits.removeValue(forKey: pid) { return ended(exec, exit) }
            case .ready: exec.master = descriptor
            case .note(let text): record(ShimEvent(.note, container: exec.plan.container, time: Clocks.now(), message: text))
            case .executing: exec.isExecuting = true
            case .failure(let failure): exec.failure = failure
            case .end: endChannel(of: exec)
            }
        }
    }

    private func endChannel(of exec: Exec) {
        unregister(exec.channelToken, exec.channel?.socket)
        exec.channel?.socket.close() // before the answer, as for a container
        exec.channel = nil
        defer { exec.master = nil }
        if exec.isExecuting, exec.failure == nil, let request = exec.request {
            exec.request = nil
            // The master goes to the agent alone: when the agent dies, the terminal hangs up.
            reply(request, pid: exec.pid, descriptors: exec.master.map { [$0] } ?? [])
        } else if exec.pid == 0 {
            // The intermediate process failed before it cloned anybody.
            fail(exec)
        }
        // Otherwise its process, which is about to end, is reaped first: when the caller hears of the failure, the id is free.
    }

    private func fail(_ exec: Exec) {
        forget(exec)
        guard let request = exec.request else { return }
        exec.request = nil
        reply(request, failure: exec.failure ?? ShimFailure(step: "set up", message: "the process died before it executed"))
    }

    func ended(_ exec: Exec, _ exit: ChildExit) {
        followChannel(of: exec)
        if exec.channel != nil { endChannel(of: exec) }
        guard exec.request == nil else { return fail(exec) }
        forget(exec)
        var record = ExitRecord()
        record.container = exec.plan.container
        (record.code, record.signal, record.timedOut) = (exit.code, exit.signal, exec.timedOut)
        (record.startedAt, record.finishedAt) = (exec.startedAt, Clocks.now())
        let event = ShimEvent(.execExited, container: exec.plan.container, exec: exec.plan.id, pid: exit.pid, time: record.finishedAt, exit: record)
        send(Frame(.event, event), to: exec.client)
    }

    private func forget(_ exec: Exec) {
        execs[exec.plan.id] = nil
        armTimer()
        finishShutdown()
    }

    // MARK: Timeouts

    /// One timer for the earliest deadline.
    private func armTimer() {
        let next = execs.values.compactMap(\.deadline).min()
        let wait = next.map { UInt64(max($0 - Clocks.monotonic(), 1)) } ?? 0
        try? timer.arm(nanoseconds: wait) // the timer is ours and the value is valid
    }

    func expireExecs() {
        var count: UInt64 = 0
        _ = try? withUnsafeMutableBytes(of: &count) { buffer throws(SystemError) in try timer.read(into: buffer) } // EAGAIN: it was armed anew
        let now = Clocks.monotonic()
        for exec in execs.values {
            guard let deadline = exec.deadline, deadline <= now else { continue }
            exec.deadline = nil
            exec.timedOut = true
            kill(exec, SIGKILL)
        }
        armTimer()
    }

    // MARK: Attach

    func attach(_ container: Container, _ input: Bool, _ output: Bool, _ errors: Bool, _ descriptors: [FileDescriptor]) throws(ShimFailure) {
        guard case .running = container.state else { throw ShimFailure(step: "state", message: "container \(container.id) is not running") }
        let expected = [input, output, errors].filter { $0 }.count
        guard descriptors.count == expected else { throw ShimFailure(step: "plan", errno: EBADF, message: "expected \(expected) descriptors for attach, found \(descriptors.count)") }
        if input, container.output.input == nil { throw ShimFailure(step: "state", message: "the stdin of container \(container.id) is not open") }
        var rest = descriptors[...]
        let source = input ? rest.popFirst() : nil
        let client = ContainerOutput.Client(input: source, streams: [output ? rest.popFirst() : nil, errors ? rest.popFirst() : nil])
        try asFailure { () throws(SystemError) in
            attachCount += 1
            try container.output.attach(client, token: attachCount)
            if source != nil { try readInput(of: container, client: attachCount) }
        }
    }

    private func readInput(of container: Container, client: UInt64) throws(SystemError) {
        guard let source = container.output.clientInput(client) else { return }
        container.tokens.insert(try register(source, .readable, .clientInput(container, client: client)))
    }

    func forwardInput(to container: Container, from client: UInt64, _ token: UInt64) {
        let source = container.output.clientInput(client)
        switch container.output.forwardInput(client) {
        case .more: break
        case .blocked:
            container.tokens.remove(token)
            unregister(token, source)
            pausedInputs.append((container.id, client))
            guard let input = container.output.input else { return }
            if let waiting = try? register(input, .writable, .containerInput(container)) { container.tokens.insert(waiting) } // EEXIST: it waits already
        case .ended:
            container.tokens.remove(token)
            unregister(token, source)
            container.output.detachInput(client)
            if container.plan.process.stdinOnce { container.output.closeInput() }
        }
    }

    /// The container reads its stdin again.
    func resumeInput(of container: Container, _ token: UInt64) {
        guard container.output.flushInput() else { return }
        container.tokens.remove(token)
        unregister(token, container.output.input)
        let resumed = pausedInputs.filter { $0.container == container.id }
        pausedInputs.removeAll { $0.container == container.id }
        for paused in resumed { try? readInput(of: container, client: paused.client) } // its client has gone meanwhile
    }
}
