internal import JSONTree
internal import KubeAPI

/// Deployments, their ReplicaSets and their history.
extension TableDefinition {
    private static let containerColumns = [
        Column(name: "Containers", description: "The names of the containers in the template.", priority: 1),
        Column(name: "Images", description: "The images of the containers in the template.", priority: 1),
        Column(name: "Selector", description: "The labels by which the pods are found.", priority: 1),
    ]

    static let deployments = TableDefinition(
        columns: [
            name,
            Column(name: "Ready", description: "The number of ready pods and of those wanted."),
            Column(name: "Up-to-date", type: "integer", description: "The number of pods that follow the present template."),
            Column(name: "Available", type: "integer", description: "The number of pods that have been ready for long enough."),
            age,
        ] + containerColumns,
        cells: { deployment, now in
            let (spec, status) = (deployment["spec"], deployment["status"])
            let ready = "\(status?["readyReplicas"]?.int ?? 0)/\(spec?["replicas"]?.int ?? 0)"
            return [
                objectName(deployment), .string(ready), count(status, "updatedReplicas"), count(status, "availableReplicas"), age(deployment, now),
            ] + containers(spec)
        })

    static let replicaSets = TableDefinition(
        columns: [
            name,
            Column(name: "Desired", type: "integer", description: "The number of pods wanted."),
            Column(name: "Current", type: "integer", description: "The number of pods there are."),
            Column(name: "Ready", type: "integer", description: "The number of ready pods."),
            age,
        ] + containerColumns,
        cells: { set, now in
            let (spec, status) = (set["spec"], set["status"])
            return [objectName(set), count(spec, "replicas"), count(status, "replicas"), count(status, "readyReplicas"), age(set, now)]
                + containers(spec)
        })

    static let controllerRevisions = TableDefinition(
        columns: [
            name, Column(name: "Controller", description: "The object whose history this is a part of."),
            Column(name: "Revision", type: "integer", description: "The place in the history."), age,
        ],
        cells: { revision, now in
            let owner = (revision[path: "metadata", "ownerReferences"]?.array ?? []).first { $0["controller"] == true }
            let group = owner?["apiVersion"]?.string.flatMap { $0.contains("/") ? $0.split(separator: "/").first : nil }
            let controller = owner.map { owner in
                "\(owner["kind"]?.string?.lowercased() ?? "")\(group.map { ".\($0)" } ?? "")/\(owner["name"]?.string ?? "")"
            }
            return [objectName(revision), .string(controller ?? "<none>"), JSON(revision["revision"]?.int ?? 0), age(revision, now)]
        })

    private static func count(_ object: JSON?, _ key: String) -> JSON { JSON(object?[key]?.int ?? 0) }

    private static func containers(_ spec: JSON?) -> [JSON] {
        let containers = spec?[path: "template", "spec", "containers"]?.array ?? []
        func joined(_ key: String) -> JSON { .string(containers.map { $0[key]?.string ?? "" }.joined(separator: ",")) }
        return [joined("name"), joined("image"), .string(selectorText(spec?["selector"]))]
    }

    /// A `LabelSelector` as one line, keys in their order.
    static func selectorText(_ selector: JSON?) -> String {
        guard let selector, let parsed = try? LabelRequirements(selector: selector), !parsed.isEmpty else { return "<none>" }
        return LabelRequirements(parsed.requirements.sorted { $0.key < $1.key }).description
    }
}
