import JSONTree
import KubeHTTP
import NIOHTTP1
import Testing

@testable import APIServer

/// What a node may do: its own objects, its pods, and what these refer to.
@Suite struct AccessNodeTests {
    private let node = ClientCertificate.node("n1")
    private let merge = "application/merge-patch+json"

    /// A pod on a node, with everything that opens something to it.
    private func boundPod(_ name: String, on node: String, _ server: TestServer) async throws -> JSON {
        var pod = JSON.pod(name)
        pod["spec"]?["nodeName"] = .string(node)
        pod["spec"]?["imagePullSecrets"] = [["name": "pull"]]
        pod["spec"]?["volumes"] = [
            ["name": "a", "secret": ["secretName": "volume"]], ["name": "b", "configMap": ["name": "volume"]],
            ["name": "c", "projected": ["sources": [
                ["secret": ["name": "projected"]], ["serviceAccountToken": ["path": "t", "audience": "vault"]],
            ]]],
        ]
        pod["spec"]?["containers"] = [[
            "name": "main", "image": "nginx:1", "envFrom": [["secretRef": ["name": "env-from"]]],
            "env": [["name": "A", "valueFrom": ["secretKeyRef": ["name": "env", "key": "k"]]]],
        ]]
        return try await server.create(pods, pod)
    }

    @Test func itsOwnNodeAndLease() async throws {
        let server = try await TestServer()
        func body(_ name: String) -> JSON { ["apiVersion": "v1", "kind": "Node", "metadata": ["name": .string(name)]] }
        #expect(await server.call(.POST, nodes, body("n1"), as: node).status == 201)
        #expect(await server.call(.POST, nodes, body("n2"), as: node).message
            == #"nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2""#)
        try await server.create(nodes, body("n2"))
        #expect(await server.call(.PATCH, nodes + "/n1/status", ["status": [:]], type: merge, as: node).status == 200)
        #expect(await server.call(.PATCH, nodes + "/n2/status", ["status": [:]], type: merge, as: node).status == 403)
        #expect(await server.call(.PATCH, nodes + "/n2", [:], type: merge, as: node).status == 403)
        #expect(await server.call(.DELETE, nodes + "/n1", as: node).status == 403)
        #expect(await server.call(.POST, namespaces, [:], as: node).status == 403)
        let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        func lease(_ name: String) -> JSON { ["apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": ["name": .string(name)]] }
        #expect(await server.call(.POST, leases, lease("n1"), as: node).status == 201)
        #expect(await server.call(.POST, leases, lease("n2"), as: node).status == 403)
        #expect(await server.get(leases + "/n1", as: node).status == 200)
        #expect(await server.call(.PATCH, leases + "/n2", [:], type: merge, as: node).status == 403)
        #expect(await server.call(.POST, "/apis/coordination.k8s.io/v1/namespaces/default/leases", lease("n1"), as: node).message.hasSuffix(
            #": can only access leases in the "kube-node-lease" system namespace"#))
    }

    @Test func labelsAndTaintsThatSteerPodsAreNotANodesToSet() async throws {
        let server = try await TestServer()
        let body: JSON = ["apiVersion": "v1", "kind": "Node", "metadata": ["name": "n1", "labels": ["kubernetes.io/hostname": "n1", "mine": "1"]]]
        #expect(await server.call(.POST, nodes, body.with("x", at: "metadata", "labels", "node-role.kubernetes.io/admin"), as: node).message
            == #"nodes "n1" is forbidden: node "n1" is not allowed to set the following labels: node-role.kubernetes.io/admin"#)
        #expect(await server.call(.POST, nodes, body, as: node).status == 201)
        func patch(_ change: JSON) async -> Int { await server.call(.PATCH, nodes + "/n1", change, type: merge, as: node).status }
        #expect(await patch(["metadata": ["labels": ["mine": "2", "topology.kubernetes.io/zone": "z"]]]) == 200)
        #expect(await patch(["metadata": ["labels": .object(["secure.node-restriction.kubernetes.io/x": "1"])]]) == 403)
        #expect(await patch(["spec": ["taints": [["key": "k", "effect": "NoSchedule"]]]]) == 403)
        #expect(NodeRestriction.isRestricted("kubernetes.io/other"))
        #expect(!NodeRestriction.isRestricted("example.com/kubernetes.io"))
        #expect(!NodeRestriction.isRestricted("notkubernetes.io/x"))
    }

