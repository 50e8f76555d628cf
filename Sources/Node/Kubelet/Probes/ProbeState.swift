/// Where a probe of one container instance stands. Persisted, so that a new agent goes on counting where the last one stopped.
struct ProbeState: Sendable, Hashable {
    /// The verdict so far; nil while thresholds have not been reached.
    var verdict: Bool?
    /// The last outcome and how often in a row it came.
    var lastOutcome: Bool?
    var run = 0

    /// Counts an outcome.
    /// - Returns: true if the verdict has changed.
    mutating func record(success: Bool, _ spec: ProbeSpec) -> Bool {
        // Counting stops where it no longer matters: a healthy container's state does not change with every probe.
        run = lastOutcome == success ? min(run + 1, success ? spec.successThreshold : spec.failureThreshold) : 1
        lastOutcome = success
        guard run >= (success ? spec.successThreshold : spec.failureThreshold), verdict != success else { return false }
        verdict = success
        return true
    }
}
