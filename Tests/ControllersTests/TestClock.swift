import KubeAPI
import Synchronization

@testable import Controllers

/// Time that goes forward by hand.
final class TestClock: Sendable {
    private struct State {
        var now = Duration.zero
        var nextNumber = 0
        var sleepers: [Int: (due: Duration, wake: CheckedContinuation<Void, any Error>)] = [:]
        var watchers: [(due: Duration, wake: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    /// - Parameter realBelow: shorter waits pass by themselves: those between failed tries.
    func clock(realBelow limit: Duration = .zero) -> ControllerClock {
        ControllerClock(
            now: { [self] in start + state.withLock { $0.now } }, uptime: { [self] in state.withLock { $0.now } },
            sleep: { [self] duration in
                if duration < limit { try await Task.sleep(for: duration) } else { try await sleep(duration) }
            })
    }

    func advance(_ duration: Duration) {
        let due = state.withLock { state in
            state.now += duration
            let due = state.sleepers.filter { $0.value.due <= state.now }
            for number in due.keys { state.sleepers[number] = nil }
            return due.values.map(\.wake)
        }
        for wake in due { wake.resume() }
    }

    /// Returns when somebody sleeps for at least so long from now.
    func sleeper(for duration: Duration) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.sleepers.values.contains(where: { $0.due >= state.now + duration }) { return true }
                state.watchers.append((state.now + duration, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    private func sleep(_ duration: Duration) async throws {
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (isOver, watchers) = state.withLock { state -> (Bool, [CheckedContinuation<Void, Never>]) in
                    guard duration > .zero, !Task.isCancelled else { return (true, []) }
                    let due = state.now + duration
                    state.sleepers[number] = (due, continuation)
                    let seen = state.watchers.filter { $0.due <= due }.map(\.wake)
                    state.watchers.removeAll { $0.due <= due }
                    return (false, seen)
                }
                for watcher in watchers { watcher.resume() }
                guard isOver else { return }
                if Task.isCancelled { continuation.resume(throwing: CancellationError()) } else { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.sleepers.removeValue(forKey: number) }?.wake.resume(throwing: CancellationError())
        }
    }
}
