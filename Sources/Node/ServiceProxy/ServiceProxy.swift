internal import LinuxSystem
public import Logging
internal import Netlink
internal import Synchronization

/// What others may want to know of the proxy's life.
public enum ServiceProxyEvent: Sendable, CustomStringConvertible {
    /// The table is as it should be for the first time.
    case started(services: Int)
    /// Something else changed the table, and it has been made anew.
    case repaired(cause: String)
    /// The kernel refused; it is tried again.
    case failed(ServiceProxyError)

    public var description: String {
        switch self {
        case .started(let services): "service rules are in place for \(services) services"
        case .repaired(let cause): "service rules were changed by others and have been restored: \(cause)"
        case .failed(let error): "service rules could not be set: \(error)"
        }
    }
}

/// Puts Services and EndpointSlices into effect on this node.
///
/// ```
/// submit ─▶ store ─(wake)─▶ run: dirty Services ─▶ picture ─▶ difference ─▶ one transaction ─▶ connections that end
///                            ▲                                     │ refused: the whole table anew
///              foreign change, audit, node changed ────────────────┘
/// ```
/// Level-triggered: what is told while a transaction is under way is gathered and goes into the next one. The table stays
/// when the proxy ends; ``removeEverything(_:)`` takes it away.
public actor ServiceProxy {
    private let configuration: ServiceProxyConfiguration
    private let kernel: KernelTable
    private let clock: any Clock<Duration>
    private let logger: Logger
    private let handler: @Sendable (ServiceProxyEvent) -> Void
    private nonisolated let store = ServiceStore()
    private nonisolated let told = Mutex(ToldVersions())
    private nonisolated let wakes: AsyncStream<Wake>
    private nonisolated let wake: AsyncStream<Wake>.Continuation

    private var node: NodeDescription
    private var picture = Picture()
    /// Why the table must be made anew; nil: it is as the picture says.
    private var rebuild: Rebuild? = .first
    private var done: UInt64 = 0
    private var waiting: [(version: UInt64, continuation: CheckedContinuation<Void, any Error>)] = []
    private var hasEnded = false

    /// Repairs of the last while: who fights over the table must not keep the machine busy.
    private var repairs = 0
    static let mostRepairs = 10
    private static let repairWindow = Duration.seconds(10)

    private enum Wake: Sendable {
        case work
        /// A repair is no longer a recent one.
        case calm
        case kernel(TableMonitor.Event)
        case audit
    }

    private enum Rebuild {
        case first
        case nodeChanged
        case foreign(String)
        case failed
    }

    /// - Parameters:
    ///   - clock: by which it waits before it tries again, and between audits.
    ///   - handler: is told what happens; must not block.
    public init(
        configuration: ServiceProxyConfiguration = .init(), node: NodeDescription, clock: any Clock<Duration> = ContinuousClock(), logger: Logger,
        handler: @escaping @Sendable (ServiceProxyEvent) -> Void = { _ in }
    ) throws(ServiceProxyError) {
        (self.configuration, self.node, self.clock, self.logger, self.handler) = (configuration, node, clock, logger, handler)
        kernel = try wrapped("open netlink sockets") { try KernelTable(configuration: configuration) }
        (wakes, wake) = AsyncStream.makeStream()
    }

    /// What the table should hold.
    var elements: [TableElement] { picture.elements }

    // MARK: What is told

    /// Takes in news; returns at once.
    public nonisolated func submit(_ changes: ServiceChange...) { submit(changes) }

    public nonisolated func submit(_ changes: some Sequence<ServiceChange>) {
        if store.take(changes) { wake.yield(.work) }
    }

    /// Takes in what an informer holds. One reader at a time: what was read earlier must not be told later.
    nonisolated func submit(_ read: (inout ToldVersions) -> [ServiceChange?]) { told.withLock { submit(read(&$0).compactMap { $0 }) } }

    /// The node's addresses, ranges, zone.
    public func setNode(_ node: NodeDescription) {
        if node == self.node { return }
        self.node = node
        if rebuild == nil { rebuild = .nodeChanged }
        wake.yield(.work)
    }

    /// Waits until everything that was submitted before is in the kernel.
    /// - Throws: ``ServiceProxyError`` if the kernel refused it, or the proxy has ended.
    public func synchronize() async throws {
        let version = store.version
        if rebuild == nil, done >= version, !hasEnded { return }
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            if hasEnded { return continuation.resume(throwing: ServiceProxyError(.stopped, "the service proxy has ended")) }
            waiting.append((version, continuation))
            wake.yield(.work)
        }
    }

    // MARK: The loop

    /// Works until cancelled. Once only.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            let (wake, clock, interval) = (wake, clock, configuration.auditInterval)
            group.addTask {
                while (try? await clock.sleep(for: interval)) != nil { wake.yield(.audit) }  // ends when cancelled
            }
            do {
                try await kernel.watch { wake.yield(.kernel($0)) }
            } catch {
                logger.error("services: changes by others will be found by audits only: \(error)")
            }
            var failures = 0
            for await reason in wakes {
                let before = repairs
                let isDone = await handle(reason)
                if repairs > before {
                    group.addTask { if (try? await clock.sleep(for: Self.repairWindow)) != nil { wake.yield(.calm) } }
                }
                failures = isDone ? 0 : failures + 1
                if isDone { continue }
                let pause = Duration.milliseconds(min(100 << min(failures, 9), 30_000))
                group.addTask { if (try? await clock.sleep(for: pause)) != nil { wake.yield(.work) } }
            }
            await kernel.stopWatching()
            group.cancelAll()
        }
        hasEnded = true
        finishWaiting(upTo: .max, ServiceProxyError(.stopped, "the service proxy has ended"))
    }

    /// - Returns: false if it must be tried again.
    private func handle(_ reason: Wake) async -> Bool {
        do {
            switch reason {
            case .work: break
            case .calm: repairs -= 1
            case .kernel(.foreign(let change)):
                // What came before our own last replacement has been made good by it.
                if await change.generation.isAfter(kernel.lastReplacement), rebuild == nil { rebuild = .foreign(change.description) }
            case .kernel(.overrun), .audit: try await audit()
            }
            if try await !work() {
                try await audit()
                _ = try await work()
            }
            return true
        } catch {
            let error = error as? ServiceProxyError ?? ServiceProxyError(.kernel, "\(error)", cause: error)
            rebuild = rebuild ?? .failed
            logger.error("services: \(error)")
            handler(.failed(error))
            finishWaiting(upTo: .max, error)
            return false
        }
    }

    private func audit() async throws {
        guard rebuild == nil else { return }
        let (elements, node) = (picture.elements, node)
        let differences = try await kernel.audit(elements, node: node)
        try await kernel.setUpRoute(node)
        if !differences.isEmpty { rebuild = .foreign(differences.joined(separator: "; ")) }
    }

    /// - Returns: false if something of others may have gone unheard.
    private func work() async throws -> Bool {
        let reason = rebuild
        let isNewNode: Bool
        switch reason {
        case .first?, .nodeChanged?: isNewNode = true
        case .foreign?:
            // Others do it again and again: the next calm moment wakes us.
            if repairs >= Self.mostRepairs { return true }
            isNewNode = false
        case .failed?, nil: isNewNode = false
        }
        guard let work = store.work(all: isNewNode) else { return true }
        var isSure = true
        do {
            let change = picture.update(work.services, slices: { work.slices[$0] ?? [] }, node: node)
            if let reason {
                isSure = try await replace(reason)
            } else if !change.isEmpty {
                isSure = try await apply(change)
            }
        } catch {
            // The picture has the changes already; the table gets all of it next time.
            rebuild = rebuild ?? .failed
            throw error
        }
        done = max(done, work.version)
        finishWaiting(upTo: done, nil)
        return isSure
    }

    private func apply(_ change: PictureChange) async throws -> Bool {
        let isSure: Bool
        do {
            isSure = try await kernel.apply(change)
        } catch {
            // The table is not what we took it for: made anew at once. A foreign change can be quicker than the news of it.
            logger.warning("services: \(error): the table is made anew")
            return try await replace(.foreign("\(error)"))
        }
        if !change.connections.isEmpty { try await kernel.endConnections(change.connections) }
        return isSure
    }

    private func replace(_ reason: Rebuild) async throws -> Bool {
        let node = node
        try await kernel.setUpRoute(node)
        let isSure = try await kernel.replace(picture.elements, node: node)
        // The node may have changed meanwhile.
        rebuild = node == self.node ? nil : .nodeChanged
        try await kernel.endConnections(picture.connections, isComplete: true, ranges: node.serviceCIDRs)
        switch reason {
        case .first:
            logger.info("services: rules are in place for \(picture.services.count) services")
            handler(.started(services: picture.services.count))
        case .foreign(let cause):
            repairs += 1
            logger.warning("services: rules were changed by others and have been restored: \(cause)")
            handler(.repaired(cause: cause))
        case .nodeChanged, .failed: break
        }
        return isSure
    }

    private func finishWaiting(upTo version: UInt64, _ error: (any Error)?) {
        let ready = waiting.filter { $0.version <= version }
        waiting.removeAll { $0.version <= version }
        for (_, continuation) in ready {
            if let error { continuation.resume(throwing: error) } else { continuation.resume() }
        }
    }

    // MARK: Reset

    /// Removes the table and the bridge: for a node that is given up. Idempotent.
    public static func removeEverything(_ configuration: ServiceProxyConfiguration) async throws(ServiceProxyError) {
        let kernel = try wrapped("open netlink sockets") { try KernelTable(configuration: configuration) }
        do {
            try await kernel.removeEverything()
        } catch {
            throw ServiceProxyError(.kernel, "remove service rules: \(error)", cause: error)
        }
    }
}

/// Runs a step of the kernel's and names it in the error.
private func wrapped<R>(_ operation: String, _ body: () throws -> R) throws(ServiceProxyError) -> R {
    do { return try body() } catch { throw ServiceProxyError(.kernel, "\(operation): \(error)", cause: error) }
}

extension UInt32 {
    /// In the order of numbers that wrap around.
    fileprivate func isAfter(_ other: UInt32) -> Bool { Int32(bitPattern: self &- other) > 0 }
}
