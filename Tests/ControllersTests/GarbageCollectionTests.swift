import JSONTree
import KubeAPI
import Testing

@testable import Controllers

private let pods = ResourceReference(group: "", version: "v1", resource: "pods", kind: "Pod", namespaced: true)

private func node(_ uid: String, owners: [String] = [], blocking: Bool = true, deleted: Bool = false, finalizers: [String] = []) -> GraphNode {
    var node = GraphNode(resource: pods, namespace: "default", name: uid, uid: uid)
    node.owners = owners.map { .init(uid: $0, apiVersion: "v1", kind: "Pod", name: $0, blocksDeletion: blocking) }
    node.isDeleted = deleted
    node.finalizers = finalizers
    return node
}

@Suite struct CollectionDecisionTests {
    private func decide(
        _ node: GraphNode, _ owners: [String: CollectionDecision.OwnerState] = [:], dependents: [GraphNode] = []
    ) -> CollectionDecision { .decide(node, owners: owners, dependents: dependents) }

    @Test("an object without owners, or with one that is there, is kept")
    func kept() {
        #expect(decide(node("a")) == .keep)
        #expect(decide(node("a", owners: ["o"]), ["o": .present]) == .keep)
        #expect(decide(node("a", owners: ["o"], deleted: true), ["o": .absent]) == .keep, "it is going already")
    }

    @Test("an object whose owners are all gone is deleted, as its finalizers ask")
    func orphaned() {
        #expect(decide(node("a", owners: ["o", "p"]), ["o": .absent, "p": .absent]) == .delete(.background, unblocking: false))
        #expect(decide(node("a", owners: ["o"], finalizers: ["orphan"]), ["o": .absent]) == .delete(.orphan, unblocking: false))
        #expect(decide(node("a", owners: ["o"], finalizers: ["foregroundDeletion"]), ["o": .absent]) == .delete(.foreground, unblocking: false))
    }

    @Test("one owner that is there keeps the object, which goes on without the others")
    func shared() {
        #expect(decide(node("a", owners: ["o", "p", "q"]), ["o": .present, "p": .absent, "q": .waiting]) == .dropOwners(["p", "q"]))
    }

    @Test("an owner that cannot be judged keeps the object")
    func unknown() {
        #expect(decide(node("a", owners: ["o", "p"]), ["o": .unknown, "p": .absent]) == .keep)
        #expect(decide(node("a", owners: ["o"]), [:]) == .keep)
    }

    @Test("a waiting owner's dependent is deleted, in the foreground if it has dependents itself")
    func foreground() {
        let set = node("set", owners: ["deployment"])
        #expect(decide(set, ["deployment": .waiting]) == .delete(.background, unblocking: false))
        #expect(decide(set, ["deployment": .waiting], dependents: [node("pod", owners: ["set"])]) == .delete(.foreground, unblocking: false))
    }

    @Test("a circle of waiting owners is broken")
    func circle() {
        let waiting = node("b", owners: ["a"], deleted: true, finalizers: ["foregroundDeletion"])
        #expect(decide(node("a", owners: ["b"]), ["b": .waiting], dependents: [waiting]) == .delete(.foreground, unblocking: true))
    }

    @Test("an owner waits for the dependents that block it, and only for them")
    func waiting() {
        let owner = node("o", deleted: true, finalizers: ["foregroundDeletion"])
        #expect(decide(owner) == .finish)
        #expect(decide(owner, dependents: [node("a", owners: ["o"], blocking: false)]) == .finish)
        let ending = node("b", owners: ["o"], deleted: true, finalizers: ["foregroundDeletion"])
        #expect(decide(owner, dependents: [node("a", owners: ["o"]), ending]) == .awaitDependents(["a"]))
    }
}

@Suite struct OwnershipGraphTests {
    @Test("the end of an owner makes its dependents be looked at")
    func ownerGone() {
        var graph = OwnershipGraph()
        #expect(graph.observe(node("o")) == [])
        #expect(graph.observe(node("a", owners: ["o"])) == [.collect("a")])
        #expect(graph.isSettled(node("a", owners: ["o"])))
        #expect(graph.forget("o") == [.collect("a")])
        #expect(!graph.isSettled(node("a", owners: ["o"])))
    }

    @Test("a dependent may be seen before its owner, which then is not gone")
    func dependentFirst() {
        var graph = OwnershipGraph()
        #expect(graph.observe(node("a", owners: ["o"])) == [.collect("a")])
        #expect(!graph.isSettled(node("a", owners: ["o"])), "the server must be asked")
        #expect(graph.observe(node("o")) == [])
        #expect(graph.isSettled(node("a", owners: ["o"])))
        #expect(graph.dependents(of: "o").map(\.uid) == ["a"])
    }

    @Test("an owner that begins to wait sends for its dependents, and is looked at when the last is gone")
    func foreground() {
        var graph = OwnershipGraph()
        _ = graph.observe(node("o"))
        _ = graph.observe(node("a", owners: ["o"]))
        let waiting = node("o", deleted: true, finalizers: ["foregroundDeletion"])
        #expect(graph.observe(waiting) == [.collect("a"), .collect("o")])
        #expect(graph.observe(waiting) == [], "told once")
        #expect(graph.forget("a") == [.collect("o")])
    }

    @Test("a dependent that no longer blocks, or no longer names it, frees a waiting owner")
    func unblocked() {
        var graph = OwnershipGraph()
        _ = graph.observe(node("o", deleted: true, finalizers: ["foregroundDeletion"]))
        _ = graph.observe(node("a", owners: ["o"]))
        #expect(graph.observe(node("a", owners: ["o"], blocking: false)) == [.collect("o")])
        #expect(graph.observe(node("a")) == [.collect("o"), .collect("a")])
    }

    @Test("an owner that lets go is told to")
    func orphaning() {
        var graph = OwnershipGraph()
        #expect(graph.observe(node("o", deleted: true, finalizers: ["orphan"])) == [.orphan("o")])
    }

    @Test("what a list no longer shows is gone")
    func replaced() {
        var graph = OwnershipGraph()
        _ = graph.observe(node("o"))
        _ = graph.observe(node("a", owners: ["o"]))
        #expect(graph.replace("pods", with: [node("a", owners: ["o"])]) == [.collect("a")])
        #expect(graph.node("o") == nil)
    }

    @Test("an owner in another namespace is not this object's owner")
    func otherNamespace() {
        var graph = OwnershipGraph()
        var owner = node("o")
        owner.namespace = "other"
        _ = graph.observe(owner)
        #expect(!graph.isSettled(node("a", owners: ["o"])))
    }

    @Test("discovery names each resource once, in the version that comes first")
    func discovery() throws {
        func resource(_ name: String, _ kind: String, scope: String = "Namespaced") -> JSON {
            ["resource": .string(name), "responseKind": ["kind": .string(kind)], "scope": .string(scope), "verbs": ["list", "delete"]]
        }
        let document: JSON = [
            "items": [["metadata": ["name": "x.io"], "versions": [
                ["version": "v2", "resources": [resource("things", "Thing")]],
                ["version": "v1", "resources": [resource("things", "Thing"), resource("olds", "Old", scope: "Cluster")]],
            ]]],
        ]
        let found = try ResourceDiscovery.resources(document)
        #expect(found.map { "\($0.reference.apiVersion) \($0.reference.resource) \($0.reference.namespaced)" } == ["x.io/v2 things true", "x.io/v1 olds false"])
        #expect(throws: (any Error).self) { try ResourceDiscovery.resources(["kind": "Status"]) }
    }
}
