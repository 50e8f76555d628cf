internal import JSONTree
internal import KubeClient
internal import Logging
import Synchronization

/// What an event is about.
struct EventTarget: Sendable, Hashable {
    var kind = "Pod"
    var namespace: String
    var name: String
    var uid: String
    /// `spec.containers{name}` for a container's events.
    var fieldPath: String?
}

/// Where the kubelet's parts leave their events. A seam for tests.
protocol EventSink: Sendable {
    func record(_ target: EventTarget, _ type: EventType, reason: String, message: String)
}

enum EventType: String, Sendable { case normal = "Normal", warning = "Warning" }

/// Sends events in the background, in order; ``EventCorrelator`` decides what becomes of repeats and of too many.
///
/// Recording never waits. With the API server away repeats are counted, and the newest events are kept, up to a bound.
final class EventRecorder: EventSink {
    private struct Entry: Sendable {
        var target: EventTarget
        var occurrence: EventCorrelator.Occurrence
        var first: WallTime
        var last: WallTime
        var times = 1
    }
    private struct Waiting {
        var entries: [Entry] = []
        var dropped = 0
    }

    private static let capacity = 1000

    private let waiting = Mutex(Waiting())
    private let mailbox = Mailbox<Void>()
    private let client: any KubeletAPIClient
    private let clock: any KubeletClock
    private let logger: Logger
    private let nodeName: String

    init(client: any KubeletAPIClient, clock: any KubeletClock, nodeName: String, logger: Logger) {
        (self.client, self.clock, self.nodeName, self.logger) = (client, clock, nodeName, logger)
    }

    func record(_ target: EventTarget, _ type: EventType, reason: String, message: String) {
        let object = EventCorrelator.EventObject(apiVersion: "v1", kind: target.kind, namespace: target.namespace, name: target.name, uid: target.uid)
        let occurrence = EventCorrelator.Occurrence(
            object: object, fieldPath: target.fieldPath ?? "", type: type.rawValue, reason: reason, message: String(message.prefix(1024)))
        let now = clock.now()
        waiting.withLock { waiting in
            if let index = waiting.entries.firstIndex(where: { $0.occurrence == occurrence }) {
                waiting.entries[index].times += 1
                waiting.entries[index].last = now
                return
            }
            waiting.entries.append(Entry(target: target, occurrence: occurrence, first: now, last: now))
            if waiting.entries.count > Self.capacity {
                waiting.entries.removeFirst()
                waiting.dropped += 1
            }
        }
        mailbox.send(())
    }

    /// Sends until cancelled.
    func run() async {
        var correlator = EventCorrelator()
        for await _ in mailbox.batches {
            while let entry = next() {
                let verdict = correlator.observe(entry.occurrence, times: entry.times, now: .nanoseconds(clock.sinceBoot().nanoseconds))
                guard !verdict.isDropped else {
                    logger.debug("too many events of one object: not sent", metadata: ["reason": "\(entry.occurrence.reason)", "object": "\(entry.target.name)"])
                    continue
                }
                guard await send(entry, verdict, &correlator) else { return }
            }
        }
    }

    private func next() -> Entry? {
        let (entry, dropped) = waiting.withLock { waiting -> (Entry?, Int) in
            defer { waiting.dropped = 0 }
            return (waiting.entries.isEmpty ? nil : waiting.entries.removeFirst(), waiting.dropped)
        }
        if dropped > 0 { logger.warning("dropped events that could not be sent", metadata: ["count": "\(dropped)"]) }
        return entry
    }

    /// - Returns: false when cancelled.
    private func send(_ entry: Entry, _ verdict: EventCorrelator.Verdict, _ correlator: inout EventCorrelator) async -> Bool {
        var delay = Duration.milliseconds(500)
        while !Task.isCancelled {
            do {
                correlator.sent(verdict.key, as: try await sendOnce(entry, verdict))
                return true
            } catch let error as KubeError where !error.isTransient {
                // The namespace is going, or the server does not want it: an event is never worth a retry then.
                logger.debug("event refused", metadata: ["reason": "\(entry.occurrence.reason)", "error": "\(error)"])
                return true
            } catch {
                guard (try? await clock.sleep(for: delay)) != nil else { return false }  // Only cancellation ends a sleep early.
                delay = min(delay * 2, .seconds(30))
            }
        }
        return false
    }

    /// - Returns: the name of the object that now says it.
    private func sendOnce(_ entry: Entry, _ verdict: EventCorrelator.Verdict) async throws -> String {
        let namespace = entry.target.namespace.isEmpty ? "default" : entry.target.namespace
        if let name = verdict.name {
            let patch: JSON = ["count": JSON(verdict.count), "lastTimestamp": JSON(entry.last.rfc3339), "message": JSON(verdict.message)]
            do {
                try await client.patchEvent(namespace: namespace, name: name, patch)
                return name
            } catch let error as KubeError where error.isNotFound {
                // It has expired at the server: a new one goes on counting.
            }
        }
        let name = "\(entry.target.name).\(String(entry.first.nanoseconds, radix: 16))"
        try await client.createEvent(namespace: namespace, json(entry, verdict, name: name, namespace: namespace))
        return name
    }

    private func json(_ entry: Entry, _ verdict: EventCorrelator.Verdict, name: String, namespace: String) -> JSON {
        let target = entry.target
        var object: JSONObject = ["kind": JSON(target.kind), "name": JSON(target.name), "uid": JSON(target.uid), "apiVersion": "v1"]
        if !target.namespace.isEmpty { object["namespace"] = JSON(target.namespace) }
        if let path = target.fieldPath { object["fieldPath"] = JSON(path) }
        return [
            "apiVersion": "v1", "kind": "Event", "metadata": ["name": JSON(name), "namespace": JSON(namespace)],
            "involvedObject": .object(object), "reason": JSON(entry.occurrence.reason), "message": JSON(verdict.message),
            "source": ["component": "kubelet", "host": JSON(nodeName)], "firstTimestamp": JSON(entry.first.rfc3339), "lastTimestamp": JSON(entry.last.rfc3339),
            "count": JSON(verdict.count), "type": JSON(entry.occurrence.type), "reportingComponent": "kubelet", "reportingInstance": JSON(nodeName),
        ]
    }
}
