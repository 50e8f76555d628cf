/// What becomes of an object whose owners are known. Pure.
enum CollectionDecision: Equatable, Sendable {
    enum OwnerState: Equatable, Sendable {
        /// There, and not waiting for its dependents.
        case present
        /// Deleted in the foreground: it waits until its dependents are gone.
        case waiting
        /// Not there, or another object by that name.
        case absent
        /// Cannot be told: its kind is not served, or an object of the cluster names one in a namespace.
        case unknown
    }

    enum Propagation: String, Sendable {
        case background = "Background"
        case foreground = "Foreground"
        case orphan = "Orphan"
    }

    case keep
    /// It goes on without these owners.
    case dropOwners(Set<String>)
    /// Nobody is left who owns it. If it waits in a circle, its own references must first stop to block.
    case delete(Propagation, unblocking: Bool)
    /// Its dependents are gone: it may go too.
    case finish
    /// It waits for dependents, of which these are still to be deleted.
    case awaitDependents([String])

    /// - Parameters:
    ///   - node: as the server has it now.
    ///   - owners: the state of each owner, by uid.
    ///   - dependents: who names the object as an owner.
    static func decide(_ node: GraphNode, owners: [String: OwnerState], dependents: [GraphNode]) -> CollectionDecision {
        if node.isDeletingDependents {
            let blocking = dependents.filter { $0.owners.contains { $0.uid == node.uid && $0.blocksDeletion } }
            return blocking.isEmpty ? .finish : .awaitDependents(blocking.filter { !$0.isDeletingDependents }.map(\.uid).sorted())
        }
        if node.isDeleted || node.owners.isEmpty { return .keep }
        func uids(_ state: OwnerState) -> Set<String> { Set(node.owners.map(\.uid).filter { owners[$0] ?? .unknown == state }) }
        guard uids(.unknown).isEmpty else { return .keep }
        let (waiting, absent) = (uids(.waiting), uids(.absent))
        guard uids(.present).isEmpty else {
            let lost = waiting.union(absent)
            return lost.isEmpty ? .keep : .dropOwners(lost)
        }
        if !waiting.isEmpty, !dependents.isEmpty {
            return .delete(.foreground, unblocking: dependents.contains(where: \.isDeletingDependents))
        }
        // What the object's finalizers already ask for stays asked for.
        if node.finalizers.contains(GraphNode.orphan) { return .delete(.orphan, unblocking: false) }
        if node.finalizers.contains(GraphNode.foreground) { return .delete(.foreground, unblocking: false) }
        return .delete(.background, unblocking: false)
    }
}
