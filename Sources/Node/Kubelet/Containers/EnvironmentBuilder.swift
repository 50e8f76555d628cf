internal import JSONTree
internal import KubeAPI
internal import KubeTypes
internal import Runtime

/// Works out a container's environment from literals, the pod's fields, ConfigMaps and Secrets.
///
/// Order and precedence are Kubernetes': Services first, then `envFrom`, a later source wins; then `env`, where `$(NAME)` stands for
/// what has been defined before.
struct EnvironmentBuilder: Sendable {
    var manifest: PodManifest
    var container: Container
    var fields: PodFields
    var objects: ConfigObjects
    /// What tells of Services.
    var services: [(name: String, value: String)] = []

    func build() async throws -> [EnvironmentVariable] {
        var variables: [String: String] = [:]
        var order: [String] = []
        func set(_ name: String, _ value: String) {
            if variables.updateValue(value, forKey: name) == nil { order.append(name) }
        }
        for variable in services { set(variable.name, variable.value) }
        var loaded: [ConfigReference: JSON] = [:]
        for source in container.envFrom {
            for (name, value) in try await entries(of: source, &loaded) { set((source.prefix ?? "") + name, value) }
        }
        for variable in container.env {
            if let source = variable.valueFrom {
                // Optional and missing: the variable does not exist.
                guard let value = try await self.value(of: source, &loaded) else { continue }
                set(variable.name, value)
            } else {
                set(variable.name, VariableExpansion.expand(variable.value ?? "") { variables[$0] })
            }
        }
        return order.map { EnvironmentVariable(name: $0, value: variables[$0] ?? "") }
    }

    private func entries(of source: EnvFromSource, _ loaded: inout [ConfigReference: JSON]) async throws -> [(String, String)] {
        let data: [String: String]
        if let map = source.configMapRef {
            guard let object = try await load(.configMap, map.name ?? "", map.optional ?? false, &loaded) else { return [] }
            data = ConfigData(configMap: object).text
        } else if let secret = source.secretRef {
            guard let object = try await load(.secret, secret.name ?? "", secret.optional ?? false, &loaded) else { return [] }
            data = try ConfigData(secret: object).text
        } else {
            return []
        }
        return data.filter { !$0.key.isEmpty && !$0.key.contains("=") }.sorted { $0.key < $1.key }
    }

    private func value(of source: EnvVarSource, _ loaded: inout [ConfigReference: JSON]) async throws -> String? {
        if let reference = source.fieldRef {
            guard let value = fields.value(reference.fieldPath) else {
                throw KubeletError(.createContainerConfig, "fieldPath \"\(reference.fieldPath)\" is not supported")
            }
            return value
        }
        if let reference = source.resourceFieldRef {
            return try ResourceFields.text(reference, manifest, container: container, fields.node)
        }
        if let key = source.configMapKeyRef {
            guard let object = try await load(.configMap, key.name ?? "", key.optional ?? false, &loaded) else { return nil }
            if let value = ConfigData(configMap: object).text[key.key] { return value }
            if key.optional ?? false { return nil }
            throw KubeletError(.createContainerConfig, "couldn't find key \(key.key) in ConfigMap \(manifest.namespace)/\(key.name ?? "")")
        }
        if let key = source.secretKeyRef {
            guard let object = try await load(.secret, key.name ?? "", key.optional ?? false, &loaded) else { return nil }
            if let value = try ConfigData(secret: object).text[key.key] { return value }
            if key.optional ?? false { return nil }
            throw KubeletError(.createContainerConfig, "couldn't find key \(key.key) in Secret \(manifest.namespace)/\(key.name ?? "")")
        }
        return nil
    }

    private func load(_ kind: ConfigReference.Kind, _ name: String, _ optional: Bool, _ loaded: inout [ConfigReference: JSON]) async throws -> JSON? {
        let reference = ConfigReference(kind: kind, namespace: manifest.namespace, name: name)
        if let object = loaded[reference] { return object }
        guard let object = try await objects.find(reference, optional: optional) else { return nil }
        loaded[reference] = object
        return object
    }
}

/// The entries of a ConfigMap or Secret.
struct ConfigData {
    var bytes: [String: [UInt8]]

    init(configMap: JSON) {
        bytes = [:]
        for (key, value) in configMap["data"]?.object ?? [:] { bytes[key] = Array((value.string ?? "").utf8) }
        // The server does not store anything else than base64 here; what cannot be decoded is no entry.
        for (key, value) in configMap["binaryData"]?.object ?? [:] { bytes[key] = try? Base64.decode(value.string ?? "") }
    }

    init(secret: JSON) throws {
        bytes = [:]
        for (key, value) in secret["data"]?.object ?? [:] { bytes[key] = try Base64.decode(value.string ?? "") }
    }

    var text: [String: String] { bytes.mapValues { String(decoding: $0, as: UTF8.self) } }
}

extension ResourceFields {
    /// The text of a `resourceFieldRef`.
    static func text(_ reference: ResourceFieldSelector, _ manifest: PodManifest, container: Container?, _ node: NodeFacts) throws -> String {
        let target: Container? = if let name = reference.containerName, !name.isEmpty { manifest.container(name) } else { container }
        guard let target else { throw KubeletError(.createContainerConfig, "container \(reference.containerName ?? "") not found") }
        let storage = target.resources?.requests["ephemeral-storage"]?.value
        let fields = ResourceFields(demand: ContainerDemand(target), ephemeralStorageRequest: storage, node: node)
        guard let value = fields.value(reference.resource, divisor: reference.divisor) else {
            throw KubeletError(.createContainerConfig, "unsupported container resource: \(reference.resource)")
        }
        return value
    }
}
