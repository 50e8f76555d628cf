import KubeHTTP
import NIOHTTP1
import JSONTree
import Testing

@Suite struct TableTests {
    private static let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"

    /// The cells of a pod with a status, as text.
    private func row(_ status: JSON, spec: JSON = [:], deleting: Bool = false, after seconds: Int64 = 300) async throws -> [String] {
        let server = try await TestServer()
        var body = JSON.pod("p")
        for (key, value) in spec.object ?? [:] { body["spec"]?[key] = value }
        try await server.create(pods, body)
        try await server.bind("p", to: "n1")
        _ = await server.call(.PATCH, pods + "/p/status", ["status": status], type: "application/merge-patch+json")
        if deleting { _ = await server.call(.DELETE, pods + "/p") }
        server.clock.advance(seconds)
        let table = await server.get(pods, accept: Self.accept).json
        #expect(table["kind"] == "Table")
        return (table["rows"]?[0]?["cells"]?.array ?? []).map { $0.string ?? $0.description }
    }

    @Test func theColumnsOfPodsAreThoseOfKubernetes() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("p"))
        let table = await server.get(pods, accept: Self.accept).json
        #expect(table["apiVersion"] == "meta.k8s.io/v1")
        let columns = table["columnDefinitions"]?.array ?? []
        #expect(columns.map { $0["name"]?.string } == ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node", "Readiness Gates"])
        #expect(columns.map { $0["priority"]?.int } == [0, 0, 0, 0, 0, 1, 1, 1, 1])
        #expect(table["rows"]?[0]?["object"]?["kind"] == "PartialObjectMetadata")
        #expect(table["rows"]?[0]?["object"]?.name == "p")
        #expect(table["rows"]?[0]?["cells"] == ["p", "0/1", "Pending", "0", "0s", "<none>", "<none>", "<none>", "<none>"])
        #expect(table.version == (await server.get(pods).json.version))
        let whole = await server.get(pods + "?includeObject=Object", accept: Self.accept).json
        #expect(whole["rows"]?[0]?["object"]?["spec"] != nil)
    }

    @Test func aRunningPod() async throws {
        let cells = try await row([
            "phase": "Running", "podIP": "10.0.0.1",
            "containerStatuses": [["name": "main", "ready": true, "restartCount": 0, "state": ["running": [:]]]],
        ])
        #expect(cells == ["p", "1/1", "Running", "0", "5m", "10.0.0.1", "n1", "<none>", "<none>"])
    }

    @Test func aCrashingPod() async throws {
        let cells = try await row([
            "phase": "Running",
            "containerStatuses": [[
                "name": "main", "ready": false, "restartCount": 3, "state": ["waiting": ["reason": "CrashLoopBackOff"]],
                "lastState": ["terminated": ["exitCode": 1, "finishedAt": "2026-01-02T03:06:05Z"]],
            ]],
        ])
        #expect(cells[1...3] == ["0/1", "CrashLoopBackOff", "3 (3m ago)"])
    }

    @Test func initContainers() async throws {
        let spec: JSON = ["initContainers": [["name": "i1", "image": "i"], ["name": "i2", "image": "i"]]]
        func status(_ second: JSON) -> JSON {
            [
                "phase": "Pending",
                "initContainerStatuses": [
                    ["name": "i1", "restartCount": 0, "state": ["terminated": ["exitCode": 0]]], ["name": "i2", "restartCount": 2, "state": second],
                ],
            ]
        }
        #expect(try await row(status(["running": [:]]), spec: spec)[1...3] == ["0/1", "Init:1/2", "2"])
        #expect(try await row(status(["waiting": ["reason": "CrashLoopBackOff"]]), spec: spec)[2] == "Init:CrashLoopBackOff")
        #expect(try await row(status(["terminated": ["exitCode": 7]]), spec: spec)[2] == "Init:ExitCode:7")
        #expect(try await row(status(["terminated": ["exitCode": 1, "reason": "Error"]]), spec: spec)[2] == "Init:Error")
    }

    @Test func sidecarsCountAsContainers() async throws {
        let cells = try await row(
            [
                "phase": "Running", "initContainerStatuses": [["name": "side", "ready": true, "started": true, "restartCount": 0, "state": ["running": [:]]]],
                "containerStatuses": [["name": "main", "ready": true, "restartCount": 0, "state": ["running": [:]]]],
            ], spec: ["initContainers": [["name": "side", "image": "i", "restartPolicy": "Always"]]])
        #expect(cells[1...2] == ["2/2", "Running"])
    }

    @Test func endedAndEndingPods() async throws {
        let done: JSON = ["name": "main", "ready": false, "restartCount": 0, "state": ["terminated": ["exitCode": 0, "reason": "Completed"]]]
        #expect(try await row(["phase": "Succeeded", "containerStatuses": [done]])[2] == "Completed")
        let killed = done.with(["terminated": ["exitCode": 137, "signal": 9]], at: "state")
        #expect(try await row(["phase": "Failed", "containerStatuses": [killed]])[2] == "Signal:9")
        #expect(try await row(["phase": "Failed", "reason": "Evicted"])[2] == "Evicted")
        let running: JSON = ["phase": "Running", "containerStatuses": [["name": "main", "ready": true, "restartCount": 0, "state": ["running": [:]]]]]
        #expect(try await row(running, deleting: true)[2] == "Terminating")
    }

    @Test(arguments: [
        (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (599, "9m59s"), (600, "10m"), (3600 * 2, "120m"), (3600 * 3, "3h"), (3600 * 7 + 60 * 5, "7h5m"),
        (3600 * 47, "47h"), (3600 * 49, "2d1h"), (86400 * 8, "8d"), (86400 * 800, "2y70d"),
    ])
    func agesAreShort(_ seconds: Int, _ text: String) async throws {
        #expect(try await row(["phase": "Running"], after: Int64(seconds))[4] == text)
    }

    @Test func aWatchTellsRows() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("p"))
        let events = await (try await server.watch(pods + "?watch=1", accept: Self.accept)).next(1)
        #expect(events.first?["type"] == "ADDED")
        #expect(events.first?["object"]?["kind"] == "Table")
        #expect(events.first?["object"]?["rows"]?[0]?["cells"]?[0] == "p")
    }

    @Test func oneObjectIsATableOfOneRow() async throws {
        let server = try await TestServer()
        let table = await server.get(namespaces + "/default", accept: Self.accept).json
        #expect(table["rows"]?.array?.count == 1)
        #expect(table["rows"]?[0]?["cells"] == ["default", "Active", "0s"])
    }

    @Test func nodes() async throws {
        let server = try await TestServer()
        let node: JSON = [
            "apiVersion": "v1", "kind": "Node", "metadata": ["name": "n", "labels": ["node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": ""]],
            "spec": ["unschedulable": true],
            "status": [
                "conditions": [["type": "Ready", "status": "True"]], "addresses": [["type": "InternalIP", "address": "10.0.0.2"]],
                "nodeInfo": ["kubeletVersion": "v1.36.0", "osImage": "Debian", "kernelVersion": "6.18", "containerRuntimeVersion": "swiftlet://0.1"],
            ],
        ]
        try await server.create(APIServerTests.nodes, node)
        let table = await server.get(APIServerTests.nodes, accept: Self.accept).json
        #expect(table["rows"]?[0]?["cells"] == [
            "n", "Ready,SchedulingDisabled", "control-plane,worker", "0s", "v1.36.0", "10.0.0.2", "<none>", "Debian", "6.18", "swiftlet://0.1",
        ])
        let columns = table["columnDefinitions"]?.array ?? []
        #expect(columns.map { $0["name"]?.string } == [
            "Name", "Status", "Roles", "Age", "Version", "Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime",
        ])
    }

    @Test func events() async throws {
        let server = try await TestServer()
        try await server.create(
            "/api/v1/namespaces/default/events",
            [
                "apiVersion": "v1", "kind": "Event", "metadata": ["name": "e"],
                "involvedObject": ["kind": "Pod", "name": "p", "namespace": "default", "fieldPath": "spec.containers{c}"],
                "type": "Normal", "reason": "Started", "message": "Started container c\n", "count": 3, "source": ["component": "kubelet", "host": "n"],
                "firstTimestamp": "2026-01-02T03:02:05Z", "lastTimestamp": "2026-01-02T03:03:35Z",
            ])
        let table = await server.get("/api/v1/namespaces/default/events", accept: Self.accept).json
        #expect(table["rows"]?[0]?["cells"] == [
            "30s", "Normal", "Started", "pod/p", "spec.containers{c}", "kubelet, n", "Started container c", "2m", 3, "e",
        ])
    }

    @Test func smallKinds() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, .configMap("m", ["a": "1", "b": "2"]))
        #expect(await server.get(configMaps, accept: Self.accept).json["rows"]?[0]?["cells"] == ["m", 2, "0s"])
        let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        try await server.create(
            leases, ["apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": ["name": "n"], "spec": ["holderIdentity": "n"]])
        #expect(await server.get(leases, accept: Self.accept).json["rows"]?[0]?["cells"] == ["n", "n", "0s"])
        try await server.create(
            "/api/v1/namespaces/default/secrets", ["apiVersion": "v1", "kind": "Secret", "metadata": ["name": "s"], "data": ["a": "MQ=="]])
        #expect(await server.get("/api/v1/secrets", accept: Self.accept).json["rows"]?[0]?["cells"] == ["s", "Opaque", 1, "0s"])
    }

    /// `kubectl cluster-info` lists services.
    @Test func services() async throws {
        let server = try await TestServer()
        let table = await server.get("/api/v1/namespaces/kube-system/services?labelSelector=kubernetes.io%2Fcluster-service%3Dtrue", accept: Self.accept).json
        #expect((table["columnDefinitions"]?.array ?? []).map { $0["name"]?.string } == [
            "Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector",
        ])
        try await server.create("/api/v1/namespaces/default/services", [
            "apiVersion": "v1", "kind": "Service", "metadata": ["name": "s"],
            "spec": ["selector": ["app": "s"], "clusterIP": "10.96.0.7", "ports": [["port": 80]]],
        ])
        #expect(await server.get("/api/v1/services", accept: Self.accept).json["rows"]?[0]?["cells"]
            == ["s", "ClusterIP", "10.96.0.7", "<none>", "80/TCP", "0s", "app=s"])
    }
}
