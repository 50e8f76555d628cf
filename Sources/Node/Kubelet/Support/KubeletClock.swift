import Glibc

/// Time, handed in so that back-off, probes and heartbeats are tested without waiting.
public protocol KubeletClock: Sendable {
    func now() -> WallTime
    /// What grace periods are counted with.
    func sinceBoot() -> BootTime
    /// Suspends for `duration`; throws when the task is cancelled.
    func sleep(for duration: Duration) async throws
}

/// The machine's clock: wall time to show and persist, the continuous clock to wait.
public struct SystemClock: KubeletClock {
    public init() {}

    public func now() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
    }

    public func sinceBoot() -> BootTime {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return BootTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    public func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
}
