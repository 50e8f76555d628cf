internal import JSONTree
internal import KubeClient
internal import Logging
import Synchronization

/// Sends one pod's statuses to the API server, each as a patch against the one sent before. Only the newest counts.
final class StatusPublisher: Sendable {
    private struct State {
        /// What the server has, as far as is known.
        var sent: JSON?
        var latest: JSON?
        /// The server's view has been compared once; it may be behind what an earlier agent wanted to say.
        var isCompared = false
        var isStopped = false
    }
    private let state: Mutex<State>
    private let mailbox = Mailbox<Void>()
    private let namespace: String
    private let name: String
    private let uid: String
    private let client: any KubeletAPIClient
    private let clock: any KubeletClock
    private let logger: Logger

    init(namespace: String, name: String, uid: String, sent: JSON?, client: any KubeletAPIClient, clock: any KubeletClock, logger: Logger) {
        (self.namespace, self.name, self.uid, self.client, self.clock, self.logger) = (namespace, name, uid, client, clock, logger)
        // A pod that this agent has taken on itself has nothing to compare.
        state = Mutex(State(sent: sent, latest: sent, isCompared: sent == nil))
    }

    func publish(_ status: JSON) {
        let isNew = state.withLock { state in
            defer { state.latest = status }
            return state.latest != status
        }
        if isNew { mailbox.send(()) }
    }

    /// The status as the API server has it. The first one tells whether the last status of an earlier agent arrived.
    func serverHas(_ status: JSON) {
        let needsSending = state.withLock { state in
            guard !state.isCompared, let latest = state.latest?.object else { return false }
            state.isCompared = true
            var owned: JSONObject = [:]
            for (key, value) in status.object ?? [:] where latest[key] != nil { owned[key] = value }
            if let conditions = owned["conditions"]?.array {
                owned["conditions"] = .array(conditions.filter { PodConditions.owned.contains($0["type"]?.string ?? "") })
            }
            state.sent = .object(owned)
            return true
        }
        if needsSending { mailbox.send(()) }
    }

    /// The object is gone: nothing more is sent.
    func stop() { state.withLock { $0.isStopped = true } }

    /// Sends until cancelled.
    func run(_ published: @Sendable () -> Void) async {
        for await _ in mailbox.batches {
            var delay = Duration.milliseconds(500)
            while !Task.isCancelled {
                do {
                    try await flush()
                    published()
                    break
                } catch {
                    logger.debug("cannot send the status yet", metadata: ["error": "\(error)"])
                    guard (try? await clock.sleep(for: delay)) != nil else { return }  // Only cancellation ends a sleep early.
                    delay = min(delay * 2, .seconds(10))
                }
            }
        }
    }

    /// Sends the newest status, if the server does not have it. Throws what is worth another try.
    func flush() async throws {
        let (sent, latest, isStopped) = state.withLock { ($0.sent, $0.latest, $0.isStopped) }
        guard !isStopped, let latest, let patch = StatusPatch.make(from: sent, to: latest, uid: uid) else { return }
        do {
            try await client.patchPodStatus(namespace: namespace, name: name, patch)
        } catch let error as KubeError where error.isNotFound || error.isConflict {
            // Gone, or a pod of the same name with another UID: the watch will say so.
            logger.debug("the pod is gone; its status is not sent", metadata: ["error": "\(error)"])
        } catch let error as KubeError where !error.isTransient && error.code != 0 {
            logger.error("the API server refuses the pod's status", metadata: ["error": "\(error)"])
        }
        state.withLock { $0.sent = latest }
    }
}
