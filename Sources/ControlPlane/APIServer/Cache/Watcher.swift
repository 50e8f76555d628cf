internal import Synchronization

/// The mailbox of one watch. The commit thread puts changes in and never waits; the request's task takes them out. A mailbox
/// that is full is closed: its client was too slow and must begin again.
final class Watcher: Sendable {
    private struct State {
        var events: [CacheEvent] = []
        var waiting: CheckedContinuation<Void, Never>?
        var ended = false
        var overflowed = false
        var ticked = false

        mutating func takeWaiting() -> CheckedContinuation<Void, Never>? {
            defer { waiting = nil }
            return waiting
        }
    }

    enum Batch {
        case events([CacheEvent])
        /// The timer went off and there was nothing to tell.
        case tick
        /// The watch is over: the server ends it, the client was too slow, or its task was cancelled.
        case ended
    }

    /// Enough for a burst of a few thousand pods.
    static let defaultCapacity = 4096

    private let capacity: Int
    private let state = Mutex(State())

    init(capacity: Int = Watcher.defaultCapacity) { self.capacity = capacity }

    /// False when the watcher takes nothing any more.
    func offer(_ event: CacheEvent) -> Bool {
        let (accepted, waiting) = state.withLock { state in
            guard !state.ended else { return (false, state.takeWaiting()) }
            guard state.events.count < capacity else {
                state.ended = true
                state.overflowed = true
                state.events = []
                return (false, state.takeWaiting())
            }
            state.events.append(event)
            return (true, state.takeWaiting())
        }
        waiting?.resume()
        return accepted
    }

    /// Wakes the reader, so that it can send a bookmark or look at the time.
    func tick() { wake { $0.ticked = true } }

    func end() { wake { $0.ended = true } }

    private func wake(_ change: (inout State) -> Void) {
        let waiting = state.withLock { state in
            change(&state)
            return state.takeWaiting()
        }
        waiting?.resume()
    }

    var overflowed: Bool { state.withLock { $0.overflowed } }

    /// What has come since the last call; waits if there is nothing. For one reader.
    func next() async -> Batch {
        while true {
            if let batch = take() { return batch }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let ready = state.withLock { state in
                        guard state.events.isEmpty, !state.ended, !state.ticked else { return true }
                        state.waiting = continuation
                        return false
                    }
                    if ready { continuation.resume() }
                }
            } onCancel: {
                end()
            }
        }
    }

    /// What is there, without waiting.
    func drain() -> [CacheEvent] {
        state.withLock { state in
            defer { state.events = [] }
            return state.events
        }
    }

    private func take() -> Batch? {
        state.withLock { state in
            if !state.events.isEmpty {
                let events = state.events
                state.events = []
                return .events(events)
            }
            if state.ended { return .ended }
            guard state.ticked else { return nil }
            state.ticked = false
            return .tick
        }
    }
}
