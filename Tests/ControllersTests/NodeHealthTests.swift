import JSONTree
import KubeAPI
import KubeTypes
import Testing

@testable import Controllers

@Suite struct NodeHealthTests {
    let now = Time(seconds: 1_800_000_000)

    func node(_ ready: String?) throws -> Node {
        let conditions: JSON = ready.map { [["type": "Ready", "status": .string($0)]] } ?? []
        return try Node(json: ["metadata": ["name": "n", "uid": "u"], "status": ["conditions": conditions]])
    }

    @Test("a node has its grace, then is silent once")
    func judge() throws {
        #expect(NodeHealth.judge(try node("True"), lastSeen: now, now: now + .seconds(49)) == .watch(until: now + .seconds(50)))
        #expect(NodeHealth.judge(try node("True"), lastSeen: now, now: now + .seconds(50)) == .silent)
        #expect(NodeHealth.judge(try node("Unknown"), lastSeen: now, now: now + .seconds(500)) == .fine)
    }

    @Test("a condition that becomes unknown changes its transition time, one that is unknown keeps it")
    func conditions() throws {
        let conditions = NodeHealth.unknownConditions(try node("True"), now: now)
        #expect(conditions.map(\.type) == ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"])
        #expect(conditions[0].reason == "NodeStatusUnknown")
        #expect(conditions[0].lastTransitionTime == now)
        #expect(conditions[1].reason == "NodeStatusNeverUpdated")
    }

    @Test("only pods of a node that is gone are orphans")
    func orphans() throws {
        func pod(_ name: String, node: String?) throws -> Pod {
            try Pod(json: ["metadata": ["name": .string(name)], "spec": node.map { ["nodeName": .string($0)] } ?? [:]])
        }
        let pods = [try pod("here", node: "n"), try pod("lost", node: "gone"), try pod("waiting", node: nil)]
        #expect(PodCollectionController.orphans(pods, nodes: [try node("True")]).map(\.name) == ["lost"])
    }
}
