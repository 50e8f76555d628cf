import KubeAPI

/// The time that controllers see and wait by; tests have their own.
struct ControllerClock: Sendable {
    /// The time of day, for timestamps and for comparing with them.
    var now: @Sendable () -> Time
    /// Time that only goes forward, for deadlines of our own.
    var uptime: @Sendable () -> Duration
    var sleep: @Sendable (Duration) async throws -> Void

    static let system: ControllerClock = {
        let start = ContinuousClock.now
        return ControllerClock(now: { .now() }, uptime: { ContinuousClock.now - start }, sleep: { try await Task.sleep(for: $0) })
    }()
}
