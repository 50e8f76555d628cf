import JSONTree
import KubeHTTP
import NIOHTTP1
import Testing

/// What nodes bring along: CSINode, CSIDriver, RuntimeClass.
@Suite struct JoinKindsTests {
    private let csiNodes = "/apis/storage.k8s.io/v1/csinodes"
    private let csiDrivers = "/apis/storage.k8s.io/v1/csidrivers"
    private let runtimeClasses = "/apis/node.k8s.io/v1/runtimeclasses"
    private let table = "application/json;as=Table;v=v1;g=meta.k8s.io"

    private func csiNode(_ name: String, _ drivers: JSON = []) -> JSON {
        ["apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": ["name": .string(name)], "spec": ["drivers": drivers]]
    }

    @Test func aNodeWritesItsOwnCSINodeOnly() async throws {
        let server = try await TestServer()
        #expect(await server.call(.POST, csiNodes, csiNode("one"), as: .node("one")).status == 201)
        #expect(await server.get(csiNodes + "/one", as: .node("one")).status == 200)
        #expect(await server.call(.POST, csiNodes, csiNode("two"), as: .node("one")).status == 403)
        #expect(await server.get(csiNodes + "/one", as: .node("two")).status == 403)
        #expect(await server.get(csiNodes, as: .node("one")).message.contains("can only get, create, update, patch, or delete a CSINode"))
    }

    @Test func driversOfANode() async throws {
        let server = try await TestServer()
        let driver: JSON = ["name": "csi.example.com", "nodeID": "n-1", "topologyKeys": ["example.com/zone"], "allocatable": ["count": 0]]
        let made = try await server.create(csiNodes, csiNode("one", [driver]))
        #expect(made[path: "spec", "drivers"]?.array?.first?[path: "allocatable", "count"] == 0)
        #expect(await server.call(.POST, csiNodes, csiNode("two", [driver, driver])).causes == [#"spec.drivers[1].name: Duplicate value: "csi.example.com""#])
        #expect(await server.call(.POST, csiNodes, csiNode("two", [["name": "a"]])).causes == ["spec.drivers[0].nodeID: Required value"])
        var other = made
        other["spec"]?["drivers"] = [driver.with("n-2", at: "nodeID")]
        #expect(await server.call(.PUT, csiNodes + "/one", other).causes.first?.hasPrefix("CSINodeDriver: Invalid value") == true)
        other["spec"]?["drivers"] = [driver.with(["count": 5], at: "allocatable")]
        #expect(await server.call(.PUT, csiNodes + "/one", other).status == 200)
        #expect(await server.get(csiNodes, accept: table).json["rows"]?.array?.first?["cells"] == ["one", 1, "0s"])
    }

    @Test func csiDriversHaveUpstreamsDefaultsAndColumns() async throws {
        let server = try await TestServer()
        let made = try await server.create(csiDrivers, ["apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": ["name": "csi.example.com"], "spec": [:]])
        #expect(made["spec"] == [
            "attachRequired": true, "fsGroupPolicy": "ReadWriteOnceWithFSType", "podInfoOnMount": false, "requiresRepublish": false, "seLinuxMount": false,
            "storageCapacity": false, "volumeLifecycleModes": ["Persistent"],
        ])
        #expect(await server.get(csiDrivers, accept: table).json["rows"]?.array?.first?["cells"]
            == ["csi.example.com", true, false, false, "<unset>", false, "Persistent", "0s"])
        let changed = await server.call(.PATCH, csiDrivers + "/csi.example.com", ["spec": ["attachRequired": false]], type: "application/merge-patch+json")
        #expect(changed.causes == ["spec.attachRequired: Invalid value: false: field is immutable"])
        #expect(await server.get(csiDrivers, as: .node("one")).status == 200)
    }

    @Test func runtimeClasses() async throws {
        let server = try await TestServer()
        func body(_ name: String, _ handler: String) -> JSON {
            ["apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": ["name": .string(name)], "handler": .string(handler)]
        }
        try await server.create(runtimeClasses, body("fast", "fast"))
        #expect(await server.call(.POST, runtimeClasses, body("slow", "Slow_1")).causes.first?.hasPrefix("handler: Invalid value: \"Slow_1\": a lowercase RFC 1123 label") == true)
        let changed = await server.call(.PATCH, runtimeClasses + "/fast", ["handler": "other"], type: "application/merge-patch+json")
        #expect(changed.causes == [#"handler: Invalid value: "other": field is immutable"#])
        #expect(await server.get(runtimeClasses, accept: table).json["rows"]?.array?.first?["cells"] == ["fast", "fast", "0s"])
        #expect(await server.get(runtimeClasses, as: .node("one")).status == 200)
    }

    @Test func kubeadmsRolesLetANodeBegin() async throws {
        let server = try await TestServer()
        let joining = ClientCertificate.user("system:bootstrap:abcdef", "system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token")
        let other = ClientCertificate.user("system:bootstrap:abcdef", "system:bootstrappers")
        let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
        #expect(await server.get(requests, as: joining).status == 200)
        #expect(await server.get(requests, as: other).status == 403)
        #expect(await server.get(nodes + "/a", as: joining).status == 404)
        #expect(await server.get(nodes, as: joining).status == 403)
        for name in ["kubeadm-config", "kubelet-config"] {
            #expect(await server.get("/api/v1/namespaces/kube-system/configmaps/\(name)", as: joining).status == 404)
            #expect(await server.get("/api/v1/namespaces/kube-system/configmaps/\(name)", as: .node("n")).status == 404)
        }
        #expect(await server.get("/api/v1/namespaces/kube-system/configmaps/other", as: joining).status == 403)
        #expect(await server.get("/api/v1/namespaces/kube-system/secrets", as: joining).status == 403)
    }
}
