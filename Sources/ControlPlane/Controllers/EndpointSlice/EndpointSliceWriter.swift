import JSONTree
import KubeAPI
import KubeClient
import KubeTypes

/// Carries out a plan of slices.
struct EndpointSliceWriter: Sendable {
    let client: KubeClient
    let seen: ObjectIndex<EndpointSlice>
    let assumed: AssumedObjects<EndpointSlice>

    func carryOut(_ plan: EndpointSliceDistribution.Plan, owner: String) async throws {
        // What is new first, so that no endpoint is missing in between.
        for slice in plan.creations {
            do {
                let created = try await client.create(slice)
                assumed.created(created, owner: owner, seen: seen.object(ObjectName(created)))
            } catch let error as KubeError where error.isNamespaceTerminating {
                return
            }
        }
        for (old, new) in plan.updates {
            guard let change = MergePatch.difference(from: Self.content(old), to: Self.content(new)), var patch = change.object else { continue }
            var metadata = MergePatch.condition(old)
            if let labels = change[path: "metadata", "labels"] { metadata["labels"] = labels }
            patch["metadata"] = metadata
            let changed = try await client.patch(EndpointSlice.self, namespace: old.namespace, name: old.name, .object(patch))
            assumed.changed(changed, owner: owner, seen: seen.object(ObjectName(changed)))
        }
        for slice in plan.deletions {
            try await ignoringNotFound {
                _ = try await client.delete(EndpointSlice.resource, namespace: slice.namespace, name: slice.name, uid: slice.uid)
            }
            assumed.deleted(slice, owner: owner, seen: seen.object(ObjectName(slice)))
        }
    }

    /// What of a slice this controller writes.
    private static func content(_ slice: EndpointSlice) -> JSON {
        let all = slice.json
        var content: JSON = ["metadata": ["labels": all[path: "metadata", "labels"] ?? [:]]]
        content["endpoints"] = all["endpoints"] ?? []
        content["ports"] = all["ports"] ?? []
        return content
    }
}
