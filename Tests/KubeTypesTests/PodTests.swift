import JSONTree
import KubeAPI
import KubeTypes
import Testing

@Suite struct PodTests {
    static let text = #"""
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"default","uid":"u","labels":{"a":"b"},
        "creationTimestamp":"2026-01-02T03:04:05Z","unknownField":1},"spec":{"containers":[{"name":"c","image":"nginx:1",
        "ports":[{"containerPort":80,"protocol":"TCP"}],"resources":{"limits":{"cpu":"500m","memory":"64Mi"}},
        "livenessProbe":{"httpGet":{"path":"/","port":"http"},"periodSeconds":5},"env":[{"name":"A","value":"1"}]}],
        "volumes":[{"name":"v","emptyDir":{}},{"name":"s","secret":{"secretName":"x","defaultMode":420}}],"nodeName":null},
        "status":{"phase":"Running","containerStatuses":[{"name":"c","ready":true,"restartCount":2,"image":"i","imageID":"d",
        "state":{"running":{"startedAt":"2026-01-02T03:04:06Z"}}}]}}
        """#

    @Test func reads() throws {
        let pod = try Pod(json: JSON(parsing: Self.text))
        #expect(pod.name == "web")
        #expect(pod.metadata.labels == ["a": "b"])
        #expect(pod.metadata.creationTimestamp == Time(seconds: 1_767_323_045))
        let container = try #require(pod.spec.containers.first)
        #expect(container.ports.first?.containerPort == 80)
        #expect(container.resources?.limits["memory"] == "64Mi")
        #expect(container.resources?.limits["cpu"]?.milliValue == 500)
        #expect(container.livenessProbe?.httpGet?.port == "http")
        #expect(container.args.isEmpty)
        #expect(pod.spec.nodeName == nil)
        #expect(pod.spec.volumes[0].emptyDir != nil)
        #expect(pod.spec.volumes[1].emptyDir == nil)
        #expect(pod.spec.volumes[1].secret?.defaultMode == 420)
        #expect(pod.status.containerStatuses[0].restartCount == 2)
        #expect(pod.status.containerStatuses[0].state?.running?.startedAt == Time(seconds: 1_767_323_046))
    }

    @Test func writesWhatItRead() throws {
        let json = try JSON(parsing: Self.text)
        var expected = json
        expected["metadata"]?["unknownField"] = nil
        expected["spec"]?["nodeName"] = nil
        let pod = try Pod(json: json)
        #expect(pod.json == expected)
        #expect(try Pod(json: pod.json) == pod)
    }

    @Test func changes() throws {
        var pod = try Pod(json: JSON(parsing: Self.text))
        let before = pod
        pod.status.phase = "Failed"
        pod.spec.containers[0].livenessProbe?.httpGet?.path = "/health"
        pod.metadata.labels["c"] = "d"
        #expect(pod.json[path: "status", "phase"] == "Failed")
        #expect(pod.json["spec"]?["containers"]?[0]?[path: "livenessProbe", "httpGet", "path"] == "/health")
        #expect(before.status.phase == "Running")
        #expect(before != pod)
        #expect(before.metadata.labels == ["a": "b"])
    }

    @Test func saysWhereATypeIsWrong() throws {
        var json = try JSON(parsing: Self.text)
        json["spec"]?["containers"]?.withArray { $0[0]["ports"]?.withArray { $0[0]["containerPort"] = "80" } }
        #expect { try Pod(json: json) } throws: { error in
            "\(error)" == "spec.containers[0].ports[0].containerPort: expected integer, found string"
        }
    }

    @Test func requiredMembersAreAlwaysWritten() {
        let status = ContainerStatus(with: { $0.name = "c" })
        #expect(status.json.object?.keys.sorted() == ["image", "imageID", "name", "ready", "restartCount"])
        #expect(PodSpec().json == ["containers": []])
        #expect(Pod().json == ["apiVersion": "v1", "kind": "Pod"])
    }

    @Test func isSmall() {
        #expect(MemoryLayout<Pod>.size <= 24)
        #expect(MemoryLayout<Volume>.size <= 320)
    }
}
