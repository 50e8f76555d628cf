import KubeClient
import Logging

/// Runs one action a key at a time, some keys side by side, again and again until it says that it is done; a key that comes
/// twice while it waits is one.
///
/// Level-triggered: the action looks at the present state, never at what the event said. An event about a key that waits
/// after a failure makes it run at once: what was in the way may be gone.
final class RetryingQueue<Key: Hashable & Sendable>: Sendable {
    private enum Signal: Sendable {
        case add(Key)
        case due(Key, Duration)
        case finished(Key, WorkResult)
    }

    private let signals: AsyncStream<Signal>
    private let continuation: AsyncStream<Signal>.Continuation
    private let limit: Int
    private let backoff: Backoff
    private let clock: ControllerClock
    private let logger: Logger

    /// - Parameter limit: how many keys are worked on at once.
    init(limit: Int = 4, backoff: Backoff = .init(first: .milliseconds(5), limit: .seconds(30)), clock: ControllerClock, logger: Logger) {
        (self.limit, self.backoff, self.clock, self.logger) = (limit, backoff, clock, logger)
        (signals, continuation) = AsyncStream<Signal>.makeStream()
    }

    /// Asks for work on the key. Never waits; before `run` it is kept.
    func add(_ key: Key) { continuation.yield(.add(key)) }

    /// Works until cancelled. Called once.
    /// - Parameter action: an error is another try later.
    func run(_ action: @escaping @Sendable (Key) async throws -> WorkResult) async {
        await withDiscardingTaskGroup { group in
            var state = WorkState<Key>(limit: limit)
            for await signal in signals {
                switch signal {
                case .add(let key): state.add(key)
                case .due(let key, let time): state.due(key, at: time)
                case .finished(let key, let result):
                    let now = clock.uptime()
                    guard let wake = state.finish(key, result, now: now, backoff: backoff.delay) else { break }
                    group.addTask { [clock, continuation] in
                        // Only cancellation ends a sleep early, and then nobody listens any more.
                        guard (try? await clock.sleep(wake - now)) != nil else { return }
                        continuation.yield(.due(key, wake))
                    }
                }
                while let key = state.next() {
                    group.addTask { [continuation] in continuation.yield(.finished(key, await self.perform(action, key))) }
                }
            }
            group.cancelAll()
        }
    }

    private func perform(_ action: @Sendable (Key) async throws -> WorkResult, _ key: Key) async -> WorkResult {
        do {
            return try await action(key)
        } catch {
            logger.debug("will be tried again: \(error)", metadata: ["key": "\(key)"])
            return .retry
        }
    }
}
