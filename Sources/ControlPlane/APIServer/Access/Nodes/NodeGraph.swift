internal import JSONTree

/// What a pod lets its node read.
enum PodReference: Sendable, Hashable {
    case secret(namespace: String, name: String)
    case configMap(namespace: String, name: String)
    case serviceAccount(namespace: String, name: String)
    case claim(namespace: String, name: String)
    case pod(namespace: String, name: String)

    /// All of a pod. A mirror pod is the node's own word, so it opens nothing beside itself.
    static func all(of pod: JSON, namespace: String, name: String) -> Set<PodReference> {
        var found: Set<PodReference> = [.pod(namespace: namespace, name: name)]
        guard !isMirror(pod), let spec = pod["spec"] else { return found }
        func secret(_ json: JSON?) { if let name = nonEmpty(json) { found.insert(.secret(namespace: namespace, name: name)) } }
        func configMap(_ json: JSON?) { if let name = nonEmpty(json) { found.insert(.configMap(namespace: namespace, name: name)) } }
        if let account = nonEmpty(spec["serviceAccountName"]) { found.insert(.serviceAccount(namespace: namespace, name: account)) }
        for reference in spec["imagePullSecrets"]?.array ?? [] { secret(reference["name"]) }
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            for container in spec[list]?.array ?? [] {
                for source in container["envFrom"]?.array ?? [] {
                    secret(source[path: "secretRef", "name"])
                    configMap(source[path: "configMapRef", "name"])
                }
                for variable in container["env"]?.array ?? [] {
                    secret(variable[path: "valueFrom", "secretKeyRef", "name"])
                    configMap(variable[path: "valueFrom", "configMapKeyRef", "name"])
                }
            }
        }
        for volume in spec["volumes"]?.array ?? [] {
            secret(volume[path: "secret", "secretName"])
            configMap(volume[path: "configMap", "name"])
            secret(volume[path: "csi", "nodePublishSecretRef", "name"])
            if let claim = nonEmpty(volume[path: "persistentVolumeClaim", "claimName"]) { found.insert(.claim(namespace: namespace, name: claim)) }
            if volume["ephemeral"] != nil, let volumeName = volume["name"]?.string { found.insert(.claim(namespace: namespace, name: "\(name)-\(volumeName)")) }
            for source in volume[path: "projected", "sources"]?.array ?? [] {
                secret(source[path: "secret", "name"])
                configMap(source[path: "configMap", "name"])
            }
        }
        return found
    }

    /// Whether the pod is a node's description of one that it runs by itself.
    static func isMirror(_ pod: JSON) -> Bool { pod[path: "metadata", "annotations"]?["kubernetes.io/config.mirror"] != nil }
}

/// Which node may see what, by the pods that are bound to it.
struct NodeGraph: Sendable {
    private struct Bound {
        let node: String
        let references: Set<PodReference>
    }

    private var pods: [ObjectKey: Bound] = [:]
    private var counts: [String: [PodReference: Int]] = [:]

    func has(_ node: String, _ reference: PodReference) -> Bool { counts[node]?[reference] != nil }

    /// A pod that is bound stays where it is, with the references that it was made with, so it is read once: what comes after
    /// are statuses.
    mutating func apply(_ change: CacheChange) {
        guard let object = change.object else { return remove(change.key) }
        if pods[change.key] != nil { return }
        let pod = object.json()
        guard let node = nonEmpty(pod[path: "spec", "nodeName"]) else { return }
        let references = PodReference.all(of: pod, namespace: change.key.namespace, name: change.key.name)
        pods[change.key] = Bound(node: node, references: references)
        for reference in references { counts[node, default: [:]][reference, default: 0] += 1 }
    }

    private mutating func remove(_ key: ObjectKey) {
        guard let bound = pods.removeValue(forKey: key) else { return }
        for reference in bound.references {
            let left = (counts[bound.node]?[reference] ?? 1) - 1
            counts[bound.node]?[reference] = left > 0 ? left : nil
        }
        if counts[bound.node]?.isEmpty == true { counts[bound.node] = nil }
    }
}
