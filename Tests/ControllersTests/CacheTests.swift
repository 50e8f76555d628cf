import JSONTree
import KubeAPI
import KubeClient
import KubeTypes
import Testing

@testable import Controllers

@Suite struct CacheTests {
    @Test("what was created counts before the watch tells of it, once it does only that counts")
    func created() {
        let assumed = AssumedObjects<Pod>(clock: TestClock().clock())
        assumed.created(pod("new"), owner: "rs", seen: nil)
        #expect(assumed.overlay([pod("old")], owner: "rs").map(\.name) == ["old", "new"])
        #expect(assumed.overlay([], owner: "other").isEmpty)
        assumed.apply(.added(pod("new")))
        #expect(assumed.overlay([], owner: "rs").isEmpty, "the watch has told of it, and then that it is gone")
    }

    @Test("a watch that is faster than the answer leaves nothing to assume")
    func watchFirst() {
        let assumed = AssumedObjects<Pod>(clock: TestClock().clock())
        assumed.created(pod("new"), owner: "rs", seen: pod("new"))
        #expect(assumed.overlay([], owner: "rs").isEmpty)
        assumed.deleted(pod("old"), owner: "rs", seen: nil)
        #expect(assumed.overlay([pod("old")], owner: "rs").map(\.name) == ["old"])
    }

    @Test("what was deleted does not count, until the watch tells of it")
    func deleted() {
        let assumed = AssumedObjects<Pod>(clock: TestClock().clock())
        assumed.deleted(pod("a"), owner: "rs", seen: pod("a"))
        #expect(assumed.overlay([pod("a"), pod("b")], owner: "rs").map(\.name) == ["b"])
        assumed.apply(.modified(pod("a"), previous: pod("a")))
        #expect(assumed.overlay([pod("a")], owner: "rs").isEmpty, "a change from before the deletion")
        assumed.apply(.deleted(pod("a")))
        #expect(assumed.overlay([pod("a")], owner: "rs").map(\.name) == ["a"])
    }

    @Test("what was changed counts as the server answered, until the watch tells of that state or a later one")
    func changed() {
        func slice(_ version: Int, endpoints: Int) -> EndpointSlice {
            EndpointSlice(with: {
                $0.metadata.name = "web-1"
                $0.metadata.uid = "slice"
                $0.metadata.resourceVersion = String(version)
                $0.endpoints = (0..<endpoints).map { Endpoint(addresses: ["10.0.0.\($0)"]) }
            })
        }
        let assumed = AssumedObjects<EndpointSlice>(clock: TestClock().clock())
        func counts(_ seen: EndpointSlice) -> [Int] { assumed.overlay([seen], owner: "service").map(\.endpoints.count) }
        assumed.changed(slice(9, endpoints: 3), owner: "service", seen: slice(7, endpoints: 1))
        #expect(counts(slice(7, endpoints: 1)) == [3])
        assumed.apply(.modified(slice(8, endpoints: 2), previous: slice(7, endpoints: 1)))
        #expect(counts(slice(8, endpoints: 2)) == [3], "a change from before")
        assumed.apply(.modified(slice(10, endpoints: 4), previous: slice(8, endpoints: 2)))
        #expect(counts(slice(10, endpoints: 4)) == [4])
        assumed.changed(slice(11, endpoints: 5), owner: "service", seen: nil)
        #expect(counts(slice(10, endpoints: 4)) == [4], "gone when the answer came")
        assumed.created(slice(12, endpoints: 1), owner: "service", seen: nil)
        assumed.changed(slice(13, endpoints: 2), owner: "service", seen: nil)
        assumed.apply(.added(slice(12, endpoints: 1)))
        #expect(counts(slice(12, endpoints: 1)) == [2], "the creation was seen, the change was not")
    }