    @Test func secretsAndConfigMapsOfItsPodsOnly() async throws {
        let server = try await TestServer()
        let secrets = "/api/v1/namespaces/default/secrets"
        _ = try await boundPod("p", on: "n1", server)
        for name in ["volume", "projected", "env", "env-from", "pull"] { #expect(await server.get(secrets + "/\(name)", as: node).status == 404, "\(name)") }
        #expect(await server.get(secrets + "/other", as: node).message.hasSuffix(": no relationship found between node 'n1' and this object"))
        #expect(await server.get(secrets + "/volume", as: .node("n2")).status == 403)
        #expect(await server.get("/api/v1/namespaces/kube-system/secrets/volume", as: node).status == 403)
        #expect(await server.get(secrets, as: node).message.hasSuffix(": No Object name found"))
        #expect(await server.get(secrets + "?fieldSelector=metadata.name%3Dvolume", as: node).status == 200)
        #expect(await server.get(secrets + "?fieldSelector=metadata.name%3Dother", as: node).status == 403)
        #expect(await server.call(.DELETE, secrets + "/volume", as: node).status == 403)
        #expect(await server.get(configMaps + "/volume", as: node).status == 404)
        #expect(await server.get(configMaps + "/kube-root-ca.crt", as: node).status == 404, "by the token's volume")
        #expect(await server.get(configMaps + "/projected", as: node).status == 403)
    }

    @Test func whatAPodOpensEndsWithIt() async throws {
        let server = try await TestServer()
        let path = "/api/v1/namespaces/default/secrets/volume"
        #expect(await server.get(path, as: node).status == 403)
        for name in ["p", "q"] { _ = try await boundPod(name, on: "n1", server) }
        #expect(await server.get(path, as: node).status == 404)
        #expect(await server.call(.DELETE, pods + "/p?gracePeriodSeconds=0").status == 200)
        #expect(await server.get(path, as: node).status == 404, "another pod needs it still")
        #expect(await server.call(.DELETE, pods + "/q?gracePeriodSeconds=0").status == 200)
        #expect(await server.get(path, as: node).status == 403)
    }

    @Test func anUnboundPodOpensNothingUntilItIsBound() async throws {
        let server = try await TestServer()
        var pod = JSON.pod("p")
        pod["spec"]?["volumes"] = [["name": "a", "secret": ["secretName": "s"]]]
        try await server.create(pods, pod)
        #expect(await server.get("/api/v1/namespaces/default/secrets/s", as: node).status == 403)
        #expect(await server.call(.POST, pods + "/p/binding", ["target": ["name": "n1"]]).status == 201)
        #expect(await server.get("/api/v1/namespaces/default/secrets/s", as: node).status == 404)
    }

    @Test func podsOfOthersAreNotItsToWrite() async throws {
        let server = try await TestServer()
        _ = try await boundPod("mine", on: "n1", server)
        _ = try await boundPod("other", on: "n2", server)
        func status(_ name: String) async -> Answer {
            await server.call(.PATCH, pods + "/\(name)/status", ["status": ["phase": "Running"]], type: merge, as: node)
        }
        #expect(await status("mine").status == 200)
        #expect(await status("other").message == #"pods "other" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself"#)
        #expect(await server.call(.DELETE, pods + "/other?gracePeriodSeconds=0", as: node).message
            == #"pods "other" is forbidden: node "n1" can only delete pods with spec.nodeName set to itself"#)
        #expect(await server.call(.DELETE, pods + "/mine?gracePeriodSeconds=0", as: node).status == 200)
        #expect(await server.call(.PUT, pods + "/other", [:], as: node).status == 403)
        #expect(await server.call(.POST, pods, .pod("new"), as: node).message.hasSuffix("can only create mirror pods"))
        let mirror = JSON.pod("static").with(.object(["kubernetes.io/config.mirror": "1"]), at: "metadata", "annotations").with("n1", at: "spec", "nodeName")
        #expect(await server.call(.POST, pods, mirror, as: node).status == 201)
        var greedy = mirror.with("greedy", at: "metadata", "name")
        greedy["spec"]?["volumes"] = [["name": "a", "secret": ["secretName": "stolen"]]]
        #expect(await server.call(.POST, pods, greedy, as: node).message.hasSuffix("can not create pods that reference secrets"))
        #expect(await server.get("/api/v1/namespaces/default/secrets/stolen", as: node).status == 403)
    }

    @Test func tokensForItsPodsOnly() async throws {
        let server = try await TestServer()
        let mine = try await boundPod("mine", on: "n1", server)
        let other = try await boundPod("other", on: "n2", server)
        func ask(_ pod: JSON?, _ audience: String? = nil, account: String = "default") async -> Answer {
            var spec: JSON = [:]
            if let pod { spec["boundObjectRef"] = ["apiVersion": "v1", "kind": "Pod", "name": .string(pod.name), "uid": .string(pod.uid)] }
            if let audience { spec["audiences"] = [.string(audience)] }
            let body: JSON = ["apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec]
            return await server.call(.POST, "/api/v1/namespaces/default/serviceaccounts/\(account)/token", body, as: node)
        }
        #expect(await ask(mine).status == 201)
        #expect(await ask(mine, "vault").status == 201)
        #expect(await ask(mine, "elsewhere").message.hasSuffix(#"audience "elsewhere" not found in pod spec volume"#))
        #expect(await ask(nil).message.hasSuffix("node requested token not bound to a pod"))
        #expect(await ask(other).message.hasSuffix("node requested token bound to a pod scheduled on a different node"))
        #expect(await ask(mine.with("gone", at: "metadata", "uid")).status == 403)
        try await server.create("/api/v1/namespaces/default/serviceaccounts", .serviceAccount("strong"))
        #expect(await ask(mine, account: "strong").status == 403)
        #expect(await server.call(.POST, "/api/v1/namespaces/default/serviceaccounts/default/token", [:], as: .node("n3")).status == 403)
    }

    @Test func aNodeNeedsItsGroup() async throws {
        let server = try await TestServer()
        #expect(await server.get(nodes + "/n1", as: .user("system:node:n1")).status == 403)
        #expect(await server.get(nodes + "/n1", as: .node("n1")).status == 404)
        #expect(await server.get("/api/v1/services", as: .node("n1")).status == 200)
        #expect(await server.get("/apis/networking.k8s.io/v1/networkpolicies?watch=0", as: .node("n1")).status == 200)
        #expect(await server.get("/apis/apps/v1/deployments", as: .node("n1")).status == 403)
    }
}
