import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// The shim of one pod: one thread, one epoll, everything that happens is an event of a descriptor.
final class Shim {
    /// What a registration in the poller stands for.
    enum Source {
        case signals, listener, timer
        case client(Client)
        case channel(Container)
        case output(Container, ContainerOutput.Stream)
        case containerInput(Container)
        case clientInput(Container, client: UInt64)
        case execChannel(Exec)
    }

    let pod: PodContext
    let directory: FileDescriptor
    let poller: Poller
    /// Held for life: the proof that this shim lives. Closed in every child.
    private let lock: FileDescriptor
    private let listener: FileDescriptor
    private let signals: FileDescriptor
    let timer: FileDescriptor
    var namespaces: PodNamespaces
    private(set) var sources: [UInt64: Source] = [:]
    private var nextToken: UInt64 = 1

    var containers: [String: Container] = [:]
    var execs: [UInt64: Exec] = [:]
    var clients: [UInt64: Client] = [:]
    /// Events that nobody has acknowledged, oldest first.
    var events: [ShimEvent] = []
    var lastEvent: UInt64 = 0
    /// Exits of children that an intermediate process has not reported yet.
    var unclaimedExits: [Int32: ChildExit] = [:]
    var shutdownRequest: Request?
    /// Number of the newest attached client.
    var attachCount: UInt64 = 0
    /// Attached clients that are not read until their container takes more input.
    var pausedInputs: [(container: String, client: UInt64)] = []
    private var isDone = false

    static func plan(in directory: FileDescriptor) throws(SystemError) -> SandboxPlan {
        let bytes = try Files.read(ShimLauncher.planName, at: directory)
        do throws(WireError) { return try SandboxPlan(decoding: bytes) } catch {
            throw SystemError(operation: "read plan: \(error.message)", errno: EINVAL, path: ShimLauncher.planName)
        }
    }

    init(_ plan: SandboxPlan, directory: FileDescriptor, path: String) throws(SystemError) {
        self.directory = directory
        lock = try openFile(ShimLauncher.lockName, [.readWrite, .create, .noFollow], at: directory)
        guard try lock.tryLock() else { throw SystemError(operation: "lock pod directory (another shim is alive)", errno: EBUSY, path: path) }
        try Credentials.setName("swiftlet-shim")
        try Credentials.setChildSubreaper()
        try Mounts.changeDirectory(to: "/")
        _ = rawCall(Int32(SYS_umask), 0o022)
        // Whoever started it may have ignored some, which containers would inherit. Blocked ones they do not: nothing is to be
        // undone for each of them but the mask.
        Signals.resetAll()
        signals = try Descriptors.signals([SIGCHLD])
        try Signals.setMask(.max)
        timer = try Descriptors.timer()
        poller = try Poller()

        for name in ["ns", "root", "shm"] { try Files.makeDirectory(name, mode: name == "root" ? 0o755 : 0o700, at: directory) }
        // What a dead shim of the same directory has left pinned would hide behind the new pins.
        do throws(ShimError) { try ShimLauncher.cleanUp(directory: path) } catch { throw error.cause ?? SystemError(operation: "clean up", errno: EBUSY, path: path) }
        if plan.sharedMemorySize > 0 {
            let tree = try Mounts.create("tmpfs", options: [("size", "\(plan.sharedMemorySize)"), ("mode", "1777")], attributes: [.noSetUID, .noDevices, .noExecute])
            try Mounts.attach(tree, to: nil, path: "\(path)/shm")
        }
        var made: PodNamespaces?
        do throws(SystemError) {
            made = try PodNamespaces.make(plan, in: directory, path: path)
            listener = try UnixSockets.listen(ShimLauncher.socketName, in: directory)
            try listener.setNonBlocking(true)
        } catch {
            made?.unpin(path: path)
            if plan.sharedMemorySize > 0 { try? Mounts.unmount("\(path)/shm", detach: true) } // the first error is the one to tell
            throw error
        }
        namespaces = made ?? PodNamespaces()
        pod = PodContext(plan: plan, namespaces: namespaces, path: path)
        if plan.shimOOMScoreAdjustment != 0 { note(lowering: plan.shimOOMScoreAdjustment) }
        try register(signals, .readable, .signals)
        try register(listener, .readable, .listener)
        try register(timer, .readable, .timer)
    }

