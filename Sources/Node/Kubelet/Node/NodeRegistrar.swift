internal import BlockingCalls
internal import JSONTree
internal import KubeClient
internal import Logging
internal import Runtime

/// Registers the node and keeps its heart beating: a Lease every quarter of its duration, the status when it changes
/// and every few minutes. A node that someone deletes registers again.
///
/// ```
/// register ──▶ beat, report ──(the object is gone, or another one has its name)──┐
///    ▲                                                                           │
///    └───────────────────────────────────────────────────────────────────────────┘
/// ```
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
        events.record(target(uid: document.configuration.nodeName), .normal, reason: "Starting", message: "Starting kubelet.")
        while let node = await register() {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await beat(node) }
                group.addTask { await report(node) }
                // Only the report ends by itself, with the object.
                await group.next()
                group.cancelAll()
            }
            if !Task.isCancelled { logger.warning("the node's object is gone: registering again") }
        }
    }

    // MARK: Registration

    /// Registers until it works. Returns nil when cancelled.
    private func register() async -> JSON? {
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
                    let lease = document.lease(owner: node, now: clock.now())
                    do { try await client.createLease(lease) } catch let error as KubeError where error.isAlreadyExists {
                        // It may be that of a node object that is gone: without its new owner it would be collected.
                        let owners = lease[path: "metadata", "ownerReferences"] ?? []
                        try await client.patchLease(name, ["metadata": ["ownerReferences": owners], "spec": lease["spec"] ?? [:]])
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

    private enum Cause: Sendable {
        case measure
        /// What the API server has; nil: nothing.
        case seen(JSON?)
    }

    /// Returns when the node's object is gone, or cancelled.
    private func report(_ node: JSON) async {
        let (client, clock, name) = (client, clock, document.configuration.nodeName)
        let causes = Mailbox<Cause>()
        await withDiscardingTaskGroup { group in
            group.addTask {
                repeat { causes.send(.measure) } while (try? await clock.sleep(for: Self.measurePeriod)) != nil  // Only cancellation ends a sleep early.
            }
            group.addTask { for await seen in client.nodeChanges(name) { causes.send(.seen(seen)) } }
            var sent = SentStatus(conditions: node[path: "status", "conditions"]?.array ?? [])
            for await batch in causes.batches {
                var exists = true
                for case .seen(let seen) in batch {
                    exists = seen?[path: "metadata", "uid"] == node[path: "metadata", "uid"]
                    // Others write conditions too: that the node was silent must not stand any longer than it is.
                    if let conditions = seen?[path: "status", "conditions"]?.array { sent.conditions = conditions }
                }
                if exists { exists = await tell(&sent) }
                if !exists || Task.isCancelled { break }
            }
            group.cancelAll()
        }
    }

    private struct SentStatus {
        /// As the server has them.
        var conditions: [JSON]
        var at: WallTime?
        var images: [ImageStatus] = []
    }

    /// Sends the status if it has changed, or if it is time.
    /// - Returns: false if there is no such node.
    private func tell(_ sent: inout SentStatus) async -> Bool {
        let now = clock.now()
        let fresh = NodeConditions.build(await measure(), previous: sent.conditions, now: now)
        let images = await imageList()
        let isDue = sent.at.map { now - $0 >= document.configuration.statusPeriod } ?? true
        guard isDue || images != sent.images || NodeConditions.differ(fresh, sent.conditions) else { return true }
        do {
            try await client.patchNodeStatus(document.configuration.nodeName, ["status": document.status(conditions: fresh, images: images)])
            announce(from: sent.at == nil ? [] : sent.conditions, to: fresh)
            sent = SentStatus(conditions: fresh, at: now, images: images)
        } catch {
            // The watch says so too, but not every cluster lets nodes watch.
            if (error as? KubeError)?.isNotFound == true, await isGone() { return false }
            logger.warning("cannot report the node's status", metadata: ["error": "\(error)"])
        }
        return true
    }

    private func isGone() async -> Bool {
        do {
            _ = try await client.node(document.configuration.nodeName)
            return false
        } catch {
            return (error as? KubeError)?.isNotFound == true
        }
    }

    private func measure() async -> NodeConditions.Pressure {
        let monitor = monitor
        // The closure does not throw.
        return (try? await BlockingThreads.kubelet.run { monitor.measure() }) ?? NodeConditions.Pressure()
    }

    private func imageList() async -> [ImageStatus] {
        do { return try await images.images() } catch {
            logger.warning("cannot list images", metadata: ["error": "\(error)"])
            return []
        }
    }

    private func announce(from old: [JSON], to new: [JSON]) {
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
