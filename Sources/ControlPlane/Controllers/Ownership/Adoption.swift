import JSONTree
import KubeAPI
import KubeClient
import KubeTypes

/// Carries out a claim.
struct Adoption: Sendable {
    let client: KubeClient

    /// Adopts and releases what the claim says.
    /// - Returns: the owner's objects afterwards.
    func settle<Owner: KubeObject, Object: KubeObject>(_ claim: Claim<Object>, owner: Owner) async throws -> [Object] {
        for object in claim.released { try await release(object, owner: owner) }
        guard !claim.adopted.isEmpty else { return claim.owned }
        // The copy may show an owner that is gone or another one of the same name: ask before taking anything.
        let live = try await client.get(Owner.self, namespace: owner.namespace, name: owner.name)
        guard live.uid == owner.uid else {
            throw KubeError(
                code: 409, reason: .conflict,
                message: "expected \(Owner.resource.kind) \(ObjectName(owner)) to be \(owner.uid), found \(live.uid)")
        }
        guard live.metadata.deletionTimestamp == nil else { return claim.owned }
        var adopted: [Object] = []
        for object in claim.adopted {
            if let object = try await adopt(object, owner: owner) { adopted.append(object) }
        }
        return claim.owned + adopted
    }

    private func adopt<Owner: KubeObject, Object: KubeObject>(_ object: Object, owner: Owner) async throws -> Object? {
        let reference = OwnerReference(controller: owner, of: Owner.resource).json
        do {
            return try await client.patch(
                Object.self, namespace: object.namespace, name: object.name, patchType: .strategic,
                ["metadata": ["uid": .string(object.uid), "ownerReferences": [reference]]])
        } catch let error as KubeError where error.isNotFound {
            return nil
        }
    }

    private func release<Owner: KubeObject, Object: KubeObject>(_ object: Object, owner: Owner) async throws {
        do {
            _ = try await client.patch(
                Object.resource, namespace: object.namespace, name: object.name, type: .strategic,
                ["metadata": ["uid": .string(object.uid), "ownerReferences": [["$patch": "delete", "uid": .string(owner.uid)]]]])
        } catch let error as KubeError where error.isNotFound || error.reason == .invalid {
            // Gone, or no longer owned by this owner: either way it is free.
        }
    }
}
