public import Images
public import Logging
import BlockingCalls
import Cgroups
import Glibc
import LinuxSystem
import Seccomp
import ShimProtocol
import Synchronization

/// The containers and pods of this host: ``ContainerRuntime`` over shims, cgroups and unpacked images.
///
/// Call ``start()`` once before anything else: it adopts what an earlier agent left running and takes back what it left
/// half made. ``shutdown()`` lets go; nothing stops.
public final class NodeRuntime: ContainerRuntime, ImageService {
    let services: RuntimeServices
    let images: ImageStore
    private struct Registry {
        var sandboxes: [String: Sandbox] = [:]
        /// Container id to sandbox id.
        var owners: [String: String] = [:]
    }
    private let registry = Mutex(Registry())
    /// What containers need of the images that were used last, by id.
    let prepared = Mutex<[String: PreparedImage]>([:])

    /// - Throws: ``RuntimeError`` if the directories or the shim's program cannot be used.
    public init(configuration: RuntimeConfiguration, images: ImageStore, network: any SandboxNetwork, logger: Logger) throws(RuntimeError) {
        self.images = images
        let directories = configuration.directories
        do {
            try directories.prepare()
            guard try Files.status(configuration.shimPath, follow: true).mode & 0o111 != 0 else {
                throw SystemError(operation: "find the program swiftlet-shim", errno: EACCES, path: configuration.shimPath)
            }
            let shims = try configuration.cgroupRoot.cgroup(configuration.shimCgroup)
            let places = CgroupPlaces(try shims.create(tracked: true), root: configuration.cgroupRoot)
            try shims.keepDeviceProgramsActive()
            services = RuntimeServices(
                configuration: configuration, directories: directories, images: images, network: network, hub: RuntimeEventHub(),
                ranges: UserNamespaceRanges(first: configuration.userNamespaceFirstID, count: configuration.userNamespaceCount),
                cleaner: HostCleaner(cgroupRoot: configuration.cgroupRoot, network: network, logger: logger),
                shimCgroup: places.forShims, shimProgram: try ShimProgram(configuration.shimPath), seccomp: SeccompCompiler(), threads: BlockingThreads(),
                host: try HostAbilities.current(), logger: logger)
        } catch {
            throw RuntimeError(.sandboxFailed, "prepare the runtime: \(error)", step: "prepare the runtime", errno: (error as? SystemError)?.errno ?? 0)
        }
    }

    // MARK: Start and end

    /// Adopts running pods, takes back what was half made. One sandbox that cannot be adopted does not keep the others.
    public func start() async throws {
        if let limitation = services.host.limitation { services.logger.warning("\(limitation)") }
        try await blocking {
            let ids = Set(try NodeDirectories.names(in: self.services.directories.ledgers)).union(try NodeDirectories.names(in: self.services.directories.pods))
            await withTaskGroup(of: Void.self) { group in
                for id in ids.sorted() { group.addTask { await self.adopt(id) } }
            }
            try self.removeUnowned()
        }
    }

    private func adopt(_ id: String) async {
        do {
            if let sandbox = try Sandbox.load(id, services: services) {
                registry.withLock { $0.sandboxes[id] = sandbox }
                try await sandbox.adopt()
                let containers = await sandbox.containerStatuses.map(\.id)
                registry.withLock { registry in for container in containers { registry.owners[container] = id } }
            } else {
                let ledger = try Ledger(path: services.directories.ledger(id))
                // A pod directory without a ledger entry is from a power cut: the run directory outlived the data directory.
                let pod = LedgerEntry(scope: .sandbox, kind: .directory, path: services.directories.pod(id))
                try await services.cleaner.undo(ledger.outstanding.contains(pod) ? ledger.outstanding : [pod] + ledger.outstanding, sandbox: id)
                try ledger.remove()
            }
        } catch {
            services.logger.error("could not adopt sandbox \(id): \(error)")
        }
    }

    /// Root file systems and claims on images of no container: a reboot takes the run directory with the records.
    private func removeUnowned() throws {
        let owners = registry.withLock { $0.owners }
        for holder in try images.holds().keys where owners[holder] == nil { try images.release(holder: holder) }
        for name in try NodeDirectories.names(in: services.directories.containers) where owners[name] == nil {
            do { try Files.removeTree(services.directories.root(name)) } catch {
                services.logger.warning("could not remove the root file system of container \(name): \(error)")
            }
        }
    }

    /// Lets go of every shim; pods go on. Streams of events end.
    public func shutdown() async {
        for sandbox in registry.withLock({ Array($0.sandboxes.values) }) { await sandbox.detach() }
        services.hub.finish()
    }

    /// Runs the body, and the actors it calls, where blocking is allowed.
    func blocking<R: Sendable>(_ body: @Sendable () async throws -> R) async throws -> R {
        try await withTaskExecutorPreference(services.threads) { try await body() }
    }

    // MARK: Look-ups

