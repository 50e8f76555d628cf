import KubeAPI

/// Who owns whom, and what a change asks the collector to look at. A value; it knows no server.
struct OwnershipGraph: Sendable {
    /// An object to look at, by uid.
    enum Errand: Hashable, Sendable {
        /// It may have lost its owners, or wait for its dependents.
        case collect(String)
        /// It lets its dependents go.
        case orphan(String)
    }

    private var nodes: [String: GraphNode] = [:]
    private var dependents: [String: Set<String>] = [:]

    func node(_ uid: String) -> GraphNode? { nodes[uid] }

    /// Those that name the object as an owner, whether it was seen or not.
    func dependents(of uid: String) -> [GraphNode] { (dependents[uid] ?? []).compactMap { nodes[$0] } }

    /// Whether there is nothing to find out about an object: it has owners that are all there to stay, or none.
    func isSettled(_ node: GraphNode) -> Bool {
        !node.isDeleted && node.owners.allSatisfy { owner in
            guard let known = nodes[owner.uid], !known.isDeletingDependents else { return false }
            return known.namespace.isEmpty || known.namespace == node.namespace
        }
    }

    /// An object was seen as it is now.
    mutating func observe(_ node: GraphNode) -> [Errand] {
        let old = nodes.updateValue(node, forKey: node.uid)
        var errands: [Errand] = []
        let before = Set((old?.owners ?? []).map(\.uid))
        let after = Set(node.owners.map(\.uid))
        for owner in before.subtracting(after) { errands += unlink(node.uid, from: owner) }
        for owner in after.subtracting(before) { dependents[owner, default: []].insert(node.uid) }
        // An owner that waits may be held back by fewer references now.
        for owner in node.owners where !owner.blocksDeletion && nodes[owner.uid]?.isDeletingDependents == true {
            if old?.owners.contains(where: { $0.uid == owner.uid && $0.blocksDeletion }) == true { errands.append(.collect(owner.uid)) }
        }
        if old == nil ? !node.owners.isEmpty : before != after { errands.append(.collect(node.uid)) }
        if node.isDeletingDependents, old?.isDeletingDependents != true {
            errands += (dependents[node.uid] ?? []).map(Errand.collect)
            errands.append(.collect(node.uid))
        }
        if node.isOrphaningDependents, old?.isOrphaningDependents != true { errands.append(.orphan(node.uid)) }
        return errands
    }

    /// An object is gone.
    mutating func forget(_ uid: String) -> [Errand] {
        guard let node = nodes.removeValue(forKey: uid) else { return [] }
        return node.owners.flatMap { unlink(uid, from: $0.uid) } + (dependents[uid] ?? []).map(Errand.collect)
    }

    /// All objects of a resource were seen: others of it are gone.
    mutating func replace(_ resource: String, with seen: [GraphNode]) -> [Errand] {
        let uids = Set(seen.map(\.uid))
        let gone = nodes.values.filter { $0.resource.groupResource == resource && !uids.contains($0.uid) }.map(\.uid)
        return seen.flatMap { observe($0) } + gone.flatMap { forget($0) }
    }

    private mutating func unlink(_ dependent: String, from owner: String) -> [Errand] {
        dependents[owner]?.remove(dependent)
        if dependents[owner]?.isEmpty == true { dependents[owner] = nil }
        return nodes[owner]?.isDeletingDependents == true ? [.collect(owner)] : []
    }
}
