internal import JSONTree
internal import KubeAPI
internal import KubeTypes

/// A pod of the API in the terms of the kubelet: everything that is decided by the specification alone, worked out once.
struct PodManifest: Sendable {
    /// What runs after a container's start or before its end.
    enum Hook: Sendable, Hashable {
        case exec([String])
        case http(scheme: String, host: String?, port: Int, path: String, headers: [ProbeSpec.Header])
        case sleep(Duration)
    }
    struct Hooks: Sendable, Hashable {
        var postStart: Hook?
        var preStop: Hook?
        var stopSignal: Int32?
    }

    let pod: Pod
    let namespace: String
    let name: String
    let uid: String
    let labels: [String: String]
    let annotations: [String: String]
    let generation: Int64?
    let spec: PodPlanSpec
    let probes: [String: [ProbeSpec.Kind: ProbeSpec]]
    let hooks: [String: Hooks]
    /// The grace that the deletion asks for; nil while the pod is not to go. When it is over is not the API server's to say:
    /// its timestamps are whole seconds of another clock, and a process has its time from its signal on.
    let deletionGrace: Duration?
    let terminationGrace: Duration
    let usesHostNetwork: Bool
    let qos: PodQoSClass
    let demands: [String: ContainerDemand]
    let readinessGates: [String]
    /// Conditions that others have set.
    let foreignConditions: [JSON]
    /// Containers whose log stands in for a missing termination message.
    let fallsBackToLogs: Set<String>
    /// Paths of fields that this node does not support.
    let unsupportedFields: [String]

    /// `name_namespace(uid)`, as messages of the kubelet name a pod.
    var fullName: String { "\(name)_\(namespace)(\(uid))" }
    var status: JSON { pod.json["status"] ?? [:] }

    /// The pod without what this node itself writes, and without its version.
    var essence: JSON {
        var json = pod.json
        json["metadata"]?["resourceVersion"] = nil
        json["metadata"]?["managedFields"] = nil
        json["status"] = ["conditions": .array(foreignConditions)]
        return json
    }

    init(_ pod: Pod) {
        self.pod = pod
        let metadata = pod.metadata
        let podSpec = pod.spec
        namespace = metadata.namespace ?? "default"
        name = metadata.name ?? ""
        uid = metadata.uid ?? ""
        labels = metadata.labels
        annotations = metadata.annotations
        generation = metadata.generation.map { Int64($0) }
        spec = Self.plan(podSpec)
        terminationGrace = .seconds(podSpec.terminationGracePeriodSeconds ?? 30)
        usesHostNetwork = podSpec.hostNetwork ?? false
        let isDeleted = metadata.deletionTimestamp != nil
        deletionGrace = isDeleted ? metadata.deletionGracePeriodSeconds.map { .seconds(max(0, $0)) } ?? terminationGrace : nil
        let containers = podSpec.initContainers + podSpec.containers
        demands = Dictionary(containers.map { ($0.name, ContainerDemand($0)) }) { first, _ in first }
        qos = PodQoSClass(containers.map { ContainerDemand($0) })
        probes = Dictionary(containers.map { ($0.name, $0.probes) }) { first, _ in first }
        hooks = Dictionary(containers.map { ($0.name, Hooks($0)) }) { first, _ in first }
        readinessGates = podSpec.readinessGates.map(\.conditionType)
        let json = pod.json
        foreignConditions = (json[path: "status", "conditions"]?.array ?? []).filter { !PodConditions.owned.contains($0["type"]?.string ?? "") }
        fallsBackToLogs = Set(containers.filter { $0.terminationMessagePolicy == "FallbackToLogsOnError" }.map(\.name))
        unsupportedFields = UnsupportedFields.find(in: json)
    }

    func target(container: String? = nil) -> EventTarget {
        let path = container.map { name in
            spec.initContainers.contains { $0.name == name } ? "spec.initContainers{\(name)}" : "spec.containers{\(name)}"
        }
        return EventTarget(namespace: namespace, name: name, uid: uid, fieldPath: path)
    }

    func container(_ name: String) -> Container? { (pod.spec.initContainers + pod.spec.containers).first { $0.name == name } }

    private static func plan(_ spec: PodSpec) -> PodPlanSpec {
        PodPlanSpec(
            restartPolicy: spec.restartPolicy.flatMap(PodPlanSpec.RestartPolicy.init) ?? .always,
            initContainers: spec.initContainers.map { ContainerPlan($0, role: $0.restartPolicy == "Always" ? .sidecar : .initialization) },
            containers: spec.containers.map { ContainerPlan($0, role: .main) },
            activeDeadline: spec.activeDeadlineSeconds.map { .seconds($0) })
    }
}

extension WallTime {
    init(_ time: Time) { self.init(seconds: time.seconds, nanoseconds: Int64(time.nanoseconds)) }
}

extension ContainerPlan {
    init(_ container: Container, role: Role) {
        let image = container.image ?? ""
        let isLatest = ImageTag.isLatest(image)
        let policy = container.imagePullPolicy.flatMap(PullPolicy.init) ?? (isLatest ? .always : .ifNotPresent)
        self.init(container.name, role: role, image: image, pullPolicy: policy)
    }
}

enum ImageTag {
    /// No tag and no digest, or the tag `latest`: pulled each time unless the pod says otherwise.
    static func isLatest(_ image: String) -> Bool {
        if image.contains("@") { return false }
        let last = image.split(separator: "/").last ?? ""
        guard let colon = last.lastIndex(of: ":") else { return true }
        return last[last.index(after: colon)...] == "latest"
    }
}

extension ContainerDemand {
    init(_ container: Container) {
        let (requests, limits) = (container.resources?.requests ?? [:], container.resources?.limits ?? [:])
        self.init(
            cpuRequest: requests["cpu"]?.milliValue, cpuLimit: limits["cpu"]?.milliValue, memoryRequest: requests["memory"]?.value,
            memoryLimit: limits["memory"]?.value)
    }
}
