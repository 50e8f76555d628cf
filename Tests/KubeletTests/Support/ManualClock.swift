import Synchronization
@testable import Kubelet

/// A clock that stands still until a test moves it.
final class ManualClock: KubeletClock {
    private struct Sleeper {
        var id: Int
        var deadline: WallTime
        var continuation: CheckedContinuation<Void, any Error>
    }
    private struct State {
        var now: WallTime
        var sinceBoot = BootTime(nanoseconds: 1_000_000_000_000)
        var sleepers: [Sleeper] = []
        var cancelled: Set<Int> = []
        var next = 0
    }
    private let state: Mutex<State>
    /// Deadlines of everything that has begun to sleep.
    private let sleeps = Recorded<WallTime>()

    init(_ start: WallTime = WallTime(seconds: 1_800_000_000)) { state = Mutex(State(now: start)) }

    func now() -> WallTime { state.withLock { $0.now } }
    func sinceBoot() -> BootTime { state.withLock { $0.sinceBoot } }

    /// Somebody sets the wall clock. What sleeps is not touched by it.
    func set(by duration: Duration) {
        state.withLock { state in
            state.now = state.now + duration
            for index in state.sleepers.indices { state.sleepers[index].deadline = state.sleepers[index].deadline + duration }
        }
    }

    func sleep(for duration: Duration) async throws {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let deadline = state.withLock { state -> WallTime? in
                    if state.cancelled.remove(id) != nil { return nil }
                    let deadline = state.now + duration
                    state.sleepers.append(Sleeper(id: id, deadline: deadline, continuation: continuation))
                    return deadline
                }
                if let deadline { sleeps.append(deadline) } else { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let sleeper = state.withLock { state -> Sleeper? in
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return state.sleepers.remove(at: index)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Suspends until something sleeps that is due within `duration`.
    func waitForSleeper(within duration: Duration) async {
        let now = now()
        await sleeps.wait { $0.contains { $0 > now && $0 <= now + duration } }
    }

    /// Waits until something sleeps that is due within `duration`, then lets that time pass.
    func advance(by duration: Duration, whenSomethingSleeps: Bool = true) async {
        let target = now() + duration
        if whenSomethingSleeps { await waitForSleeper(within: duration) }
        let due = state.withLock { state -> [Sleeper] in
            state.now = target
            state.sinceBoot = state.sinceBoot + duration
            let due = state.sleepers.filter { $0.deadline <= target }
            state.sleepers.removeAll { $0.deadline <= target }
            return due
        }
        for sleeper in due.sorted(by: { $0.deadline < $1.deadline }) { sleeper.continuation.resume() }
    }
}
