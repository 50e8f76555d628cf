internal import JSONTree
internal import KubeTypes

/// The files of a volume whose content comes from the API: ConfigMaps, Secrets, the pod's own fields, or all in one.
struct VolumeContent: Sendable {
    private static let defaultMode = 0o644

    var manifest: PodManifest
    var addresses: [String]
    var references: ConfigObjects
    var tokens: ServiceAccountTokens
    var node: NodeFacts

    func files(of volume: Volume) async throws -> [String: VolumeFile] {
        if let source = volume.configMap {
            return try await configMap(source.name ?? "", source.items, source.optional ?? false, mode: source.defaultMode ?? Self.defaultMode)
        }
        if let source = volume.secret {
            return try await secret(source.secretName ?? "", source.items, source.optional ?? false, mode: source.defaultMode ?? Self.defaultMode)
        }
        if let source = volume.downwardAPI { return try downwardAPI(source.items, mode: source.defaultMode ?? Self.defaultMode) }
        guard let projected = volume.projected else { return [:] }
        let mode = projected.defaultMode ?? Self.defaultMode
        var files: [String: VolumeFile] = [:]
        for source in projected.sources {
            let part: [String: VolumeFile]
            if let map = source.configMap {
                part = try await configMap(map.name ?? "", map.items, map.optional ?? false, mode: mode)
            } else if let secret = source.secret {
                part = try await self.secret(secret.name ?? "", secret.items, secret.optional ?? false, mode: mode)
            } else if let fields = source.downwardAPI {
                part = try downwardAPI(fields.items, mode: mode)
            } else if let token = source.serviceAccountToken {
                part = try await self.token(token, mode: mode)
            } else {
                part = [:]
            }
            files.merge(part) { _, later in later }
        }
        return files
    }

    /// A token that everyone in the pod has to read is its user's alone where there is one user, else its fsGroup's.
    private func token(_ source: ServiceAccountTokenProjection, mode: Int) async throws -> [String: VolumeFile] {
        let spec = manifest.pod.spec
        let text = try await tokens.token(TokenSource(
            podUID: manifest.uid, podName: manifest.name, namespace: manifest.namespace, account: spec.serviceAccountName ?? "default",
            audience: source.audience ?? "", expirationSeconds: Int64(source.expirationSeconds ?? 3600)))
        let owner = manifest.commonUser
        let isRestricted = owner != nil || spec.securityContext?.fsGroup != nil
        return [source.path: VolumeFile(bytes: Array(text.utf8), mode: isRestricted ? 0o600 : UInt32(mode), owner: owner)]
    }

    private func configMap(_ name: String, _ items: [KeyToPath], _ optional: Bool, mode: Int) async throws -> [String: VolumeFile] {
        let reference = ConfigReference(kind: .configMap, namespace: manifest.namespace, name: name)
        guard let object = try await references.find(reference, optional: optional) else { return [:] }
        return try select(ConfigData(configMap: object).bytes, items, optional, mode, kind: "config")
    }

    private func secret(_ name: String, _ items: [KeyToPath], _ optional: Bool, mode: Int) async throws -> [String: VolumeFile] {
        let reference = ConfigReference(kind: .secret, namespace: manifest.namespace, name: name)
        guard let object = try await references.find(reference, optional: optional) else { return [:] }
        return try select(ConfigData(secret: object).bytes, items, optional, mode, kind: "secret")
    }

    private func select(_ data: [String: [UInt8]], _ items: [KeyToPath], _ optional: Bool, _ mode: Int, kind: String) throws -> [String: VolumeFile] {
        if items.isEmpty { return data.mapValues { VolumeFile(bytes: $0, mode: UInt32(mode)) } }
        var files: [String: VolumeFile] = [:]
        for item in items {
            guard let bytes = data[item.key] else {
                if optional { continue }
                throw KubeletError(.failedMount, "references non-existent \(kind) key: \(item.key)")
            }
            files[item.path] = VolumeFile(bytes: bytes, mode: UInt32(item.mode ?? mode))
        }
        return files
    }

    private func downwardAPI(_ items: [DownwardAPIVolumeFile], mode: Int) throws -> [String: VolumeFile] {
        let fields = PodFields(manifest: manifest, addresses: addresses, node: node)
        var files: [String: VolumeFile] = [:]
        for item in items {
            let text: String
            if let reference = item.fieldRef {
                guard let value = fields.value(reference.fieldPath) else {
                    throw KubeletError(.failedMount, "unsupported fieldPath: \(reference.fieldPath)")
                }
                text = value
            } else if let reference = item.resourceFieldRef {
                text = try ResourceFields.text(reference, manifest, container: nil, node)
            } else {
                continue
            }
            files[item.path] = VolumeFile(bytes: Array(text.utf8), mode: UInt32(item.mode ?? mode))
        }
        return files
    }
}
