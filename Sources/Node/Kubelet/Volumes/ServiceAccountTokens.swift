internal import JSONTree
internal import KubeAPI
internal import Logging

/// A token as a volume of a pod asks for it.
struct TokenSource: Sendable, Hashable {
    var podUID: String
    var podName: String
    var namespace: String
    var account: String
    /// Empty: for the API server.
    var audience: String
    var expirationSeconds: Int64

    /// The body of the request, bound to the pod: the token ends with it.
    var request: JSON {
        [
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": [
                "audiences": audience.isEmpty ? [] : [.string(audience)], "expirationSeconds": JSON(expirationSeconds),
                "boundObjectRef": ["apiVersion": "v1", "kind": "Pod", "name": .string(podName), "uid": .string(podUID)],
            ],
        ]
    }
}

/// The tokens of this node's pods: fetched when a volume needs one, fetched again when four fifths of their life are over.
actor ServiceAccountTokens {
    private struct Entry {
        /// Nil while none could be had yet.
        var token: (text: String, expiresAt: WallTime)?
        /// When a newer one is to be fetched, or the next try is due.
        var dueAt: WallTime
    }

    /// After a failure.
    static let retry = Duration.seconds(10)
    /// A token of a longer life is renewed daily, so that a stolen key can be replaced.
    static let longestUse = Duration.seconds(24 * 3600)

    private let client: any KubeletAPIClient
    private let clock: any KubeletClock
    private let logger: Logger
    private var entries: [TokenSource: Entry] = [:]
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation
    private var timer: Task<Void, Never>?

    init(client: any KubeletAPIClient, clock: any KubeletClock, logger: Logger) {
        (self.client, self.clock, self.logger) = (client, clock, logger)
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// The token, a new one if the one at hand is old. As long as that one is valid, a server that does not answer is no error.
    func token(_ source: TokenSource) async throws -> String {
        let begun = clock.now()
        if let entry = entries[source], let token = entry.token, begun < entry.dueAt { return token.text }
        do {
            let answer = try await client.requestToken(source)
            guard let text = answer[path: "status", "token"]?.string, let expiry = answer[path: "status", "expirationTimestamp"]?.string,
                let expiresAt = WallTime(rfc3339: expiry.utf8)
            else { throw KubeletError(.failedMount, "expected a token in the answer to a TokenRequest, found none") }
            entries[source] = Entry(token: (text, expiresAt), dueAt: begun + Self.use(expiresAt - begun))
            signal.yield()
            return text
        } catch {
            let known = entries[source]?.token
            entries[source] = Entry(token: known, dueAt: clock.now() + Self.retry)
            signal.yield()
            guard let known, known.expiresAt > clock.now() else {
                throw KubeletError(.failedMount, "failed to fetch token: \(error)")
            }
            logger.warning("cannot renew a service account's token yet", metadata: ["pod": "\(source.namespace)/\(source.podName)", "error": "\(error)"])
            return known.text
        }
    }

    /// How long a token is used, of its life.
    static func use(_ life: Duration) -> Duration { min(life * 4 / 5, longestUse) }

    /// Forgets the tokens of a pod that is gone.
    func forget(_ podUID: String) {
        entries = entries.filter { $0.key.podUID != podUID }
        signal.yield()
    }

    /// Tells when a pod's tokens are to be looked at again. Runs until cancelled.
    /// - Parameter due: false if there is no such pod any more.
    func run(_ due: @Sendable (_ podUID: String) async -> Bool) async {
        for await _ in signals {
            let now = clock.now()
            var pods: Set<String> = []
            for (source, entry) in entries where entry.dueAt <= now && (announced[source] ?? entry.dueAt) <= now {
                pods.insert(source.podUID)
                // Told once; if nobody comes for a new one, again later.
                announced[source] = now + Self.retry
            }
            for pod in pods where !(await due(pod)) { entries = entries.filter { $0.key.podUID != pod } }
            schedule(now)
        }
        timer?.cancel()
    }

    /// Sources whose pods have been told, and until when they have time.
    private var announced: [TokenSource: WallTime] = [:]

    private func schedule(_ now: WallTime) {
        timer?.cancel()
        timer = nil
        announced = announced.filter { entries[$0.key].map { $0.dueAt <= now } ?? false }
        guard let next = entries.map({ max($0.value.dueAt, announced[$0.key] ?? $0.value.dueAt) }).min() else { return }
        let (clock, signal) = (clock, signal)
        // Unstructured, since a nearer time replaces it; ends with `run`.
        timer = Task {
            let delay = next - clock.now()
            if delay > .zero, (try? await clock.sleep(for: delay)) == nil { return }  // Cancelled: replaced.
            signal.yield()
        }
    }
}
