internal import JSONTree
internal import KubeClient
internal import Logging
internal import Runtime

/// Registers the node and keeps its heart beating: a Lease every quarter of its duration, the status when it changes
/// and every few minutes.
struct NodeRegistrar: Sendable {
    var document: NodeDocument
    var client: any KubeletAPIClient
    var images: any ImageService
    var events: any EventSink
    var monitor: PressureMonitor
    var clock: any KubeletClock
    var logger: Logger

    /// How often the node is measured; a change goes out at once.
    private static let measurePeriod = Duration.seconds(10)

    func run() async {
        await withDiscardingTaskGroup { group in
            guard let node = await register() else { return }
            group.addTask { await beat(node) }
            group.addTask { await report(node) }
        }
    }

    // MARK: Registration

    /// Registers until it works. Returns nil when cancelled.
    private func register() async -> JSON? {
        events.record(target(uid: document.configuration.nodeName), .normal, reason: "Starting", message: "Starting kubelet.")
        var delay = Duration.milliseconds(200)
        while !Task.isCancelled {
            do { return try await registerOnce() } catch {
                logger.warning("cannot register the node yet", metadata: ["error": "\(error)"])
                guard (try? await clock.sleep(for: delay)) != nil else { return nil }  // Only cancellation ends a sleep early.
                delay = min(delay * 2, .seconds(7))
            }
        }
        return nil
    }

    private func registerOnce() async throws -> JSON {
        let name = document.configuration.nodeName
        do {
            let node = try await client.node(name)
            if let patch = document.patch(for: node) { try await client.patchNode(name, patch) }
            return node
        } catch let error as KubeError where error.isNotFound {
            // The first status comes with the object: a scheduler may use the node at once.
            let conditions = NodeConditions.build(await measure(), previous: [], now: clock.now())
            let node = document.node(conditions: conditions, images: await imageList())
            do { try await client.createNode(node) } catch let error as KubeError where error.isAlreadyExists {}
            let created = try await client.node(name)
            // A server keeps the status of a new object only if its strategy says so.
            if created["status"]?["capacity"] == nil { try await client.patchNodeStatus(name, ["status": node["status"] ?? [:]]) }
            return created
        }
    }

    // MARK: Lease

    private func beat(_ node: JSON) async {
        let name = document.configuration.nodeName
        let period = document.configuration.leaseDuration / 4
        var exists = false
        while !Task.isCancelled {
            var wait = period
            do {
                if exists {
                    try await client.patchLease(name, ["spec": ["holderIdentity": JSON(name), "renewTime": JSON(clock.now().rfc3339Micro)]])
                } else {
                    do { try await client.createLease(document.lease(owner: node, now: clock.now())) } catch let error as KubeError where error.isAlreadyExists {
                        try await client.patchLease(name, ["spec": ["holderIdentity": JSON(name), "renewTime": JSON(clock.now().rfc3339Micro)]])
                    }
                    exists = true
                }
            } catch {
                if (error as? KubeError)?.isNotFound == true { exists = false }
                logger.warning("cannot renew the node's lease", metadata: ["error": "\(error)"])
                wait = min(period, .seconds(1))
            }
            guard (try? await clock.sleep(for: wait)) != nil else { return }  // Only cancellation ends a sleep early.
        }
    }

    // MARK: Status

    private func report(_ node: JSON) async {
        var conditions = node[path: "status", "conditions"]?.array ?? []
        var sentAt: WallTime?
        var sentImages: [ImageStatus] = []
        while !Task.isCancelled {
            let now = clock.now()
            let fresh = NodeConditions.build(await measure(), previous: conditions, now: now)
            let images = await imageList()
            let changed = images != sentImages || fresh.map { $0["status"] } != conditions.map { $0["status"] }
            if sentAt.map({ now - $0 >= document.configuration.statusPeriod }) ?? true || changed {
                do {
                    try await client.patchNodeStatus(document.configuration.nodeName, ["status": document.status(conditions: fresh, images: images)])
                    announce(from: sentAt == nil ? [] : conditions, to: fresh, node)
                    (conditions, sentAt, sentImages) = (fresh, now, images)
                } catch {
                    logger.warning("cannot report the node's status", metadata: ["error": "\(error)"])
                }
            }
            guard (try? await clock.sleep(for: Self.measurePeriod)) != nil else { return }  // Only cancellation ends a sleep early.
        }
    }

    private func measure() async -> NodeConditions.Pressure {
        let monitor = monitor
        // The closure does not throw.
        return (try? await BlockingWork.run { monitor.measure() }) ?? NodeConditions.Pressure()
    }

    private func imageList() async -> [ImageStatus] {
        do { return try await images.images() } catch {
            logger.warning("cannot list images", metadata: ["error": "\(error)"])
            return []
        }
    }

    private func announce(from old: [JSON], to new: [JSON], _ node: JSON) {
        for condition in new {
            guard let type = condition["type"]?.string, let status = condition["status"]?.string else { continue }
            guard old.first(where: { $0["type"]?.string == type })?["status"]?.string != status else { continue }
            let reason = type == "Ready" ? (status == "True" ? "NodeReady" : "NodeNotReady") : "Node" + (condition["reason"]?.string ?? "").dropFirst("Kubelet".count)
            events.record(target(uid: document.configuration.nodeName), .normal, reason: reason, message: "Node \(document.configuration.nodeName) status is now: \(reason)")
        }
    }

    /// The kubelet names a node by its name where others have a UID: that is how `kubectl describe node` finds its events.
    private func target(uid: String) -> EventTarget {
        EventTarget(kind: "Node", namespace: "", name: document.configuration.nodeName, uid: uid)
    }
}
