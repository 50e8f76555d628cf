import KubeHTTP
import NIOHTTP1
import JSONTree
import Testing

extension JSON {
    static func deployment(_ name: String, replicas: Int64 = 2, image: String = "nginx:1") -> JSON {
        [
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": .string(name)],
            "spec": [
                "replicas": JSON(replicas), "selector": ["matchLabels": ["app": .string(name)]],
                "template": [
                    "metadata": ["labels": ["app": .string(name)]],
                    "spec": ["containers": [["name": "main", "image": .string(image)], ["name": "side", "image": "busybox"]]],
                ],
            ],
        ]
    }
}

let deployments = "/apis/apps/v1/namespaces/default/deployments"
let replicaSets = "/apis/apps/v1/namespaces/default/replicasets"

@Suite struct WorkloadTests {
    private static let table = "application/json;as=Table;v=v1;g=meta.k8s.io"

    @Test func aDeploymentGetsItsDefaults() async throws {
        let server = try await TestServer()
        var body = JSON.deployment("web")
        body["spec"]?["replicas"] = nil
        body["status"] = ["replicas": 7]
        let spec = try #require(try await server.create(deployments, body)["spec"])
        #expect(spec["replicas"] == 1)
        #expect(spec["revisionHistoryLimit"] == 10)
        #expect(spec["progressDeadlineSeconds"] == 600)
        #expect(spec["strategy"] == ["type": "RollingUpdate", "rollingUpdate": ["maxUnavailable": "25%", "maxSurge": "25%"]])
        let template = spec[path: "template", "spec"]
        #expect(template?["restartPolicy"] == "Always")
        #expect(template?["dnsPolicy"] == "ClusterFirst")
        #expect(template?["containers"]?[1]?["imagePullPolicy"] == "Always")
        // These are a pod's own, not its template's.
        #expect(template?["enableServiceLinks"] == nil)
        #expect(template?["serviceAccountName"] == nil)
        #expect(await server.get(deployments + "/web").json["status"] == [:])
        #expect(await server.get(deployments + "/web").json[path: "metadata", "generation"] == 1)
    }

    @Test func generationCountsChangesOfTheSpec() async throws {
        let server = try await TestServer()
        try await server.create(deployments, .deployment("web"))
        func patch(_ path: String, _ body: JSON) async -> JSON {
            await server.call(.PATCH, deployments + path, body, type: "application/merge-patch+json").json
        }
        #expect(await patch("/web", ["metadata": ["labels": ["a": "b"]]])[path: "metadata", "generation"] == 1)
        #expect(await patch("/web/status", ["status": ["observedGeneration": 1]])[path: "metadata", "generation"] == 1)
        #expect(await patch("/web", ["spec": ["paused": true]])[path: "metadata", "generation"] == 2)
        #expect(await patch("/web", ["metadata": ["annotations": ["a": "b"]]])[path: "metadata", "generation"] == 3)
        #expect(await server.get(deployments + "/web").json[path: "status", "observedGeneration"] == 1)
    }

    @Test func tablesAreThoseOfKubernetes() async throws {
        let server = try await TestServer()
        try await server.create(deployments, .deployment("web"))
        let status: JSON = ["status": ["replicas": 2, "updatedReplicas": 2, "readyReplicas": 1, "availableReplicas": 1]]
        _ = await server.call(.PATCH, deployments + "/web/status", status, type: "application/merge-patch+json")
        let table = await server.get(deployments, accept: Self.table).json
        #expect((table["columnDefinitions"]?.array ?? []).map { $0["name"]?.string }
            == ["Name", "Ready", "Up-to-date", "Available", "Age", "Containers", "Images", "Selector"])
        #expect(table["rows"]?[0]?["cells"] == ["web", "1/2", 2, 1, "0s", "main,side", "nginx:1,busybox", "app=web"])

