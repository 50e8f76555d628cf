/// The five words for a pod's life.
enum PodPhase: String, Sendable {
    case pending = "Pending"
    case running = "Running"
    case succeeded = "Succeeded"
    case failed = "Failed"

    /// - Parameter isEnding: containers that have stopped will not be started again, whatever the restart policy.
    init(_ spec: PodPlanSpec, _ observation: PodObservation, isEnding: Bool) {
        if PodProgress.hasFailedInitialization(spec, observation) {
            self = .failed
            return
        }
        var running = 0, waiting = 0, stopped = 0, succeeded = 0
        for container in spec.containers {
            let seen = observation.container(container.name)
            switch seen.state {
            case .running: running += 1
            case .exited(let code, _):
                stopped += 1
                if code == 0 { succeeded += 1 }
            case .created, .none:
                // It has run before, in an earlier instance: it waits for its next one.
                if seen.hasInstance { stopped += 1 } else { waiting += 1 }
            }
        }
        let initialized = PodProgress.isInitialized(spec, observation)
        if !initialized, running == 0, stopped == 0 {
            self = isEnding ? .failed : .pending
        } else if waiting > 0 {
            self = isEnding && running == 0 ? .failed : .pending
        } else if running > 0 {
            self = .running
        } else if isEnding {
            self = succeeded == stopped ? .succeeded : .failed
        } else if spec.restartPolicy == .always {
            self = .running
        } else if succeeded == stopped {
            self = .succeeded
        } else {
            self = spec.restartPolicy == .never ? .failed : .running
        }
    }
}
