import JSONTree
import KubeClient
import KubeTypes
import Testing

@Suite struct ClientTests {
    @Test func statusBecomesAnError() async throws {
        let status: JSON = [
            "kind": "Status", "status": "Failure", "code": 422, "reason": "Invalid", "message": "Pod \"x\" is invalid",
            "details": ["name": "x", "kind": "Pod", "causes": [["reason": "FieldValueRequired", "message": "Required value", "field": "spec.containers"]], "retryAfterSeconds": 3],
        ]
        let client = KubeClient(transport: ScriptedTransport([.answer(422, status)]))
        let error = await #expect(throws: KubeError.self) { try await client.get(ConfigMap.self, namespace: "d", name: "x") }
        #expect(error?.code == 422)
        #expect(error?.reason == .invalid)
        #expect(error?.message == "Pod \"x\" is invalid")
        #expect(error?.details?.causes == [.init(reason: "FieldValueRequired", message: "Required value", field: "spec.containers")])
        #expect(error?.details?.retryAfterSeconds == 3)
        #expect(error?.isTransient == false)
    }

    @Test func requestsAreTheApis() async throws {
        let transport = ScriptedTransport(Array(repeating: .answer(200, configMap("a", 1)), count: 4))
        let client = KubeClient(transport: transport)
        _ = try await client.get(ConfigMap.self, namespace: "d", name: "a")
        var object = try ConfigMap(json: configMap("a", 1))
        object.metadata.namespace = "d"
        try await client.create(object)
        _ = try await client.patch(ConfigMap.resource, namespace: "d", name: "a", subresource: "status", ["data": nil])
        _ = try await client.delete(ConfigMap.resource, namespace: "d", name: "a", uid: "u", gracePeriodSeconds: 0)
        #expect(transport.log == [
            "GET /api/v1/namespaces/d/configmaps/a", "POST /api/v1/namespaces/d/configmaps",
            "PATCH /api/v1/namespaces/d/configmaps/a/status", "DELETE /api/v1/namespaces/d/configmaps/a",
        ])
    }
}
