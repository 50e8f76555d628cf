import NIOCore
import Synchronization

/// Carries elements from an event loop to one reading task, with back-pressure.
///
///     empty ──push──▶ filling ──size ≥ high──▶ paused ──next, size ≤ low──▶ filling (demand is called)
///       any ──finish──▶ draining ──next on empty──▶ ended
final class InboundQueue<Element: Sendable>: Sendable {
    private struct State {
        var elements = CircularBuffer<(element: Element, size: Int)>(initialCapacity: 0)
        var size = 0
        var paused = false
        var end: Result<Void, any Error>?
        var waiter: CheckedContinuation<Element?, any Error>?
    }

    private let state = Mutex(State())
    private let highWatermark: Int
    private let lowWatermark: Int
    private let demand: @Sendable () -> Void

    /// - Parameter demand: Called, on any thread, when a paused producer should go on.
    init(highWatermark: Int, lowWatermark: Int, demand: @escaping @Sendable () -> Void) {
        self.highWatermark = highWatermark
        self.lowWatermark = lowWatermark
        self.demand = demand
    }

    /// Adds an element. Returns false when the producer should pause until `demand` is called.
    func push(_ element: Element, size: Int) -> Bool {
        let (waiter, goOn) = state.withLock { state -> (CheckedContinuation<Element?, any Error>?, Bool) in
            guard state.end == nil else { return (nil, true) }
            if let waiter = state.waiter {
                state.waiter = nil
                return (waiter, true)
            }
            state.elements.append((element, size))
            state.size += size
            state.paused = state.size >= highWatermark
            return (nil, !state.paused)
        }
        waiter?.resume(returning: element)
        return goOn
    }

    /// Ends the queue: what is in it is still delivered, then the end or the error. Later calls change nothing.
    func finish(throwing error: (any Error)?) {
        let waiter = state.withLock { state -> CheckedContinuation<Element?, any Error>? in
            guard state.end == nil else { return nil }
            state.end = error.map { .failure($0) } ?? .success(())
            defer { state.waiter = nil }
            return state.waiter
        }
        if let error { waiter?.resume(throwing: error) } else { waiter?.resume(returning: nil) }
    }

    /// Whether the producer may go on: less is queued than is too much, or nobody reads any more.
    var hasRoom: Bool { state.withLock { !$0.paused } }

    /// Throws away what is queued, and lets a paused producer go on. To be called after `finish`.
    func discard() {
        let wasPaused = state.withLock { state in
            defer { (state.elements, state.size, state.paused) = (CircularBuffer(initialCapacity: 0), 0, false) }
            return state.paused
        }
        if wasPaused { demand() }
    }

    /// Whether a reader waits for an element now.
    var isAwaited: Bool { state.withLock { $0.waiter != nil } }

    /// The next element; `nil` at the end. For one task at a time.
    func next() async throws -> Element? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (answer, resumesProducer) = state.withLock { take(from: &$0, for: continuation) }
                if resumesProducer { demand() }
                if let answer {
                    continuation.resume(with: answer)
                } else if Task.isCancelled {
                    // The cancellation handler may have run before the continuation was stored.
                    cancelWaiter()
                }
            }
        } onCancel: {
            cancelWaiter()
        }
    }

    private func take(
        from state: inout State, for continuation: CheckedContinuation<Element?, any Error>
    ) -> (answer: Result<Element?, any Error>?, resumesProducer: Bool) {
        if let (element, size) = state.elements.popFirst() {
            state.size -= size
            let resumes = state.paused && state.size <= lowWatermark
            if resumes { state.paused = false }
            return (.success(element), resumes)
        }
        switch state.end {
        case .success: return (.success(nil), false)
        case .failure(let error): return (.failure(error), false)
        case nil:
            guard state.waiter == nil else {
                return (.failure(HTTPServerError(.badRequest, "two tasks read from one stream")), false)
            }
            state.waiter = continuation
            return (nil, true)
        }
    }

    private func cancelWaiter() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(throwing: CancellationError())
    }
}
