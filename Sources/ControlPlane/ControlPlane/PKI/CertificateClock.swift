public import FoundationEssentials

/// Time as certificates see it, handed in so that years are tested without waiting.
public protocol CertificateClock: Sendable {
    func now() -> Date
    /// Suspends for `duration`; throws when the task is cancelled.
    func sleep(for duration: Duration) async throws
}

/// The machine's clock.
public struct SystemCertificateClock: CertificateClock {
    public init() {}
    public func now() -> Date { Date() }
    public func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
}
