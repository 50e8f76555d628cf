import JSONTree
import KubeAPI
import Testing

@Suite struct DefaultsTests {
    private func defaulted(_ pod: JSON) throws -> JSON {
        var pod = pod
        try #require(Sample.definition).applyDefaults(to: &pod)
        return pod
    }

    @Test func podsGetKubernetesDefaults() throws {
        let spec = try defaulted(Sample.pod())["spec"]
        #expect(spec == [
            "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30, "schedulerName": "default-scheduler",
            "securityContext": [:], "enableServiceLinks": true,
            "containers": [[
                "name": "main", "image": "nginx", "imagePullPolicy": "Always", "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File", "resources": [:],
            ]],
        ])
    }

    @Test func zeroIsNotAbsent() throws {
        let pod = try defaulted(Sample.pod(spec: "terminationGracePeriodSeconds", 0))
        #expect(pod["spec"]?["terminationGracePeriodSeconds"] == 0)
        #expect(try defaulted(Sample.pod(spec: "enableServiceLinks", false))["spec"]?["enableServiceLinks"] == false)
        #expect(try defaulted(Sample.pod(spec: "restartPolicy", ""))["spec"]?["restartPolicy"] == "Always")
    }

    static let images: [(String, String)] = [
        ("nginx", "Always"), ("nginx:latest", "Always"), ("nginx:1.27", "IfNotPresent"), ("host:5000/nginx", "Always"),
        ("host:5000/a/nginx:2", "IfNotPresent"), ("nginx@sha256:0000", "IfNotPresent"), ("nginx:latest@sha256:0000", "IfNotPresent"),
    ]

    @Test(arguments: images)
    func pullPolicyFollowsTheTag(image: String, policy: String) throws {
        let pod = try defaulted(Sample.pod(container: "image", .string(image)))
        #expect(pod["spec"]?["containers"]?[0]?["imagePullPolicy"]?.string == policy)
    }

    @Test func limitsBecomeRequests() throws {
        let pod = try defaulted(Sample.pod(container: "resources", ["limits": ["cpu": "1", "memory": "1Gi"], "requests": ["cpu": "500m"]]))
        #expect(pod["spec"]?["containers"]?[0]?[path: "resources", "requests"] == ["cpu": "500m", "memory": "1Gi"])
    }

    @Test func probesPortsAndVolumes() throws {
        var pod = Sample.pod(container: "livenessProbe", ["httpGet": ["port": 80], "periodSeconds": 0])
        pod["spec"]?["containers"]?.withArray { $0[0]["ports"] = [["containerPort": 80]] }
        pod["spec"]?["volumes"] = [
            ["name": "a"], ["name": "b", "configMap": ["name": "c"]], ["name": "d", "hostPath": ["path": "/x"]],
            ["name": "e", "projected": ["sources": [["serviceAccountToken": ["path": "t"]]]]],
        ]
        pod["spec"]?["hostNetwork"] = true
        pod = try defaulted(pod)
        let container = pod["spec"]?["containers"]?[0]
        #expect(container?["livenessProbe"] == [
            "httpGet": ["port": 80, "path": "/", "scheme": "HTTP"], "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
        ])
        #expect(container?["ports"] == [["containerPort": 80, "protocol": "TCP", "hostPort": 80]])
        #expect(pod["spec"]?["volumes"] == [
            ["name": "a", "emptyDir": [:]], ["name": "b", "configMap": ["name": "c", "defaultMode": 420]],
            ["name": "d", "hostPath": ["path": "/x", "type": ""]],
            ["name": "e", "projected": ["sources": [["serviceAccountToken": ["path": "t", "expirationSeconds": 3600]]], "defaultMode": 420]],
        ])
    }

    @Test func otherKinds() throws {
        let registry = APIRegistry.builtIn
        var secret: JSON = ["metadata": ["name": "s"], "stringData": ["a": "b"], "data": ["a": "eA==", "c": "eA=="]]
        try #require(registry.definition(apiVersion: "v1", kind: "Secret")).applyDefaults(to: &secret)
        #expect(secret == ["metadata": ["name": "s"], "data": ["a": "Yg==", "c": "eA=="], "type": "Opaque"])
        var namespace: JSON = ["metadata": ["name": "n"]]
        try #require(registry.definition(apiVersion: "v1", kind: "Namespace")).applyDefaults(to: &namespace)
        #expect(namespace[path: "metadata", "labels"] == ["kubernetes.io/metadata.name": "n"])
        var node: JSON = ["metadata": ["name": "n"], "status": ["capacity": ["cpu": "2"]]]
        try #require(registry.definition(apiVersion: "v1", kind: "Node")).applyDefaults(to: &node)
        #expect(node[path: "status", "allocatable"] == ["cpu": "2"])
    }
}
