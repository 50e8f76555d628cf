/// How far a pod has come: questions that the planner and the status answer in the same way.
enum PodProgress {
    /// The init containers are done: all exited with 0 and the sidecars started, or a container has been started already.
    static func isInitialized(_ spec: PodPlanSpec, _ observation: PodObservation) -> Bool {
        let started = spec.containers.contains { container in
            let seen = observation.container(container.name)
            return seen.hasInstance && seen.isInCurrentSandbox
        }
        if started { return true }
        return spec.initContainers.allSatisfy { container in
            let seen = observation.container(container.name)
            guard seen.isInCurrentSandbox else { return false }
            if container.role == .sidecar { return seen.isRunning && seen.isStarted }
            if case .exited(0, _) = seen.state { return true }
            return false
        }
    }

    /// Nothing will ever run again: every container has exited for good, or an init container failed for good.
    static func isFinished(_ spec: PodPlanSpec, _ observation: PodObservation) -> Bool {
        if hasFailedInitialization(spec, observation) { return true }
        guard spec.restartPolicy != .always else { return false }
        return spec.containers.allSatisfy { container in
            let seen = observation.container(container.name)
            guard case .exited(let code, _) = seen.state, seen.startFailedAt == nil else { return false }
            return spec.restartPolicy == .never || code == 0
        }
    }

    /// With `restartPolicy: Never`, one failed init container ends the pod.
    static func hasFailedInitialization(_ spec: PodPlanSpec, _ observation: PodObservation) -> Bool {
        guard spec.restartPolicy == .never else { return false }
        return spec.initContainers.contains { container in
            guard container.role == .initialization, case .exited(let code, _) = observation.container(container.name).state else { return false }
            return code != 0
        }
    }
}
