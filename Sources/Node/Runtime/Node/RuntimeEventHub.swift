import Synchronization

/// Hands every event to everyone who listens. What happens before the first listener is kept for it: a starting agent
/// adopts its pods, and learns what they did without it, before anybody can subscribe.
final class RuntimeEventHub: Sendable {
    private struct State {
        var listeners: [UInt64: AsyncStream<RuntimeEvent>.Continuation] = [:]
        var next: UInt64 = 0
        /// Nil once somebody has listened.
        var early: [RuntimeEvent]? = []
        var isFinished = false
    }

    private let state = Mutex(State())

    func send(_ event: RuntimeEvent) {
        state.withLock { state in
            state.early?.append(event)
            // Inside the lock: two senders must not be seen in a different order by two listeners.
            for listener in state.listeners.values { listener.yield(event) }
        }
    }

    func subscribe() -> AsyncStream<RuntimeEvent> {
        let (stream, continuation) = AsyncStream.makeStream(of: RuntimeEvent.self, bufferingPolicy: .unbounded)
        state.withLock { state in
            for event in state.early ?? [] { continuation.yield(event) }
            state.early = nil
            if state.isFinished { return continuation.finish() }
            let token = state.next
            state.next += 1
            state.listeners[token] = continuation
            continuation.onTermination = { [weak self] _ in
                self?.state.withLock { $0.listeners[token] = nil }
            }
        }
        return stream
    }

    func finish() {
        let listeners = state.withLock { state in
            state.isFinished = true
            defer { state.listeners = [:] }
            return Array(state.listeners.values)
        }
        for listener in listeners { listener.finish() }
    }
}
