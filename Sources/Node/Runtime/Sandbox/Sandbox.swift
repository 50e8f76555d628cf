import Cgroups
import JSONTree
import LinuxSystem
import Logging
import ShimProtocol

/// One pod on this host: its namespaces, its shim, its containers.
///
///     making ──▶ ready ──▶ stopping ──▶ stopped ──▶ removed
///        │         └─shim died─▶ failed ──▲
///        └─failed: everything made is taken back, the sandbox never was
///
/// An actor, so that calls on one pod keep out of each other's way and calls on different pods run in parallel. Its bodies
/// run on ``BlockingThreads``.
actor Sandbox {
    enum Phase: Sendable { case making, ready, stopping, stopped, failed, removed, detached }

    struct Container {
        var record: ContainerRecord
        /// From its making until its start: most are started at once, and need not read it again.
        var plan: ContainerPlan?
        /// A start, stop or removal is under way: what must not happen twice at one time.
        var isStarting = false
        var isRemoving = false
        var waiters: [UInt64: CheckedContinuation<Bool, Never>] = [:]
    }

    nonisolated let id: String
    let services: RuntimeServices
    let ledger: Ledger
    var record: SandboxRecord
    var phase: Phase
    var containers: [String: Container] = [:]
    var shim: ShimClient?
    /// Reads the shim's events until it is gone.
    var eventTask: Task<Void, Never>?
    var nextWaiter: UInt64 = 0
    var execs: [UInt64: ShimExecSession] = [:]
    /// Commands whose start has not been answered yet, with their end if it came first.
    var startingExecs: [UInt64: ExitRecord?] = [:]

    init(record: SandboxRecord, phase: Phase, ledger: Ledger, services: RuntimeServices) {
        id = record.id
        self.record = record
        self.phase = phase
        self.ledger = ledger
        self.services = services
    }

    var directories: NodeDirectories { services.directories }
    var status: SandboxStatus { record.status }
    /// A sandbox is there for others from its making to its removal.
    var isVisible: Bool { phase != .making && phase != .removed }
    var containerStatuses: [ContainerStatus] { containers.values.map(\.record.status).sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) } }

    var network: String { ShimLauncher.namespacePath("net", in: directories.pod(id)) }
    /// The pod's `/dev/shm`, mounted by the shim.
    var sharedMemory: String { directories.pod(id) + "/shm" }
    /// Where the minimal init of a shared process namespace runs.
    var initCgroup: String { record.configuration.cgroupParent + "/init" }

    // MARK: State files

    func persistSandbox() throws {
        try Files.writeAtomically(record.json.bytes(), to: directories.sandboxFile(id), durable: false)
    }

    func persist(_ container: ContainerRecord) throws {
        try Files.writeAtomically(container.json.bytes(), to: directories.containerFile(id, container.id), durable: false)
    }

    // MARK: Look-ups

    func requireReady() throws(RuntimeError) -> ShimClient {
        guard phase == .ready, let shim else {
            throw RuntimeError(.wrongState, "sandbox \(id) is not ready: \(record.failure.isEmpty ? "it has been stopped" : record.failure)")
        }
        return shim
    }

    func container(_ container: String) throws(RuntimeError) -> Container {
        guard let found = containers[container] else { throw RuntimeError(.notFound, "container \(container) does not exist") }
        return found
    }

    func cgroup(of container: String) throws -> Cgroup {
        try services.configuration.cgroupRoot.cgroup("\(record.configuration.cgroupParent)/\(container)")
    }

    /// What its containers' resolution depends on.
    var podContext: PodContext {
        let configuration = record.configuration
        return PodContext(
            hostname: configuration.hostname, hostNetwork: configuration.hostNetwork, hostPID: configuration.hostPID,
            hostIPC: configuration.hostIPC, userNamespace: !configuration.hostUsers)
    }

    // MARK: Waiting for an exit

    /// True when the container has exited, false when `timeout` has passed first.
    func waitForExit(_ container: String, timeout: Duration?) async -> Bool {
        guard let found = containers[container], found.record.isRunning || found.isStarting else { return true }
        let token = nextWaiter
        nextWaiter += 1
        let timer = timeout.map { timeout in
            // Unstructured: it must outlive nothing but this call, which cancels it.
            Task { [weak self] in
                do { try await Task.sleep(for: timeout) } catch { return }
                await self?.resume(container, token, exited: false)
            }
        }
        let exited = await withCheckedContinuation { continuation in
            containers[container]?.waiters[token] = continuation
        }
        timer?.cancel()
        return exited
    }

    private func resume(_ container: String, _ token: UInt64, exited: Bool) {
        containers[container]?.waiters.removeValue(forKey: token)?.resume(returning: exited)
    }

    func resumeWaiters(of container: String) {
        let waiters = containers[container]?.waiters ?? [:]
        containers[container]?.waiters = [:]
        for waiter in waiters.values { waiter.resume(returning: true) }
    }
}