    private func sandbox(_ id: String) -> Sandbox? { registry.withLock { $0.sandboxes[id] } }

    /// For the parts of this type in other files.
    func registryEntry(of sandbox: String) -> Sandbox? { self.sandbox(sandbox) }

    private func owner(of container: String) -> Sandbox? {
        registry.withLock { registry in registry.owners[container].flatMap { registry.sandboxes[$0] } }
    }

    private func requireOwner(of container: String) throws(RuntimeError) -> Sandbox {
        guard let sandbox = owner(of: container) else { throw RuntimeError(.notFound, "container \(container) does not exist") }
        return sandbox
    }

    // MARK: Sandboxes

    public func runSandbox(_ configuration: SandboxConfiguration) async throws -> SandboxStatus {
        let id = try Identifiers.sandbox(configuration)
        return try await blocking {
            let sandbox = try self.reserve(id, configuration)
            do {
                try await sandbox.run()
            } catch {
                self.registry.withLock { $0.sandboxes[id] = nil }
                throw error
            }
            return await sandbox.status
        }
    }

    /// Enters the sandbox before the first step, so that a second call for the same pod is refused.
    private func reserve(_ id: String, _ configuration: SandboxConfiguration) throws -> Sandbox {
        guard sandbox(id) == nil else { throw RuntimeError(.alreadyExists, "sandbox \(id) exists already") }
        let range = configuration.hostUsers ? nil : try services.ranges.take()
        do {
            let record = SandboxRecord(
                id: id, configuration: configuration, state: .notReady, addresses: [], createdAt: Clocks.now(), userNamespaceStart: range)
            let sandbox = Sandbox(record: record, phase: .making, ledger: try Ledger(path: services.directories.ledger(id)), services: services)
            let isNew = registry.withLock { registry in
                guard registry.sandboxes[id] == nil else { return false }
                registry.sandboxes[id] = sandbox
                return true
            }
            guard isNew else { throw RuntimeError(.alreadyExists, "sandbox \(id) exists already") }
            return sandbox
        } catch {
            if let range { services.ranges.giveBack(range) }
            throw error
        }
    }

    public func stopSandbox(_ id: String) async throws {
        guard let sandbox = sandbox(id) else { return }
        try await blocking { try await sandbox.stop() }
    }

    public func removeSandbox(_ id: String) async throws {
        guard let sandbox = sandbox(id) else { return }
        try await blocking { try await sandbox.remove() }
        registry.withLock { registry in
            registry.sandboxes[id] = nil
            registry.owners = registry.owners.filter { $0.value != id }
        }
    }

    public func sandboxes() async -> [SandboxStatus] {
        var result: [SandboxStatus] = []
        for sandbox in registry.withLock({ Array($0.sandboxes.values) }) where await sandbox.isVisible { result.append(await sandbox.status) }
        return result.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    }

    // MARK: Containers

    public func createContainer(in sandbox: String, _ configuration: ContainerConfiguration) async throws -> String {
        guard let found = self.sandbox(sandbox) else { throw RuntimeError(.notFound, "sandbox \(sandbox) does not exist") }
        let container = try await blocking { try await found.create(configuration, image: self.prepare(configuration.image)) }
        registry.withLock { $0.owners[container] = sandbox }
        return container
    }

    public func startContainer(_ id: String) async throws {
        let sandbox = try requireOwner(of: id)
        try await blocking { try await sandbox.start(id) }
    }

    public func stopContainer(_ id: String, signal: Int32?, grace: Duration) async throws {
        guard let sandbox = owner(of: id) else { return }
        try await blocking { try await sandbox.stop(id, signal: signal, grace: grace) }
    }

    public func removeContainer(_ id: String) async throws {
        guard let sandbox = owner(of: id) else { return }
        try await blocking { try await sandbox.remove(id) }
        registry.withLock { $0.owners[id] = nil }
    }

    public func containers(in sandbox: String?) async -> [ContainerStatus] {
        let chosen = registry.withLock { registry in sandbox.map { registry.sandboxes[$0].map { [$0] } ?? [] } ?? Array(registry.sandboxes.values) }
        var result: [ContainerStatus] = []
        for sandbox in chosen { result += await sandbox.containerStatuses }
        return result.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    }

    public func exec(in container: String, _ request: ExecRequest) async throws -> any ExecSession {
        let sandbox = try requireOwner(of: container)
        return try await blocking { try await sandbox.exec(in: container, request) }
    }

    public func attach(to container: String, _ request: AttachRequest) async throws -> any AttachSession {
        let sandbox = try requireOwner(of: container)
        return try await blocking { try await sandbox.attach(to: container, request) }
    }

    public func reopenLog(of container: String) async throws {
        let sandbox = try requireOwner(of: container)
        try await blocking { try await sandbox.reopenLog(of: container) }
    }

    public func events() async -> AsyncStream<RuntimeEvent> { services.hub.subscribe() }
}
