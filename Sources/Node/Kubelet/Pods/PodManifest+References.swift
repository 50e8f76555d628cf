internal import KubeTypes

extension PodManifest {
    /// The user that all containers run as by their specification; nil if they differ or one does not say.
    var commonUser: UInt32? {
        let spec = pod.spec
        let users = Set((spec.initContainers + spec.containers).map { $0.securityContext?.runAsUser ?? spec.securityContext?.runAsUser })
        guard users.count == 1, let user = users.first ?? nil else { return nil }
        return UInt32(exactly: user)
    }

    /// ConfigMaps and Secrets that the pod's volumes are filled from.
    var volumeReferences: Set<ConfigReference> {
        var references: Set<ConfigReference> = []
        func add(_ kind: ConfigReference.Kind, _ name: String?) {
            references.insert(ConfigReference(kind: kind, namespace: namespace, name: name ?? ""))
        }
        for volume in pod.spec.volumes {
            if let source = volume.configMap { add(.configMap, source.name) }
            if let source = volume.secret { add(.secret, source.secretName) }
            for source in volume.projected?.sources ?? [] {
                if let map = source.configMap { add(.configMap, map.name) }
                if let secret = source.secret { add(.secret, secret.name) }
            }
        }
        return references
    }

    /// Those, and the ones that environments refer to.
    var allReferences: Set<ConfigReference> {
        var references = volumeReferences
        func add(_ kind: ConfigReference.Kind, _ name: String?) {
            references.insert(ConfigReference(kind: kind, namespace: namespace, name: name ?? ""))
        }
        for container in pod.spec.initContainers + pod.spec.containers {
            for source in container.envFrom {
                if let map = source.configMapRef { add(.configMap, map.name) }
                if let secret = source.secretRef { add(.secret, secret.name) }
            }
            for source in container.env.compactMap(\.valueFrom) {
                if let key = source.configMapKeyRef { add(.configMap, key.name) }
                if let key = source.secretKeyRef { add(.secret, key.name) }
            }
        }
        return references
    }
}
