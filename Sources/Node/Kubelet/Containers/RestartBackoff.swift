/// The wait before a failed container or image pull is tried again: 10 s, doubling to 5 min, forgotten after 10 min of peace.
struct RestartBackoff: Sendable, Hashable {
    static let initial = Duration.seconds(10)
    static let maximum = Duration.seconds(300)
    static let forgottenAfter = Duration.seconds(600)

    /// What is remembered of the attempts so far; persisted with the pod.
    struct Entry: Sendable, Hashable {
        /// The wait after the next failure.
        var delay: Duration
        /// When the last attempt began.
        var attemptedAt: WallTime
    }

    /// When to try again after a failure at `failedAt`; nil: at once, nothing is remembered against it.
    static func retryTime(after entry: Entry?, failedAt: WallTime) -> WallTime? {
        guard let entry, failedAt - entry.attemptedAt <= forgottenAfter else { return nil }
        return failedAt + entry.delay
    }

    /// What to remember when an attempt begins at `now` that follows a failure at `failedAt`.
    static func entry(after entry: Entry?, failedAt: WallTime, now: WallTime) -> Entry {
        guard let entry, failedAt - entry.attemptedAt <= forgottenAfter else { return Entry(delay: initial, attemptedAt: now) }
        return Entry(delay: min(entry.delay * 2, maximum), attemptedAt: now)
    }
}
