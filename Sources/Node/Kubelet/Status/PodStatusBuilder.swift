internal import JSONTree

/// Puts a pod's status together from what is known of it. Pure.
struct PodStatusBuilder {
    var manifest: PodManifest
    var record: PodRecord
    var observation: PodObservation
    /// Per container: why it waits, if it does.
    var waiting: [String: PodRecord.Failure]
    var node: NodeFacts

    func build() -> JSON {
        let spec = manifest.spec
        let isQuiet = spec.all.allSatisfy { !observation.container($0.name).isAlive } && [.none, .failed].contains(observation.sandbox)
        let isEnding = record.ending != nil && isQuiet
        var phase = PodPhase(spec, observation, isEnding: isEnding)
        if record.ending?.failure != nil { phase = .failed }
        let statuses = Dictionary(uniqueKeysWithValues: spec.all.map { ($0.name, self.status($0)) })

        var status: JSONObject = ["phase": JSON(phase.rawValue)]
        if let generation = manifest.generation { status["observedGeneration"] = JSON(generation) }
        if let failure = record.ending?.failure {
            status["reason"] = JSON(failure.reason)
            status["message"] = JSON(failure.message)
        }
        status["conditions"] = .array(
            PodConditions.json(conditions(phase, statuses), published: record.publishedStatus, generation: manifest.generation, now: observation.now))
        if let address = node.addresses.first {
            status["hostIP"] = JSON(address)
            status["hostIPs"] = .array(node.addresses.map { ["ip": JSON($0)] })
        }
        let addresses = manifest.usesHostNetwork && record.sandboxID != nil ? node.addresses : record.addresses
        if let address = addresses.first {
            status["podIP"] = JSON(address)
            status["podIPs"] = .array(addresses.map { ["ip": JSON($0)] })
        }
        status["startTime"] = JSON(record.startTime.rfc3339)
        status["qosClass"] = JSON(manifest.qos.rawValue)
        if !spec.initContainers.isEmpty { status["initContainerStatuses"] = .array(spec.initContainers.compactMap { statuses[$0.name]?.json }) }
        status["containerStatuses"] = .array(spec.containers.compactMap { statuses[$0.name]?.json })
        return .object(status)
    }

    private func status(_ container: ContainerPlan) -> ContainerStatusBuilder {
        let known = record.containers[container.name] ?? ContainerRecord()
        return ContainerStatusBuilder(
            container: container, record: known, seen: observation.container(container.name),
            waiting: waiting[container.name] ?? PodRecord.Failure(reason: ContainerStatusBuilder.creating, message: ""))
    }

    private func conditions(_ phase: PodPhase, _ statuses: [String: ContainerStatusBuilder]) -> [PodCondition] {
        let spec = manifest.spec
        let isInitialized = PodProgress.isInitialized(spec, observation)
        let incomplete = spec.initContainers.filter { container in
            guard let status = statuses[container.name] else { return true }
            return container.role == .sidecar ? !status.isStarted : !status.isReady
        }
        let mustBeReady = spec.initContainers.filter { $0.role == .sidecar } + spec.containers
        return PodConditions.build(
            .init(
                phase: phase, hasSandbox: observation.sandbox == .ready, isInitialized: isInitialized, incompleteInitContainers: incomplete.map(\.name),
                unreadyContainers: mustBeReady.filter { statuses[$0.name]?.isReady != true }.map(\.name),
                readinessGates: manifest.readinessGates.map { gate in
                    (gate, manifest.foreignConditions.first { $0["type"]?.string == gate }?["status"]?.string)
                }))
    }
}
