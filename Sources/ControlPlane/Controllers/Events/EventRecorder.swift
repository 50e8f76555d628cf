import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Tells users what the controllers did, as events of the objects they did it for. Recording never waits; a repeat of an event
/// raises its count.
final class EventRecorder: Sendable {
    enum Kind: String, Sendable { case normal = "Normal", warning = "Warning" }

    private struct Entry: Sendable, Hashable {
        var object: JSONObject
        var component: String
        var kind: Kind
        var reason: String
        var message: String
        var time = Time(seconds: 0)
    }

    private struct Sent {
        var name: String
        var count: Int
    }

    /// How many events wait at most while the server is away; the newest are kept.
    private static let capacity = 1000
    private static let remembered = 1024

    private let entries: AsyncStream<Entry>
    private let continuation: AsyncStream<Entry>.Continuation
    private let client: KubeClient
    private let clock: ControllerClock
    private let logger: Logger

    init(client: KubeClient, clock: ControllerClock, logger: Logger) {
        (self.client, self.clock, self.logger) = (client, clock, logger)
        (entries, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(Self.capacity))
    }

    /// - Parameter component: which controller speaks, as `kubectl describe` shows it.
    func record<Object: KubeObject>(_ object: Object, _ kind: Kind, component: String, reason: String, _ message: String) {
        let about: JSONObject = [
            "apiVersion": .string(Object.resource.apiVersion), "kind": .string(Object.resource.kind), "name": .string(object.name),
            "namespace": .string(object.namespace), "uid": .string(object.uid),
        ]
        continuation.yield(
            Entry(object: about, component: component, kind: kind, reason: reason, message: String(message.prefix(1024)), time: clock.now()))
    }

    /// Sends until cancelled.
    func run() async {
        var sent: [Entry: Sent] = [:]
        for await entry in entries {
            if sent.count > Self.remembered { sent = [:] }
            var key = entry
            key.time = Time(seconds: 0)
            do {
                sent[key] = try await send(entry, known: sent[key])
            } catch {
                // An event is never worth a second try: the namespace is going, or the server has other worries.
                logger.debug("recording an event: \(error)", metadata: ["reason": "\(entry.reason)"])
            }
        }
    }

    private func send(_ entry: Entry, known: Sent?) async throws -> Sent {
        let namespace = entry.object["namespace"]?.string.flatMap { $0.isEmpty ? nil : $0 } ?? "default"
        let time = JSON(entry.time.description)
        if let known {
            do {
                _ = try await client.patch(
                    Event.resource, namespace: namespace, name: known.name, ["count": JSON(known.count + 1), "lastTimestamp": time])
                return Sent(name: known.name, count: known.count + 1)
            } catch let error as KubeError where error.isNotFound {
                // It has expired: begin a new one.
            }
        }
        let suffix = String(UInt64.random(in: .min ... .max), radix: 16)
        let name = "\(entry.object["name"]?.string ?? "").\(suffix)"
        _ = try await client.create(Event.resource, namespace: namespace, [
            "apiVersion": "v1", "kind": "Event", "metadata": ["name": .string(name), "namespace": .string(namespace)],
            "involvedObject": .object(entry.object), "type": .string(entry.kind.rawValue), "reason": .string(entry.reason),
            "message": .string(entry.message), "firstTimestamp": time, "lastTimestamp": time, "count": 1,
            "source": ["component": .string(entry.component)], "reportingComponent": .string(entry.component), "reportingInstance": "",
        ])
        return Sent(name: name, count: 1)
    }
}
