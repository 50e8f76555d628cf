internal import KubeTypes
internal import Runtime

/// From a pod's specification to what the runtime makes a sandbox of.
struct SandboxBuilder {
    var manifest: PodManifest
    var services: PodServices

    static let labels = (
        name: "io.kubernetes.pod.name", namespace: "io.kubernetes.pod.namespace", uid: "io.kubernetes.pod.uid", container: "io.kubernetes.container.name"
    )

    func build(attempt: UInt32) throws -> SandboxConfiguration {
        let spec = manifest.pod.spec
        let files = ManagedFiles(manifest: manifest, addresses: [], configuration: services.configuration)
        let initContainers = manifest.spec.initContainers.map { (demand: manifest.demands[$0.name] ?? ContainerDemand(), isSidecar: $0.role == .sidecar) }
        var labels = manifest.labels
        labels[Self.labels.name] = manifest.name
        labels[Self.labels.namespace] = manifest.namespace
        labels[Self.labels.uid] = manifest.uid
        return SandboxConfiguration(
            uid: manifest.uid, namespace: manifest.namespace, name: manifest.name, hostname: files.hostname, domainname: "", attempt: attempt,
            logDirectory: services.store.logDirectory(namespace: manifest.namespace, name: manifest.name, uid: manifest.uid),
            cgroupParent: manifest.qos.cgroupParent(uid: manifest.uid),
            resources: ResourceArithmetic.podResources(
                containers: manifest.spec.containers.map { manifest.demands[$0.name] ?? ContainerDemand() }, initContainers: initContainers),
            sysctls: Dictionary((spec.securityContext?.sysctls ?? []).map { ($0.name, $0.value) }) { _, last in last },
            hostNetwork: manifest.usesHostNetwork, hostPID: spec.hostPID ?? false, hostIPC: spec.hostIPC ?? false,
            shareProcessNamespace: spec.shareProcessNamespace ?? false, hostUsers: spec.hostUsers ?? true, labels: labels,
            annotations: manifest.annotations)
    }
}
