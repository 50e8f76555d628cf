internal import JSONTree
internal import KubeAPI

/// What nodes and their certificates are about.
extension TableDefinition {
    static let certificateRequests = TableDefinition(
        columns: [
            name, age, Column(name: "SignerName", description: "Who is asked to sign."), Column(name: "Requestor", description: "Who asks."),
            Column(name: "RequestedDuration", description: "How long the certificate shall be valid."),
            Column(name: "Condition", description: "What became of the request."),
        ],
        cells: { request, now in
            let spec = request["spec"]
            let duration = spec?["expirationSeconds"]?.int.map { humanDuration(seconds: $0) } ?? "<none>"
            return [
                objectName(request), age(request, now), .string(nonEmpty(spec?["signerName"]) ?? "<none>"), spec?["username"] ?? "", .string(duration),
                .string(certificateCondition(request)),
            ]
        })

    /// `Pending`, `Approved,Issued`, `Denied`: a refusal counts more than a consent.
    static func certificateCondition(_ request: JSON) -> String {
        let types = Set((request[path: "status", "conditions"]?.array ?? []).compactMap { $0["type"]?.string })
        var words = [types.contains("Denied") ? "Denied" : types.contains("Approved") ? "Approved" : "Pending"]
        if types.contains("Failed") { words.append("Failed") }
        if nonEmpty(request[path: "status", "certificate"]) != nil { words.append("Issued") }
        return words.joined(separator: ",")
    }

    static let csiNodes = TableDefinition(
        columns: [name, Column(name: "Drivers", type: "integer", description: "How many CSI drivers the node has."), age],
        cells: { node, now in [objectName(node), JSON(node[path: "spec", "drivers"]?.array?.count ?? 0), age(node, now)] })

    static let csiDrivers = TableDefinition(
        columns: [
            name, Column(name: "AttachRequired", type: "boolean", description: "Whether volumes are attached to a node before they are mounted."),
            Column(name: "PodInfoOnMount", type: "boolean", description: "Whether the driver is told of the pod."),
            Column(name: "StorageCapacity", type: "boolean", description: "Whether the scheduler looks at the capacity."),
            Column(name: "TokenRequests", description: "For whom the driver is given tokens of the pod's service account."),
            Column(name: "RequiresRepublish", type: "boolean", description: "Whether the driver is called again and again."),
            Column(name: "Modes", description: "The kinds of volumes that the driver has."), age,
        ],
        cells: { driver, now in
            let spec = driver["spec"]
            let modes = (spec?["volumeLifecycleModes"]?.array ?? []).compactMap(\.string).joined(separator: ",")
            let audiences = spec?["tokenRequests"]?.array.map { $0.compactMap { $0["audience"]?.string }.joined(separator: ",") }
            return [
                objectName(driver), spec?["attachRequired"] ?? true, spec?["podInfoOnMount"] ?? false, spec?["storageCapacity"] ?? false,
                .string(audiences ?? "<unset>"), spec?["requiresRepublish"] ?? false, .string(modes.isEmpty ? "<none>" : modes), age(driver, now),
            ]
        })

    static let runtimeClasses = TableDefinition(
        columns: [name, Column(name: "Handler", description: "The runtime's own name for the class."), age],
        cells: { runtimeClass, now in [objectName(runtimeClass), runtimeClass["handler"] ?? "", age(runtimeClass, now)] })
}
