/// A probe with every default filled in.
struct ProbeSpec: Sendable, Hashable {
    enum Kind: String, Sendable, CaseIterable {
        case startup = "Startup"
        case liveness = "Liveness"
        case readiness = "Readiness"
    }
    enum Check: Sendable, Hashable {
        case exec(command: [String])
        /// - Parameter host: nil: the pod's address.
        case http(scheme: String, host: String?, port: Int, path: String, headers: [Header])
        case tcp(host: String?, port: Int)
    }
    struct Header: Sendable, Hashable {
        var name: String
        var value: String
    }
    var check: Check
    var initialDelay = Duration.seconds(0)
    var period = Duration.seconds(10)
    var timeout = Duration.seconds(1)
    var successThreshold = 1
    var failureThreshold = 3
    /// For liveness and startup: the grace of the container that failed; nil: the pod's.
    var terminationGrace: Duration?
}

/// What one run of a probe found.
enum ProbeOutcome: Sendable, Hashable {
    case success
    /// - Parameter output: what the user sees in the `Unhealthy` event.
    case failure(output: String)
    /// The probe itself could not be carried out; counts as a failure.
    case error(String)
}