    @Test("a created object that stays unseen is looked for after a while")
    func patience() {
        let time = TestClock()
        let assumed = AssumedObjects<Pod>(clock: time.clock())
        #expect(assumed.nextCheck(owner: "rs") == nil)
        assumed.created(pod("new"), owner: "rs", seen: nil)
        #expect(assumed.nextCheck(owner: "rs") == .seconds(10))
        time.advance(.seconds(7))
        #expect(assumed.nextCheck(owner: "rs") == .seconds(3))
    }

    @Test("objects are found under all their keys, and move when these change")
    func index() {
        let index = ObjectIndex<Pod> { [$0.namespace, $0.spec.nodeName ?? ""] }
        index.apply(.added(pod("b")))
        index.apply(.added(pod("a")))
        #expect(index.objects("default").map(\.name) == ["a", "b"])
        index.apply(.modified(pod("a", node: "node-2"), previous: pod("a")))
        #expect(index.objects("node-1").map(\.name) == ["b"])
        #expect(index.objects("node-2").map(\.name) == ["a"])
        index.apply(.deleted(pod("b") { $0.metadata.uid = "an earlier one" }))
        #expect(index.objects("default").count == 2, "not the object that is there now")
        index.apply(.deleted(pod("b")))
        #expect(index.objects("default").map(\.name) == ["a"])
    }

    @Test("a patch holds what differs, and null for what is gone", arguments: [
        (["a": 1], ["a": 1], nil), (["a": 1], ["a": 2], ["a": 2]), (["a": 1, "b": 2], ["b": 2], ["a": nil]),
        (["x": ["a": 1, "b": 2]], ["x": ["a": 1, "b": 3]], ["x": ["b": 3]]), (["l": [1, 2]], ["l": [2]], ["l": [2]]),
    ] as [(JSON, JSON, JSON?)])
    func mergePatch(old: JSON, new: JSON, expected: JSON?) { #expect(MergePatch.difference(from: old, to: new) == expected) }

    @Test("a root certificate that was changed is set right, and what was added goes")
    func rootCertificate() throws {
        let map = try ConfigMap(json: ["metadata": ["name": "kube-root-ca.crt", "uid": "u", "resourceVersion": "7"], "data": ["ca.crt": "other", "x": "y"]])
        let patch = try #require(RootCertificateController.correction(map, certificate: "pem"))
        #expect(patch == ["metadata": ["uid": "u", "resourceVersion": "7"], "data": ["ca.crt": "pem", "x": nil]])
        let right = try ConfigMap(json: ["metadata": ["name": "kube-root-ca.crt"], "data": ["ca.crt": "pem"]])
        #expect(RootCertificateController.correction(right, certificate: "pem") == nil)
    }

    @Test("a namespace that empties says what is left and why, then that nothing is")
    func namespaceConditions() {
        let busy = NamespaceContent(remaining: ["pods.": 2, "deployments.apps": 1], finalizers: ["x.io/hold": 1])
        let told = busy.conditions([], now: start)
        func short(_ conditions: [NamespaceCondition], _ type: String) -> String {
            conditions.filter { $0.type == type }.map { "\($0.status) \($0.reason ?? "") \($0.message ?? "")" }.joined(separator: "|")
        }
        #expect(short(told, "NamespaceContentRemaining") == "True SomeResourcesRemain Some resources are remaining: deployments.apps has 1 resource instances, pods. has 2 resource instances")
        #expect(short(told, "NamespaceFinalizersRemaining") == "True SomeFinalizersRemain Some content in the namespace has finalizers remaining: x.io/hold in 1 resource instances")
        #expect(short(told, "NamespaceDeletionContentFailure").hasPrefix("False ContentDeleted"))
        let later = NamespaceContent().conditions(told, now: start + .seconds(9))
        #expect(short(later, "NamespaceContentRemaining") == "False ContentRemoved All content successfully removed")
        #expect(later.first { $0.type == "NamespaceContentRemaining" }?.lastTransitionTime == start + .seconds(9))
        #expect(later.first { $0.type == "NamespaceDeletionContentFailure" }?.lastTransitionTime == start, "it did not change")
        #expect(!NamespaceContent(discoveryFailure: "no").isEmpty, "what is unknown is not empty")
    }
}
