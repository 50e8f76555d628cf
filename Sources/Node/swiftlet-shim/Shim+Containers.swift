import Glibc
import LinuxSystem
import ShimProtocol

/// Requests and the life of containers.
extension Shim {
    func perform(_ operation: ShimRequest, _ descriptors: [FileDescriptor], _ request: Request) throws(ShimFailure) {
        if shutdownRequest != nil { throw ShimFailure(step: "state", message: "the shim is shutting down") }
        switch operation {
        case .create(let plan): try create(plan, descriptors, request, runsAtOnce: false)
        case .run(let plan): try create(plan, descriptors, request, runsAtOnce: true)
        case .start(let id): try start(try container(id), request)
        case .kill(let id, let signal):
            try kill(try container(id), signal)
            reply(request)
        case .delete(let id):
            if let container = containers[id] { try delete(container) }
            reply(request)
        case .exec(let plan): try exec(plan, descriptors, request)
        case .killExec(let id, let signal):
            if let exec = execs[id] { kill(exec, signal) }
            reply(request)
        case .attach(let id, let input, let output, let errors):
            try attach(try container(id), input, output, errors, descriptors)
            reply(request)
        case .resize(let id, let columns, let rows):
            let container = try container(id)
            guard container.plan.process.terminal, let master = container.output.sources[0] else { throw ShimFailure(step: "state", message: "container \(id) has no terminal") }
            try asFailure { () throws(SystemError) in try master.setWindowSize(columns: columns, rows: rows) }
            reply(request)
        case .reopenLog(let id):
            let container = try container(id)
            try asFailure { () throws(SystemError) in try container.output.reopenLog() }
            reply(request)
        case .status: reply(request, containers: containers.values.map(\.description).sorted { $0.id < $1.id })
        case .subscribe(let after):
            reply(request)
            subscribe(request.client, after: after)
        case .acknowledge(let sequence):
            acknowledge(upTo: sequence)
            reply(request)
        case .shutdown: shutdown(request)
        }
    }

    func asFailure<R>(_ body: () throws(SystemError) -> R) throws(ShimFailure) -> R {
        do throws(SystemError) { return try body() } catch { throw ShimFailure(error) }
    }

    private func container(_ id: String) throws(ShimFailure) -> Container {
        guard let container = containers[id] else { throw ShimFailure(step: "not found", message: "no container \(id) in this pod") }
        return container
    }

    // MARK: Create and start

    private func create(_ plan: ContainerPlan, _ descriptors: [FileDescriptor], _ request: Request, runsAtOnce: Bool) throws(ShimFailure) {
        guard !plan.id.isEmpty, !plan.id.contains("/"), plan.id.utf8.count <= 200 else { throw ShimFailure(step: "plan", errno: EINVAL, message: "expected a container id that can name a file, found \"\(plan.id)\"") }
        guard containers[plan.id] == nil else { throw ShimFailure(step: "state", errno: EEXIST, message: "container \(plan.id) exists already") }
        try asFailure { () throws(SystemError) in
            let output = try ContainerOutput(plan)
            let container = Container(plan: plan, output: output, request: request, runsAtOnce: runsAtOnce)
            container.oomKillsBefore = container.oomKills()
            try spawn(container, descriptors, runsAtOnce: runsAtOnce)
            containers[plan.id] = container
        }
    }

    /// Clones the container's process, which sets itself up and reports on its channel.
    private func spawn(_ container: Container, _ descriptors: [FileDescriptor], runsAtOnce: Bool) throws(SystemError) {
        let plan = container.plan
        try assertOneThread()
        let (mine, theirs) = try UnixSockets.pair(.sequencedPackets)
        try mine.setNonBlocking(true)
        var stdio: [FileDescriptor] = []
        if !plan.process.terminal {
            let (output, errors) = (try Descriptors.pipe(), try Descriptors.pipe())
            try container.output.setSource(.output, output.read)
            try container.output.setSource(.errorOutput, errors.read)
            if plan.process.stdin {
                let input = try Descriptors.pipe()
                try container.output.setInput(input.write)
                stdio = [input.read, output.write, errors.write]
            } else {
                stdio = [try openFile("/dev/null"), output.write, errors.write]
            }
            try giveStreams(stdio, to: plan.process)
        }
        let child = ContainerChild(plan: plan, pod: pod, channel: ChildChannel(theirs), stdio: stdio, descriptors: descriptors, runsAtOnce: runsAtOnce)
        let cgroup = try CgroupMembership(plan.cgroups, birth: plan.birthCgroup).openBirth()
        guard let process = try Processes.fork(namespaces: ContainerChild.firstClone(plan, pod), cgroup: cgroup) else { child.run() }
        theirs.close()
        container.channel = ShimChannel(mine)
        if !ContainerChild.needsIntermediate(plan, pod) { (container.pid, container.pidfd) = (process.pid, process.pidfd) }
        container.tokens.insert(try register(mine, .readable, .channel(container)))
        for stream in [ContainerOutput.Stream.output, .errorOutput] {
            if let source = container.output.sources[stream.rawValue] { container.tokens.insert(try register(source, .readable, .output(container, stream))) }
        }
    }

