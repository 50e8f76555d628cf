internal import JSONTree
public import KubeClient
internal import KubeHTTP
internal import KubeTypes
public import Logging
public import Runtime

/// The node agent of Kubernetes: registers this machine as a node and runs the pods that are bound to it.
///
/// ```
/// API server ──watch──> PodDispatcher ──> PodWorker (one a pod) ──> ContainerRuntime, ImageService
///     ^                      ^                  │
///     └─ status, events, lease                  └─ volumes, probes, hooks
///                            └── runtime events
/// ```
public final class Kubelet: Sendable {
    private let services: PodServices
    private let dispatcher: PodDispatcher
    private let events: EventRecorder
    private let registrar: NodeRegistrar
    private let source: any PodSource
    /// Serves port 10250; the program puts it behind a TLS server that asks for client certificates.
    public let handler: KubeletHandler

    /// - Throws: `KubeletError` if the machine cannot be read or the data directory cannot be used.
    public convenience init(
        configuration: KubeletConfiguration, client: KubeClient, runtime: any ContainerRuntime, images: any ImageService,
        traffic: any PodTraffic = OpenTraffic(), logger: Logger, clock: any KubeletClock = SystemClock()
    ) throws {
        let server = APIServerConnection(client: client, nodeName: configuration.nodeName, logger: logger)
        try self.init(
            configuration: configuration, client: server, source: server, runtime: runtime, images: images, traffic: traffic, mounter: HostMounter(), probes: nil,
            logger: logger, clock: clock)
    }

    init(
        configuration: KubeletConfiguration, client: any KubeletAPIClient, source: any PodSource, runtime: any ContainerRuntime, images: any ImageService,
        traffic: any PodTraffic = OpenTraffic(), mounter: any VolumeMounter, probes: (any ProbeExecutor)?, logger: Logger, clock: any KubeletClock
    ) throws {
        guard PodStore.isValid(uid: configuration.nodeName.filter { $0 != "." }) else {
            throw KubeletError(.configuration, "node name: expected lower-case letters, digits, '-' and '.', found \"\(configuration.nodeName)\"")
        }
        let store = PodStore(root: configuration.dataDirectory + "/pods", logRoot: configuration.logDirectory)
        try HostFiles.makeDirectory(store.root, mode: 0o700)
        try HostFiles.makeDirectory(store.logRoot, mode: 0o755)
        let machine = try MachineFacts(dataDirectory: configuration.dataDirectory)
        let node = NodeFacts(
            name: configuration.nodeName, addresses: configuration.nodeAddresses,
            allocatable: ContainerDemand(cpuLimit: Int64(machine.cpus) * 1000, memoryLimit: machine.memory), memory: machine.memory, storage: machine.storage)
        let references = ConfigObjects(client: client)
        let tokens = ServiceAccountTokens(client: client, clock: clock, logger: logger)
        let http = HTTPProbe()
        events = EventRecorder(client: client, clock: clock, nodeName: configuration.nodeName, logger: logger)
        services = PodServices(
            configuration: configuration, runtime: runtime, images: images, client: client, events: events,
            probes: probes ?? ProbeRunner(runtime: runtime, http: http), http: http, clock: clock, store: store,
            volumes: VolumeManager(store: store, mounter: mounter, references: references, tokens: tokens, clock: clock, node: node), references: references,
            tokens: tokens, links: ServiceDirectory(client: client, clock: clock), node: node, traffic: traffic,
            logger: logger)
        dispatcher = PodDispatcher(services: services)
        registrar = NodeRegistrar(
            document: NodeDocument(configuration: configuration, machine: machine), client: client, images: images, events: events,
            monitor: PressureMonitor(dataDirectory: configuration.dataDirectory), clock: clock, logger: logger)
        self.source = source
        handler = KubeletHandler(dispatcher: dispatcher, services: services, watcher: try FileWatcher())
    }

    /// Runs until cancelled. Pods run on when it ends, and are adopted when it runs again.
    public func run() async throws {
        let runtimeEvents = await services.runtime.events()
        await adopt()
        await withDiscardingTaskGroup { group in
            group.addTask { [events] in await events.run() }
            group.addTask { [dispatcher] in await dispatcher.run() }
            group.addTask { [services] in await services.links.run() }
            group.addTask { [services, dispatcher] in await services.tokens.run { await dispatcher.tokenDue(uid: $0) } }
            group.addTask { [dispatcher] in
                for await event in runtimeEvents { await dispatcher.runtimeMoved(sandbox: event.sandbox) }
            }
            group.addTask { [dispatcher, source] in
                for await change in source.pods() {
                    switch change {
                    case .changed(let pod): await dispatcher.changed(pod)
                    case .removed(let pod): await dispatcher.removed(pod)
                    case .synchronized(let uids): await dispatcher.synchronized(uids: uids)
                    }
                }
            }
            group.addTask { [registrar] in await registrar.run() }
        }
        await services.references.shutdown()
        try await services.http.shutdown()
    }

    /// Goes on with the pods of an earlier agent, and removes what belongs to none.
    private func adopt() async {
        let (pods, orphans) = services.store.load(logger: services.logger)
        let known = Set(pods.map(\.record.uid))
        for sandbox in await services.runtime.sandboxes() where !known.contains(sandbox.configuration.uid) {
            services.logger.warning("removing a sandbox that belongs to no pod", metadata: ["sandbox": "\(sandbox.id)"])
            do {
                try await services.runtime.stopSandbox(sandbox.id)
                try await services.runtime.removeSandbox(sandbox.id)
            } catch {
                services.logger.error("cannot remove a sandbox", metadata: ["sandbox": "\(sandbox.id)", "error": "\(error)"])
            }
        }
        for uid in orphans {
            do {
                try await services.volumes.tearDown(uid)
                try HostFiles.remove(services.store.directory(uid))
            } catch {
                services.logger.error("cannot remove what is left of a pod", metadata: ["uid": "\(uid)", "error": "\(error)"])
            }
        }
        await dispatcher.adopt(pods)
    }
}

extension RuntimeEvent {
    var sandbox: String {
        switch self {
        case .containerStarted(let sandbox, _), .containerExited(let sandbox, _, _), .sandboxFailed(let sandbox, _): sandbox
        }
    }
}
