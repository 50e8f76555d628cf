import JSONTree
import KubeTypes
import Testing

@testable import Scheduler

/// The decision as a table: pod, nodes, expected outcome.
@Suite struct SchedulingFrameworkTests {
    static func pod(_ spec: String) throws -> Pod {
        try Pod(json: JSON(parsing: Array(#"{"metadata":{"name":"p","namespace":"default"},"spec":{"containers":[],\#(spec)}}"#.utf8)))
    }

    static func pod(cpu: String, memory: String = "1Mi", more: String = "") throws -> Pod {
        try Pod(json: JSON(parsing: Array(#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"\#(cpu)","memory":"\#(memory)"}}}]\#(more)}}"#.utf8)))
    }

    static func node(_ name: String, ready: String = "True", cpu: String = "2", memory: String = "4Gi", pods: String = "110", labels: String = "", spec: String = "") throws -> Node {
        try Node(json: JSON(parsing: Array(#"""
            {"metadata":{"name":"\#(name)","labels":{"kubernetes.io/hostname":"\#(name)"\#(labels)}},"spec":{\#(spec)},
             "status":{"allocatable":{"cpu":"\#(cpu)","memory":"\#(memory)","pods":"\#(pods)"},
                       "conditions":[{"type":"Ready","status":"\#(ready)"}]}}
            """#.utf8)))
    }

    func decide(_ pod: Pod, _ nodes: [NodeInfo]) -> SchedulingDecision { SchedulingFramework.standard.decide(pod, nodes: nodes) }

    @Test("no node at all")
    func none() throws {
        #expect(decide(try Self.pod(cpu: "1"), []) == .unschedulable("no nodes available to schedule pods"))
    }

    @Test("what a node lacks is told as upstream tells it", arguments: [
        (#"{"ready":"False"}"#, "", "0/1 nodes are available: 1 node(s) were not ready."),
        ("cpu", #""nodeSelector":{"disk":"ssd"}"#, "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."),
    ])
    func reasons(_ kind: String, _ spec: String, _ message: String) throws {
        let node = try Self.node("a", ready: kind.contains("False") ? "False" : "True")
        let pod = spec.isEmpty ? try Self.pod(cpu: "1") : try Self.pod(spec)
        #expect(decide(pod, [NodeInfo(node: node)]) == .unschedulable(message))
    }

    @Test("requests of bound pods count, to the last thousandth of a CPU")
    func resources() throws {
        let taken = NodeInfo(node: try Self.node("a", cpu: "2"), pods: [try Self.pod(cpu: "1500m")])
        #expect(decide(try Self.pod(cpu: "500m"), [taken]) == .bind(node: "a"))
        #expect(decide(try Self.pod(cpu: "501m"), [taken]) == .unschedulable("0/1 nodes are available: 1 Insufficient cpu."))
        #expect(decide(try Self.pod(cpu: "1m", memory: "5Gi"), [taken]) == .unschedulable("0/1 nodes are available: 1 Insufficient memory."))
    }

    @Test("the largest init container counts if it asks for more than the containers; sidecars add to both")
    func initContainers() throws {
        let pod = try Self.pod(cpu: "100m", more: #","initContainers":[{"name":"s","restartPolicy":"Always","resources":{"requests":{"cpu":"50m"}}},{"name":"i","resources":{"requests":{"cpu":"1"}}}]"#)
        #expect(PodResources(of: pod).amounts["cpu"] == 1050)
    }

    @Test("the number of pods is limited")
    func podCount() throws {
        let full = NodeInfo(node: try Self.node("a", pods: "1"), pods: [try Self.pod(cpu: "1m")])
        #expect(decide(try Self.pod(cpu: "1m"), [full]) == .unschedulable("0/1 nodes are available: 1 Too many pods."))
    }

    @Test("the node with the most left wins; among equals the first name")
    func score() throws {
        let small = NodeInfo(node: try Self.node("a", cpu: "2")), big = NodeInfo(node: try Self.node("b", cpu: "8"))
        #expect(decide(try Self.pod(cpu: "1"), [small, big]) == .bind(node: "b"))
        let twin = NodeInfo(node: try Self.node("c", cpu: "8"))
        #expect(decide(try Self.pod(cpu: "1"), [twin, big]) == .bind(node: "b"))
    }

    @Test("taints keep off what does not tolerate them")
    func taints() throws {
        let node = NodeInfo(node: try Self.node("a", spec: #""taints":[{"key":"gpu","value":"yes","effect":"NoSchedule"}]"#))
        #expect(decide(try Self.pod(cpu: "1m"), [node]) == .unschedulable("0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}."))
        for toleration in [#"{"key":"gpu","operator":"Exists"}"#, #"{"operator":"Exists"}"#, #"{"key":"gpu","value":"yes","effect":"NoSchedule"}"#] {
            #expect(decide(try Self.pod(#""tolerations":[\#(toleration)]"#), [node]) == .bind(node: "a"))
        }
        let other = try Self.pod(#""tolerations":[{"key":"gpu","value":"no"}]"#)
        #expect(decide(other, [node]) != .bind(node: "a"))
    }

    @Test("required node affinity: terms are alternatives, requirements all hold")
    func affinity() throws {
        let node = NodeInfo(node: try Self.node("a", labels: #","zone":"north","cores":"8""#))
        func pod(_ expressions: String) throws -> Pod {
            try Self.pod(#""affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[\#(expressions)]}]}}}"#)
        }
        #expect(decide(try pod(#"{"key":"zone","operator":"In","values":["north"]},{"key":"cores","operator":"Gt","values":["4"]}"#), [node]) == .bind(node: "a"))
        #expect(decide(try pod(#"{"key":"zone","operator":"In","values":["north"]},{"key":"cores","operator":"Gt","values":["8"]}"#), [node]) != .bind(node: "a"))
        #expect(decide(try pod(#"{"key":"zone","operator":"DoesNotExist"}"#), [node]) != .bind(node: "a"))
    }

    @Test("a host port is taken once, on every address by the wildcard")
    func ports() throws {
        func pod(_ address: String) throws -> Pod {
            try Pod(json: JSON(parsing: Array(#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","ports":[{"containerPort":80,"hostPort":8080,"hostIP":"\#(address)"}]}]}}"#.utf8)))
        }
        let node = NodeInfo(node: try Self.node("a"), pods: [try pod("10.0.0.1")])
        #expect(decide(try pod("10.0.0.2"), [node]) == .bind(node: "a"))
        #expect(decide(try pod("0.0.0.0"), [node]) == .unschedulable("0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."))
    }
}
