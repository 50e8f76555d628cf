import Synchronization

/// Asks the host's resolvers for names that are not the cluster's.
public final class Forwarder: Sendable {
    public struct Limits: Sendable {
        /// Questions on their way at one time; more are refused at once.
        public var concurrentQueries = 1000
        public var cachedAnswers = 2000
        public init() {}
    }

    private struct State {
        var cache: AnswerCache
        var inFlight = 0
        /// Where to begin: the resolver that answered last.
        var preferred = 0
    }

    private let upstreams: @Sendable () async -> [Upstream]
    private let transport: any UpstreamTransport
    private let limits: Limits
    private let now: @Sendable () -> Duration
    private let state: Mutex<State>

    /// - Parameters:
    ///   - upstreams: the resolvers of now, the preferred one first.
    ///   - now: a clock that never goes back, for the ages of answers.
    public init(
        upstreams: @escaping @Sendable () async -> [Upstream], transport: any UpstreamTransport, limits: Limits = .init(), now: @escaping @Sendable () -> Duration
    ) {
        (self.upstreams, self.transport, self.limits, self.now) = (upstreams, transport, limits, now)
        state = Mutex(State(cache: AnswerCache(capacity: limits.cachedAnswers)))
    }

    /// The answer of the first resolver that has one: over UDP, and over TCP if that was cut off.
    /// - Throws: `DNSError` with `upstream`, or `CancellationError`.
    public func resolve(_ question: DNSMessage.Question, dnssecOK: Bool = false, checkingDisabled: Bool = false) async throws -> DNSMessage {
        let key = AnswerCache.Key(question: question, dnssecOK: dnssecOK, checkingDisabled: checkingDisabled)
        let start = now()
        if let answer = state.withLock({ $0.cache.answer(key, now: start) }) { return answer }
        try enter()
        defer { state.withLock { $0.inFlight -= 1 } }
        let upstreams = await upstreams()
        guard !upstreams.isEmpty else { throw DNSError(.upstream, "expected a resolver for \(question.name) in the host's resolv.conf, found none") }
        let first = state.withLock { $0.preferred } % upstreams.count
        var last: Result<DNSMessage, any Error>?
        for offset in upstreams.indices {
            let index = (first + offset) % upstreams.count
            do {
                let answer = try await ask(upstreams[index], question, dnssecOK: dnssecOK, checkingDisabled: checkingDisabled)
                guard answer.code != .serverFailure, answer.code != .refused, answer.code != .notImplemented else {
                    last = .success(answer)
                    continue
                }
                state.withLock { state in
                    state.preferred = index
                    state.cache.store(answer, for: key, now: now())
                }
                return answer
            } catch {
                try Task.checkCancellation()
                // An answer that says "no" is still better than none.
                if case .success? = last { continue }
                last = .failure(error)
            }
        }
        switch last {
        case .success(let answer): return answer
        case .failure(let error): throw DNSError(.upstream, "no resolver answered for \(question.name): \(error)")
        case nil: throw DNSError(.upstream, "no resolver answered for \(question.name)")
        }
    }

    private func enter() throws(DNSError) {
        let isFull = state.withLock { state in
            guard state.inFlight < limits.concurrentQueries else { return true }
            state.inFlight += 1
            return false
        }
        guard !isFull else { throw DNSError(.upstream, "\(limits.concurrentQueries) questions are on their way already") }
    }

    private func ask(_ upstream: Upstream, _ question: DNSMessage.Question, dnssecOK: Bool, checkingDisabled: Bool) async throws -> DNSMessage {
        // The number, and the port that the transport takes, are what a forger would have to guess.
        var query = DNSMessage(id: .random(in: 0...UInt16.max))
        query.recursionDesired = true
        query.checkingDisabled = checkingDisabled
        query.questions = [question]
        query.edns = .init(payloadSize: DNSMessage.payloadLimit, dnssecOK: dnssecOK)
        var answer = try await transport.exchange(query, with: upstream, overTCP: false)
        if answer.code == .formatError {
            // A resolver from before EDNS (RFC 6891, section 6.2.2).
            query.edns = nil
            answer = try await transport.exchange(query, with: upstream, overTCP: false)
        }
        guard answer.isTruncated else { return answer }
        return try await transport.exchange(query, with: upstream, overTCP: true)
    }
}

extension DNSMessage {
    /// Whether this is an answer to the query, as far as one can see (RFC 5452, section 9.1).
    func answers(_ query: DNSMessage) -> Bool {
        // A server that cannot read a question may leave it out.
        isResponse && id == query.id && (questions == query.questions || (questions.isEmpty && code == .formatError))
    }
}
