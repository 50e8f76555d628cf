import Synchronization

/// Carries elements from writing tasks to an event loop, with back-pressure.
///
/// Writers go on at once while less than `limit` bytes are queued, so that many small writes become one; beyond it they
/// wait until the channel has taken what is queued.
final class OutboundQueue<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var size = 0
        var isWakePending = false
        var isChannelFull = false
        var failure: (any Error)?
        var nextWaiter: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]
    }

    private let state = Mutex(State())
    private let limit: Int
    private let wake: @Sendable () -> Void

    /// - Parameter wake: Called, on any thread, when the event loop should `take` what is queued.
    init(limit: Int, wake: @escaping @Sendable () -> Void) {
        self.limit = limit
        self.wake = wake
    }

    /// Queues an element, and waits while too much is queued.
    func write(_ element: Element, size: Int) async throws {
        try enqueue(element, size: size)
        try await waitWhileFull()
    }

    /// Queues an element, however much is queued: for callers that hold a lock, and then wait with ``waitWhileFull()``.
    func enqueue(_ element: Element, size: Int) throws {
        let wakes = try state.withLock { state -> Bool in
            if let failure = state.failure { throw failure }
            state.elements.append(element)
            state.size += size
            let wakes = !state.isWakePending && !state.isChannelFull
            if wakes { state.isWakePending = true }
            return wakes
        }
        if wakes { wake() }
    }

    /// Waits while too much is queued.
    func waitWhileFull() async throws {
        try Task.checkCancellation()
        guard state.withLock({ mustWait($0) }) else { return }
        try await waitForRoom()
    }

    // MARK: The event loop's side

    /// Takes what is queued.
    func take() -> [Element] {
        state.withLock { state in
            state.isWakePending = false
            state.size = 0
            defer { state.elements = [] }
            return state.elements
        }
    }

    /// Tells whether the channel takes more. While it is full, nothing is taken, and writers wait at the limit.
    func setChannelFull(_ isFull: Bool) {
        let (waiters, wakes) = state.withLock { state -> ([CheckedContinuation<Void, any Error>], Bool) in
            state.isChannelFull = isFull
            guard !isFull else { return ([], false) }
            defer { state.waiters = [:] }
            let wakes = !state.elements.isEmpty && !state.isWakePending
            if wakes { state.isWakePending = true }
            return (Array(state.waiters.values), wakes)
        }
        if wakes { wake() }
        for waiter in waiters { waiter.resume() }
    }

    /// Fails the writers that wait and those to come. Later calls change nothing.
    func fail(_ error: any Error) {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, any Error>] in
            guard state.failure == nil else { return [] }
            state.failure = error
            state.elements = []
            state.size = 0
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume(throwing: error) }
    }

    // MARK: Waiting

    private func mustWait(_ state: borrowing State) -> Bool {
        state.size >= limit || (state.isChannelFull && state.failure == nil)
    }

    private func waitForRoom() async throws {
        let id = state.withLock { state -> UInt64 in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let answer = state.withLock { state -> Result<Void, any Error>? in
                    if let failure = state.failure { return .failure(failure) }
                    guard mustWait(state) else { return .success(()) }
                    state.waiters[id] = continuation
                    return nil
                }
                if let answer {
                    continuation.resume(with: answer)
                } else if Task.isCancelled {
                    // The cancellation handler may have run before the continuation was stored.
                    cancelWaiter(id)
                }
            }
        } onCancel: {
            cancelWaiter(id)
        }
    }

    private func cancelWaiter(_ id: UInt64) {
        let waiter = state.withLock { $0.waiters.removeValue(forKey: id) }
        waiter?.resume(throwing: CancellationError())
    }
}