    /// Swift code after a clone is only right while there is nobody else who could hold a lock.
    func assertOneThread() throws(SystemError) {
        guard try Processes.threadCount() == 1 else { throw SystemError(operation: "clone with more than one thread", errno: EDEADLK) }
    }

    /// Programs reopen `/dev/stdout`: the pipes belong to the container's user.
    func giveStreams(_ streams: [FileDescriptor], to process: ProcessPlan) throws(SystemError) {
        func host(_ id: UInt32, _ map: [IDMapping]) -> UInt32 {
            for range in map where id >= range.container && id - range.container < range.count { return range.host &+ (id - range.container) }
            return id
        }
        let uid = host(process.uid, pod.plan.uidMap)
        let gid = host(process.gid, pod.plan.gidMap)
        if uid == 0, gid == 0 { return } // as they were made
        for stream in streams where try stream.status().kind == .fifo {
            _ = try systemCall("fchown stdio") { fchown(stream.raw, uid, gid) == 0 ? 0 : -Int(errno) }
        }
    }

    private func start(_ container: Container, _ request: Request) throws(ShimFailure) {
        guard case .created = container.state, let channel = container.channel else { throw ShimFailure(step: "state", message: "expected container \(container.id) to be created, found \(container.description.state)") }
        container.state = .starting(request)
        try asFailure { () throws(SystemError) in try channel.release() }
    }

    /// What the container's process says on its way.
    func followChannel(of container: Container) {
        while let channel = container.channel {
            let received: (message: ChildMessage, descriptor: FileDescriptor?)?
            do throws(SystemError) { received = try channel.poll() } catch { received = (.end, nil) }
            guard let (message, descriptor) = received else { return }
            switch message {
            case .pid(let pid): adopt(pid, container)
            case .note(let text): record(ShimEvent(.note, container: container.id, time: Clocks.now(), message: text))
            case .ready: becomeCreated(container, terminal: descriptor)
            case .executing: container.isExecuting = true
            case .failure(let failure): container.failure = failure
            case .end: endChannel(of: container)
            }
        }
    }

    /// The intermediate process reports whom it has cloned.
    private func adopt(_ pid: Int32, _ container: Container) {
        container.pid = pid
        if let exit = unclaimedExits.removeValue(forKey: pid) { return ended(container, exit) }
        container.pidfd = try? Processes.openPidfd(pid) // it is our unreaped child: only EMFILE, and then signals go by pid
    }

    private func becomeCreated(_ container: Container, terminal: FileDescriptor?) {
        if let terminal {
            do throws(SystemError) {
                try container.output.setSource(.output, terminal)
                if container.plan.process.stdin { try container.output.setInput(try terminal.duplicate()) }
                container.tokens.insert(try register(terminal, .readable, .output(container, .output)))
            } catch {
                container.failure = ShimFailure(error)
                return terminate(container)
            }
        }
        guard case .creating(let request) = container.state else { return } // it runs at once
        container.state = .created
        reply(request, pid: container.pid)
    }

    /// execve has happened, or the process died before it.
    private func endChannel(of container: Container) {
        if let channel = container.channel {
            for token in container.tokens {
                if case .channel = sources[token] {
                    unregister(token, channel.socket)
                    container.tokens.remove(token)
                }
            }
        }
        // Before anybody is answered: whoever counts descriptors then must not find it.
        container.channel?.socket.close()
        container.channel = nil
        if container.pid == 0 {
            // The intermediate process failed before it cloned anybody.
            return ended(container, ChildExit(pid: 0, code: 127))
        }
        guard case .starting(let request) = container.state, container.isExecuting, container.failure == nil else { return } // its exit tells the rest
        container.state = .running
        container.startedAt = Clocks.now()
        reply(request, pid: container.pid, startedAt: container.startedAt)
        record(ShimEvent(.containerStarted, container: container.id, pid: container.pid, time: container.startedAt))
    }
}