        var set = JSON.deployment("web-1")
        set["kind"] = "ReplicaSet"
        try await server.create(replicaSets, set)
        #expect(await server.get(replicaSets, accept: Self.table).json["rows"]?[0]?["cells"]
            == ["web-1", 2, 0, 0, "0s", "main,side", "nginx:1,busybox", "app=web-1"])
    }

    @Test func networkTables() async throws {
        let server = try await TestServer()
        let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        let addresses = (1...4).map { number -> JSON in ["addresses": [.string("10.0.0.\(number)")]] }
        try await server.create(slices, ["metadata": ["name": "s"], "addressType": "IPv4", "endpoints": .array(addresses), "ports": [["port": 80]]])
        #expect(await server.get(slices, accept: Self.table).json["rows"]?[0]?["cells"]
            == ["s", "IPv4", "80", "10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...", "0s"])
        let endpoints = "/api/v1/namespaces/default/endpoints"
        let subset: JSON = ["addresses": [["ip": "10.0.0.1"]], "ports": [["port": 80]]]
        try await server.create(endpoints, ["metadata": ["name": "e"], "subsets": [subset]])
        #expect(await server.get(endpoints, accept: Self.table).json["rows"]?[0]?["cells"] == ["e", "10.0.0.1:80", "0s"])
        let policies = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
        let policy = try await server.create(policies, ["metadata": ["name": "p"], "spec": ["podSelector": ["matchLabels": ["a": "b"]], "egress": [[:]]]])
        #expect(policy[path: "spec", "policyTypes"] == ["Ingress", "Egress"])
        #expect(await server.get(policies, accept: Self.table).json["rows"]?[0]?["cells"] == ["p", "a=b", "0s"])
        let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        try await server.create(bindings, [
            "metadata": ["name": "system:a"], "roleRef": ["kind": "ClusterRole", "name": "system:r"],
            "subjects": [["kind": "User", "name": "u"], ["kind": "ServiceAccount", "name": "s", "namespace": "n"]],
        ])
        #expect(await server.get(bindings + "?fieldSelector=metadata.name%3Dsystem:a", accept: Self.table).json["rows"]?[0]?["cells"] == ["system:a", "ClusterRole/system:r", "0s", "u", "", "n/s"])
    }
}

@Suite struct ScaleTests {
    @Test func aScaleIsReadAndWritten() async throws {
        let server = try await TestServer()
        let object = try await server.create(deployments, .deployment("web"))
        let scale = await server.get(deployments + "/web/scale").json
        #expect(scale["kind"] == "Scale")
        #expect(scale["apiVersion"] == "autoscaling/v1")
        #expect(scale["spec"] == ["replicas": 2])
        #expect(scale["status"] == ["replicas": 0, "selector": "app=web"])
        #expect(scale.uid == object.uid)

        let written = await server.call(.PUT, deployments + "/web/scale", scale.with(5, at: "spec", "replicas"))
        #expect(written.status == 200)
        #expect(written.json["spec"] == ["replicas": 5])
        let changed = await server.get(deployments + "/web").json
        #expect(changed[path: "spec", "replicas"] == 5)
        #expect(changed[path: "metadata", "generation"] == 2)
        #expect(changed[path: "spec", "template"] == object[path: "spec", "template"])
        #expect(written.json.version == changed.version)

        let stale = await server.call(.PUT, deployments + "/web/scale", scale)
        #expect(stale.status == 409)
    }

    @Test func aScaleIsPatched() async throws {
        let server = try await TestServer()
        try await server.create(deployments, .deployment("web"))
        let patched = await server.call(.PATCH, deployments + "/web/scale", ["spec": ["replicas": 0]], type: "application/merge-patch+json")
        #expect(patched.json["spec"] == ["replicas": 0])
        let wrong = await server.call(.PATCH, deployments + "/web/scale", ["spec": ["replicas": -1]], type: "application/merge-patch+json")
        #expect(wrong.status == 422)
        #expect(wrong.message == #"Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"#)
        #expect(await server.get(deployments + "/none/scale").status == 404)
        #expect(await server.get(pods + "/none/scale").message == "the server could not find the requested resource")
    }
}

@Suite struct ReviewTests {
    private let reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    @Test func reviewsAreAnsweredAndNotStored() async throws {
        let server = try await TestServer()
        let who = await server.call(.POST, "/apis/authentication.k8s.io/v1/selfsubjectreviews", ["apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"])
        #expect(who.status == 201)
        #expect(who.json[path: "status", "userInfo", "username"] == "kubernetes-admin")
        let may = await server.call(.POST, reviews, ["spec": ["resourceAttributes": ["verb": "delete", "resource": "pods", "namespace": "default"]]])
        #expect(may.status == 201)
        #expect(may.json[path: "status", "allowed"] == true)
        let other = await server.call(.POST, "/apis/authorization.k8s.io/v1/subjectaccessreviews", [
            "spec": ["user": "nobody", "resourceAttributes": ["verb": "delete", "resource": "pods", "namespace": "default"]],
        ])
        #expect(other.json[path: "status", "allowed"] == false)
        #expect(await server.get(reviews).status == 405)
    }

    @Test func aReviewMustAskSomething() async throws {
        let server = try await TestServer()
        let nothing = await server.call(.POST, reviews, ["spec": [:]])
        #expect(nothing.status == 422)
        #expect(nothing.causes == [
            "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
        ])
    }
}
