import Synchronization

/// A growing list that tests wait on: a condition is looked at after every addition, never by the clock.
final class Recorded<Element: Sendable>: Sendable {
    private struct Waiter {
        var id: Int
        var condition: @Sendable ([Element]) -> Bool
        var continuation: CheckedContinuation<Void, Never>
    }
    private struct State {
        var elements: [Element] = []
        var waiters: [Waiter] = []
        var next = 0
        var cancelled: Set<Int> = []
    }
    private let state = Mutex(State())

    var all: [Element] { state.withLock { $0.elements } }

    func append(_ element: Element) {
        let ready = state.withLock { state in
            state.elements.append(element)
            let elements = state.elements
            let ready = state.waiters.filter { $0.condition(elements) }
            state.waiters.removeAll { waiter in ready.contains { $0.id == waiter.id } }
            return ready
        }
        for waiter in ready { waiter.continuation.resume() }
    }

    /// Suspends until the condition holds for what has been recorded so far. Returns early when the test is cancelled,
    /// as its time limit does: what it expects then fails.
    func wait(_ condition: @escaping @Sendable ([Element]) -> Bool) async {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.cancelled.contains(id) || condition(state.elements) { return true }
                    state.waiters.append(Waiter(id: id, condition: condition, continuation: continuation))
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                state.cancelled.insert(id)
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
                return state.waiters.remove(at: index)
            }
            waiter?.continuation.resume()
        }
    }

    /// Nil only when the test is cancelled.
    func first(_ condition: @escaping @Sendable (Element) -> Bool) async -> Element? {
        await wait { $0.contains(where: condition) }
        return all.first(where: condition)
    }
}
