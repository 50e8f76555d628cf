internal import BlockingCalls
internal import KubeTypes
internal import Runtime

/// From a container's specification to what the runtime makes a container of.
struct ContainerBuilder {
    var manifest: PodManifest
    var container: String
    var addresses: [String]
    var attempt: UInt32
    var imageID: String
    var services: PodServices

    func build() async throws -> ContainerConfiguration {
        guard let spec = manifest.container(container) else { throw KubeletError(.createContainerConfig, "container \(container) not found") }
        let fields = PodFields(manifest: manifest, addresses: addresses, node: services.node)
        let links = try await services.links.variables(namespace: manifest.namespace, links: manifest.pod.spec.enableServiceLinks ?? true)
        let environment = try await EnvironmentBuilder(
            manifest: manifest, container: spec, fields: fields, objects: services.references, services: links
        ).build()
        let values = Dictionary(environment.map { ($0.name, $0.value) }) { _, last in last }
        func expand(_ words: [String]) -> [String]? { words.isEmpty ? nil : words.map { VariableExpansion.expand($0) { values[$0] } } }
        let imageUser = try await services.images.image(imageID)?.user ?? ""
        let security = try SecurityBuilder(manifest: manifest, container: spec, imageUser: imageUser).build()
        let (manifest, services, attempt, addresses) = (manifest, services, attempt, addresses)
        let mounts = try await BlockingThreads.kubelet.run {
            try MountBuilder(manifest: manifest, container: spec, attempt: attempt, addresses: addresses, environment: values, services: services).build()
        }
        let demand = manifest.demands[container] ?? ContainerDemand()
        let adjustment = ResourceArithmetic.oomScoreAdjustment(
            manifest.qos, memoryRequest: demand.memoryRequest ?? 0, nodeMemory: services.node.memory, isNodeCritical: (manifest.pod.spec.priority ?? 0) >= 2_000_001_000)
        return ContainerConfiguration(
            name: container, attempt: attempt, image: imageID, command: expand(spec.command), arguments: expand(spec.args),
            workingDirectory: spec.workingDir ?? "", environment: environment, mounts: mounts,
            resources: ResourceArithmetic.resources(of: demand, oomScoreAdjustment: adjustment, pidsLimit: services.configuration.pidsLimit),
            security: security, stdin: spec.stdin ?? false, stdinOnce: spec.stdinOnce ?? false, tty: spec.tty ?? false, logPath: "\(container)/\(attempt).log",
            labels: [
                SandboxBuilder.labels.name: manifest.name, SandboxBuilder.labels.namespace: manifest.namespace, SandboxBuilder.labels.uid: manifest.uid,
                SandboxBuilder.labels.container: container,
            ])
    }
}
