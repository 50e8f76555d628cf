import JSONTree
import KubeAPI
import KubeClient

/// The collector's writes. They state the version that they were made from, so that a change in between makes the server refuse
/// them and the collector look again; merge patches hold for every kind.
extension GarbageCollector {
    func removeFinalizer(_ finalizer: String, _ node: GraphNode, _ object: JSON) async throws {
        let finalizers = (object[path: "metadata", "finalizers"]?.array ?? []).filter { $0.string != finalizer }
        try await patch(node, object, ["finalizers": .array(finalizers)])
    }

    func dropOwners(_ uids: Set<String>, _ node: GraphNode, _ object: JSON) async throws {
        let references = object[path: "metadata", "ownerReferences"]?.array ?? []
        let kept = references.filter { !uids.contains($0["uid"]?.string ?? "") }
        if kept.count != references.count { try await patch(node, object, ["ownerReferences": .array(kept)]) }
    }

    /// In a circle of owners that wait for each other nobody may block.
    /// - Returns: whether anything had to be changed.
    func unblockOwners(_ node: GraphNode, _ object: JSON) async throws -> Bool {
        var references = object[path: "metadata", "ownerReferences"]?.array ?? []
        guard references.contains(where: { $0["blockOwnerDeletion"]?.bool == true }) else { return false }
        for index in references.indices { references[index]["blockOwnerDeletion"] = false }
        try await patch(node, object, ["ownerReferences": .array(references)])
        return true
    }

    private func patch(_ node: GraphNode, _ object: JSON, _ metadata: JSONObject) async throws {
        var metadata = metadata
        metadata["uid"] = .string(node.uid)
        metadata["resourceVersion"] = object[path: "metadata", "resourceVersion"]
        try await ignoringNotFound {
            _ = try await client.patch(node.resource, namespace: namespace(node), name: node.name, ["metadata": .object(metadata)])
        }
    }

    func delete(_ node: GraphNode, _ object: JSON, _ propagation: CollectionDecision.Propagation) async throws {
        var preconditions: JSON = ["uid": .string(node.uid)]
        preconditions["resourceVersion"] = object[path: "metadata", "resourceVersion"]
        let options: JSON = [
            "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions, "propagationPolicy": .string(propagation.rawValue),
        ]
        let path = node.resource.path(namespace: namespace(node), name: node.name)
        try await ignoringNotFound {
            _ = try await client.call(APIRequest(.delete, path, contentType: "application/json", body: options.bytes()))
        }
    }

    func namespace(_ node: GraphNode) -> String? { node.resource.namespaced ? node.namespace : nil }
}