    private func note(lowering value: Int32) {
        do throws(SystemError) { try Files.writeExisting("\(value)", to: "/proc/self/oom_score_adj") } catch {
            record(ShimEvent(.note, time: Clocks.now(), message: "oom_score_adj \(value) of the shim was not set: \(error)"))
        }
    }

    func run() throws(SystemError) {
        var hasWorked = false
        while !isDone {
            // After a second of rest, what the heap still holds of plans and frames goes back to the kernel: most shims have
            // nothing to do for days. Not at once: the next container's pages would be faulted in again.
            let events = try poller.wait(milliseconds: hasWorked ? 1000 : -1)
            if events.isEmpty, hasWorked { clinux_release_memory() }
            hasWorked = !events.isEmpty
            for event in events { handle(event.token, event.ready) }
        }
    }

    // MARK: Registrations

    @discardableResult
    func register(_ file: FileDescriptor, _ interest: Readiness, _ source: Source) throws(SystemError) -> UInt64 {
        let token = nextToken
        nextToken += 1
        try poller.add(file, interest, token: token)
        sources[token] = source
        return token
    }

    /// Before the descriptor is closed; a closed one is gone from epoll by itself.
    func unregister(_ token: UInt64, _ file: FileDescriptor?) {
        if sources.removeValue(forKey: token) != nil, let file, file.raw >= 0 { try? poller.remove(file) } // it was added
    }

    func newClientToken(_ file: FileDescriptor) throws(SystemError) -> Client {
        let client = Client(socket: file, token: nextToken)
        nextToken += 1
        try poller.add(file, .readable, token: client.token)
        sources[client.token] = .client(client)
        return client
    }

    private func handle(_ token: UInt64, _ ready: Readiness) {
        // An earlier event of the same round may have ended this one.
        guard let source = sources[token] else { return }
        switch source {
        case .signals: drainSignals()
        case .listener: acceptClients()
        case .timer: expireExecs()
        case .client(let client): serve(client, ready)
        case .channel(let container): followChannel(of: container)
        case .output(let container, let stream):
            let file = container.output.sources[stream.rawValue]
            if !container.output.drain(stream) {
                container.tokens.remove(token)
                unregister(token, file)
            }
        case .containerInput(let container): resumeInput(of: container, token)
        case .clientInput(let container, let client): forwardInput(to: container, from: client, token)
        case .execChannel(let exec): followChannel(of: exec)
        }
    }

    private func drainSignals() {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 * 4, alignment: 8)
        defer { buffer.deallocate() }
        while let count = try? signals.read(into: buffer), count > 0 {} // EAGAIN ends it; which signal came does not matter
        reapChildren()
    }

    private func acceptClients() {
        while let socket = try? listener.accept(nonBlocking: true) { // EMFILE: the client waits for the next event
            guard let peer = try? socket.peer(), peer.uid == 0 || peer.uid == geteuid() else { continue }
            guard let client = try? newClientToken(socket) else { continue }
            clients[client.token] = client
            var hello = ShimHello()
            (hello.version, hello.sandbox, hello.pid, hello.lastEvent) = (shimProtocolVersion, pod.plan.id, getpid(), lastEvent)
            hello.initPID = namespaces.initProcess?.pid ?? 0
            send(Frame(.hello, hello), to: client)
        }
    }

    // MARK: Shutdown

    /// Ends when nothing runs any more.
    func finishShutdown() {
        guard let request = shutdownRequest, execs.isEmpty, namespaces.initProcess == nil else { return }
        for container in containers.values {
            guard case .exited = container.state else { return }
        }
        namespaces.unpin(path: pod.path)
        if pod.plan.sharedMemorySize > 0 { try? Mounts.unmount(pod.sharedMemory, detach: true) } // gone is as good
        try? Files.remove(ShimLauncher.socketName, at: directory)
        reply(request)
        // A few bytes into an empty socket: they do not wait.
        isDone = true
    }
}
