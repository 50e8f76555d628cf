internal import Logging
internal import JSONTree

extension PodWorker {
    /// Works out the pod's status and remembers it.
    func updateStatus() { record.publishedStatus = buildStatus() }

    /// Sends the status, if it is not the one that was sent last.
    func tell() { if let status = record.publishedStatus { publisher.publish(status) } }

    /// The pod is not started because of fields that this node does not support. One that runs already goes on.
    var isRefused: Bool {
        !manifest.unsupportedFields.isEmpty && record.ending == nil && !record.containers.values.contains(where: \.hasInstance)
    }

    /// Says once for each set of fields that they are not supported.
    func refuse(_ fields: [String]) {
        guard !fields.isEmpty, reportedRefusal != fields else { return }
        reportedRefusal = fields
        event(.warning, KubeletError.Code.unsupportedField.rawValue, UnsupportedFields.message(fields))
    }

    private func buildStatus() -> JSON {
        let observation = observe()
        let waiting = Dictionary(uniqueKeysWithValues: manifest.spec.all.map { ($0.name, self.waiting($0, observation)) })
        let builder = PodStatusBuilder(
            manifest: manifest, record: record, observation: observation, waiting: waiting, node: services.node)
        return builder.build()
    }

    /// Why a container waits, in the words of Kubernetes.
    private func waiting(_ container: ContainerPlan, _ observation: PodObservation) -> PodRecord.Failure {
        if isRefused {
            return PodRecord.Failure(
                reason: KubeletError.Code.createContainerConfig.rawValue, message: UnsupportedFields.message(manifest.unsupportedFields))
        }
        let transient = transients[container.name] ?? Transient()
        let known = record.containers[container.name]
        if let failure = transient.imageFailure?.failure { return PodRecord.Failure(reason: failure.reason, message: failure.message) }
        if let failure = known?.startFailure { return PodRecord.Failure(reason: failure.reason, message: failure.message) }
        if let until = transient.crashBackoffUntil, let exit = known?.exit {
            let delay = (until - exit.finishedAt).components.seconds
            return PodRecord.Failure(
                reason: "CrashLoopBackOff", message: "back-off \(GoDuration.text(seconds: delay)) restarting failed container=\(container.name) pod=\(manifest.fullName)")
        }
        let initializing = container.role == .main && !manifest.spec.initContainers.isEmpty && !PodProgress.isInitialized(manifest.spec, observation)
            || container.role != .main && isBehindAnother(container, observation)
        return PodRecord.Failure(reason: initializing ? ContainerStatusBuilder.initializing : ContainerStatusBuilder.creating, message: "")
    }

    private func isBehindAnother(_ container: ContainerPlan, _ observation: PodObservation) -> Bool {
        manifest.spec.initContainers.first { $0.name != container.name && !observation.container($0.name).hasInstance } != nil
            && manifest.spec.initContainers.first?.name != container.name
    }
}

/// Durations as Go prints them, which is how Kubernetes shows them.
enum GoDuration {
    static func text(seconds: Int64) -> String {
        let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60)
        if hours > 0 { return "\(hours)h\(minutes)m\(rest)s" }
        return minutes > 0 ? "\(minutes)m\(rest)s" : "\(rest)s"
    }

    /// With milliseconds, as an image pull's time is shown.
    static func text(_ duration: Duration) -> String {
        let nanoseconds = duration.wholeNanoseconds
        if nanoseconds < 1_000_000_000 { return "\(nanoseconds / 1_000_000)ms" }
        let milliseconds = nanoseconds / 1_000_000
        if milliseconds >= 60_000 { return text(seconds: milliseconds / 1000) }
        let fraction = String(1000 + milliseconds % 1000).dropFirst()
        let trimmed = fraction.reversed().drop { $0 == "0" }.reversed()
        return "\(milliseconds / 1000)" + (trimmed.isEmpty ? "" : "." + String(trimmed)) + "s"
    }
}
