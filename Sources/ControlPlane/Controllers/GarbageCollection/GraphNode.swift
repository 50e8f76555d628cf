import JSONTree
import KubeAPI

/// What the garbage collector knows of an object.
struct GraphNode: Sendable, Equatable {
    static let foreground = "foregroundDeletion"
    static let orphan = "orphan"

    var resource: ResourceReference
    var namespace: String
    var name: String
    var uid: String
    var owners: [Owner] = []
    var isDeleted = false
    var finalizers: [String] = []

    struct Owner: Sendable, Equatable {
        var uid: String
        var apiVersion: String
        var kind: String
        var name: String
        var blocksDeletion: Bool
    }

    /// Deleted, and waiting until its dependents are gone.
    var isDeletingDependents: Bool { isDeleted && finalizers.contains(Self.foreground) }
    /// Deleted, and waiting until its dependents have been let go.
    var isOrphaningDependents: Bool { isDeleted && finalizers.contains(Self.orphan) }

    init(resource: ResourceReference, namespace: String, name: String, uid: String) {
        (self.resource, self.namespace, self.name, self.uid) = (resource, namespace, name, uid)
    }

    /// - Parameter object: whole, or its metadata alone.
    init?(_ object: JSON, resource: ResourceReference) {
        guard let metadata = object["metadata"], let uid = metadata["uid"]?.string, let name = metadata["name"]?.string else { return nil }
        self.init(resource: resource, namespace: metadata["namespace"]?.string ?? "", name: name, uid: uid)
        owners = (metadata["ownerReferences"]?.array ?? []).map { reference in
            Owner(
                uid: reference["uid"]?.string ?? "", apiVersion: reference["apiVersion"]?.string ?? "", kind: reference["kind"]?.string ?? "",
                name: reference["name"]?.string ?? "", blocksDeletion: reference["blockOwnerDeletion"]?.bool ?? false)
        }
        isDeleted = metadata["deletionTimestamp"]?.string != nil
        finalizers = (metadata["finalizers"]?.array ?? []).compactMap(\.string)
    }
}
