/// Waiting between failed tries: twice as long each time, up to a limit, with a random part.
public struct Backoff: Sendable {
    public var first: Duration
    public var limit: Duration
    private let sleep: @Sendable (Duration) async throws -> Void
    private let random: @Sendable () -> Double

    /// - Parameters:
    ///   - sleep: waits; injected by tests.
    ///   - random: 0 to 1.
    public init(
        first: Duration = .milliseconds(100), limit: Duration = .seconds(5), sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        random: @escaping @Sendable () -> Double = { .random(in: 0...1) }
    ) {
        (self.first, self.limit, self.sleep, self.random) = (first, limit, sleep, random)
    }

    /// The wait before the next try after so many failures, half of it random.
    public func delay(_ failures: Int) -> Duration {
        let full = min(first * Double(1 << min(failures - 1, 20)), limit)
        return full * (0.5 + 0.5 * random())
    }

    /// Waits before the next try. Throws `CancellationError` when the task is cancelled.
    public func pause(_ failures: Int) async throws {
        try await sleep(delay(failures))
    }
}
