internal import JSONTree
internal import KubeClient
internal import Logging

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

/// Sends events in the background, in order. Repeats of one event become a higher count, not another object.
///
/// Recording never waits. With the API server away the newest events are kept, up to a bound.
final class EventRecorder: EventSink {
    private struct Entry: Sendable {
        var target: EventTarget
        var type: EventType
        var reason: String
        var message: String
        var time: WallTime
        var key: [String] { [target.kind, target.namespace, target.name, target.uid, target.fieldPath ?? "", type.rawValue, reason, message] }
    }
    private struct Sent {
        var name: String
        var count: Int
        var last: WallTime
    }

    private static let capacity = 1000
    private static let remembered = 2048

    private let mailbox = Mailbox<Entry>()
    private let client: any KubeletAPIClient
    private let clock: any KubeletClock
    private let logger: Logger
    private let nodeName: String

    init(client: any KubeletAPIClient, clock: any KubeletClock, nodeName: String, logger: Logger) {
        (self.client, self.clock, self.nodeName, self.logger) = (client, clock, nodeName, logger)
    }

    func record(_ target: EventTarget, _ type: EventType, reason: String, message: String) {
        mailbox.send(Entry(target: target, type: type, reason: reason, message: String(message.prefix(1024)), time: clock.now()))
    }

    /// Sends until cancelled.
    func run() async {
        var sent: [[String]: Sent] = [:]
        var queue: [(entry: Entry, times: Int)] = []
        for await batch in mailbox.batches {
            for entry in batch {
                if let index = queue.firstIndex(where: { $0.entry.key == entry.key }) {
                    queue[index].times += 1
                    queue[index].entry.time = entry.time
                } else {
                    queue.append((entry, 1))
                }
            }
            if queue.count > Self.capacity {
                logger.warning("dropped events that could not be sent", metadata: ["count": "\(queue.count - Self.capacity)"])
                queue.removeFirst(queue.count - Self.capacity)
            }
            while let (entry, times) = queue.first {
                guard await send(entry, times, &sent) else { return }
                queue.removeFirst()
            }
            if sent.count > Self.remembered {
                let oldest = sent.sorted { $0.value.last < $1.value.last }.prefix(sent.count - Self.remembered / 2)
                for (key, _) in oldest { sent[key] = nil }
            }
        }
    }

    /// - Returns: false when cancelled.
    private func send(_ entry: Entry, _ times: Int, _ sent: inout [[String]: Sent]) async -> Bool {
        var delay = Duration.milliseconds(500)
        while !Task.isCancelled {
            do {
                try await sendOnce(entry, times, &sent)
                return true
            } catch let error as KubeError where !error.isTransient {
                // The namespace is going, or the server does not want it: an event is never worth a retry then.
                logger.debug("event refused", metadata: ["reason": "\(entry.reason)", "error": "\(error)"])
                return true
            } catch {
                guard (try? await clock.sleep(for: delay)) != nil else { return false }  // Only cancellation ends a sleep early.
                delay = min(delay * 2, .seconds(30))
            }
        }
        return false
    }

    private func sendOnce(_ entry: Entry, _ times: Int, _ sent: inout [[String]: Sent]) async throws {
        let namespace = entry.target.namespace.isEmpty ? "default" : entry.target.namespace
        if let known = sent[entry.key] {
            let count = known.count + times
            let patch: JSON = ["count": JSON(count), "lastTimestamp": JSON(entry.time.rfc3339)]
            do {
                try await client.patchEvent(namespace: namespace, name: known.name, patch)
                sent[entry.key] = Sent(name: known.name, count: count, last: entry.time)
                return
            } catch let error as KubeError where error.isNotFound {
                sent[entry.key] = nil  // It has expired at the server: begin a new one.
            }
        }
        let name = "\(entry.target.name).\(String(entry.time.nanoseconds, radix: 16))"
        try await client.createEvent(namespace: namespace, json(entry, times, name: name, namespace: namespace))
        sent[entry.key] = Sent(name: name, count: times, last: entry.time)
    }

    private func json(_ entry: Entry, _ times: Int, name: String, namespace: String) -> JSON {
        var object: JSONObject = ["kind": JSON(entry.target.kind), "name": JSON(entry.target.name), "uid": JSON(entry.target.uid), "apiVersion": "v1"]
        if !entry.target.namespace.isEmpty { object["namespace"] = JSON(entry.target.namespace) }
        if let path = entry.target.fieldPath { object["fieldPath"] = JSON(path) }
        let time = JSON(entry.time.rfc3339)
        return [
            "apiVersion": "v1", "kind": "Event", "metadata": ["name": JSON(name), "namespace": JSON(namespace)],
            "involvedObject": .object(object), "reason": JSON(entry.reason), "message": JSON(entry.message),
            "source": ["component": "kubelet", "host": JSON(nodeName)], "firstTimestamp": time, "lastTimestamp": time,
            "count": JSON(times), "type": JSON(entry.type.rawValue), "reportingComponent": "kubelet", "reportingInstance": JSON(nodeName),
        ]
    }
}
