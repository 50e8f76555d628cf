import JSONTree
import KubeHTTP
import NIOHTTP1
import Testing

/// Bodies as clients written in Go send them: `kubectl create namespace`, `create configmap`, an upstream node.
@Suite struct ProtobufTests {
    /// Writes the little protobuf that the tests need.
    private struct Message {
        var bytes: [UInt8] = []

        private static func varint(_ value: UInt64) -> [UInt8] {
            var rest = value
            var bytes: [UInt8] = []
            while rest > 0x7f {
                bytes.append(UInt8(rest & 0x7f) | 0x80)
                rest >>= 7
            }
            return bytes + [UInt8(rest)]
        }

        func adding(_ number: UInt64, _ content: [UInt8]) -> Message {
            Message(bytes: bytes + Self.varint(number << 3 | 2) + Self.varint(UInt64(content.count)) + content)
        }
        func adding(_ number: UInt64, _ text: String) -> Message { adding(number, Array(text.utf8)) }
        func adding(_ number: UInt64, _ message: Message) -> Message { adding(number, message.bytes) }
        func adding(_ number: UInt64, int value: Int64) -> Message {
            Message(bytes: bytes + Self.varint(number << 3) + Self.varint(UInt64(bitPattern: value)))
        }
    }

    private func body(_ apiVersion: String, _ kind: String, _ message: Message) -> [UInt8] {
        let unknown = Message().adding(1, Message().adding(1, apiVersion).adding(2, kind)).adding(2, message).adding(3, "").adding(4, "")
        return [0x6b, 0x38, 0x73, 0x00] + unknown.bytes
    }

    /// Go writes the empty fields too.
    private func metadata(_ name: String) -> Message {
        Message().adding(1, name).adding(2, "").adding(3, "").adding(4, "").adding(5, "").adding(6, "").adding(7, int: 0).adding(8, Message())
    }

    private let type = "application/vnd.kubernetes.protobuf"

    /// The bytes that `kubectl create namespace foo` sends, annotated.
    @Test func theBytesOfKubectlAreANamespace() async throws {
        let bytes: [UInt8] =
            [0x6b, 0x38, 0x73, 0x00]  // k8s\0
            + [0x0a, 0x0f, 0x0a, 0x02, 0x76, 0x31, 0x12, 0x09] + Array("Namespace".utf8)  // typeMeta: v1, Namespace
            + [0x12, 0x1b]  // raw, 27 bytes
            + [0x0a, 0x15, 0x0a, 0x03, 0x66, 0x6f, 0x6f]  // metadata, 21 bytes; name: foo
            + [0x12, 0x00, 0x1a, 0x00, 0x22, 0x00, 0x2a, 0x00, 0x32, 0x00, 0x38, 0x00, 0x42, 0x00]  // empty fields, generation 0, no time
            + [0x12, 0x00, 0x1a, 0x00]  // spec, status
            + [0x1a, 0x00, 0x22, 0x00]  // contentEncoding, contentType
        let server = try await TestServer()
        let answer = await Answer(server.respond(.POST, namespaces, bytes, type: type, accept: type + ",application/json"))
        #expect(answer.status == 201, "\(answer.json)")
        #expect(answer.json.name == "foo")
        #expect(answer.json["status"] == ["phase": "Active"])
    }

    @Test func mapsAndBytesAreRead() async throws {
        let server = try await TestServer()
        let map = Message().adding(1, metadata("m")).adding(2, Message().adding(1, "a").adding(2, "1")).adding(2, Message().adding(1, "b").adding(2, ""))
        let created = await Answer(server.respond(.POST, configMaps, body("v1", "ConfigMap", map), type: type))
        #expect(created.status == 201)
        #expect(created.json["data"] == ["a": "1", "b": ""])
        let secret = Message().adding(1, metadata("s")).adding(2, Message().adding(1, "k").adding(2, [0xff, 0x00])).adding(3, "Opaque")
        let stored = await Answer(server.respond(.POST, "/api/v1/namespaces/default/secrets", body("v1", "Secret", secret), type: type))
        #expect(stored.json["data"] == ["k": "/wA="])
    }

    @Test func inlinedMessagesListsNumbersQuantitiesAndTimesAreRead() async throws {
        let server = try await TestServer()
        let source = Message().adding(2, Message().adding(1, "").adding(2, Message().adding(1, "1Mi")))  // VolumeSource.emptyDir.sizeLimit
        let volume = Message().adding(1, "v").adding(2, source)
        let port = Message().adding(1, "").adding(2, int: 0).adding(3, int: 80).adding(4, "").adding(5, "")
        let limit = Message().adding(1, "cpu").adding(2, Message().adding(1, "250m"))
        let probe = Message().adding(1, Message().adding(2, Message().adding(1, "/").adding(2, Message().adding(1, int: 1).adding(3, "http"))))
            .adding(2, int: 0).adding(3, int: 5)
        let container = Message().adding(1, "main").adding(2, "nginx:1").adding(3, "a").adding(3, "b").adding(6, port)
            .adding(8, Message().adding(1, limit)).adding(10, probe)
        let spec = Message().adding(1, volume).adding(2, container).adding(3, "").adding(11, int: 0)
        let answer = await Answer(server.respond(.POST, pods, body("v1", "Pod", Message().adding(1, metadata("p")).adding(2, spec)), type: type))
        try #require(answer.status == 201, "\(answer.json)")
        let stored = answer.json["spec"]
        #expect(stored?["volumes"]?[0] == ["name": "v", "emptyDir": ["sizeLimit": "1Mi"]])
        let main = stored?["containers"]?[0]
        #expect(main?["command"] == ["a", "b"])
        #expect(main?["ports"]?[0]?["containerPort"] == 80)
        #expect(main?[path: "resources", "limits"] == ["cpu": "250m"])
        #expect(main?[path: "livenessProbe", "httpGet", "port"] == "http")
        #expect(main?[path: "livenessProbe", "timeoutSeconds"] == 5)

        let lease = Message().adding(1, metadata("l")).adding(2, Message().adding(1, "me").adding(2, int: 40).adding(4, Message().adding(1, int: 1_767_323_045).adding(2, int: 5_000)))
        let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
        let leased = await Answer(server.respond(.POST, path, body("coordination.k8s.io/v1", "Lease", lease), type: type))
        #expect(leased.json["spec"] == ["holderIdentity": "me", "leaseDurationSeconds": 40, "renewTime": "2026-01-02T03:04:05.000005Z"])
    }

    /// A controller written in Go sends back the owners that it read: they are JSON within the message.
    @Test func ownersOfFieldsAreKept() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, .configMap("x"))
        let fields = Message().adding(1, #"{"f:data":{"f:a":{}}}"#)
        let entry = Message().adding(1, "m").adding(2, "Update").adding(3, "v1").adding(6, "FieldsV1").adding(7, fields)
        let data = Message().adding(1, "a").adding(2, "1")
        let message = Message().adding(1, metadata("x").adding(17, entry)).adding(2, data)
        let answer = await Answer(server.respond(.PUT, configMaps + "/x", body("v1", "ConfigMap", message), type: type))
        #expect(answer.status == 200, "\(answer.json)")
        #expect(answer.json[path: "metadata", "managedFields"] == [
            ["manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": ["f:data": ["f:a": [:]]]]
        ])
    }

    @Test func aDeleteMayHaveSuchABody() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, .configMap("x"))
        let options = Message().adding(2, Message().adding(1, "other"))
        let answer = await Answer(server.respond(.DELETE, configMaps + "/x", body("v1", "DeleteOptions", options), type: type))
        #expect(answer.status == 409)
    }

    @Test func brokenBodiesAreRefused() async throws {
        let server = try await TestServer()
        let whole = body("v1", "ConfigMap", Message().adding(1, metadata("m")))
        for length in 0..<whole.count where length != 0 {
            let status = await Answer(server.respond(.POST, configMaps + "?dryRun=All", Array(whole[..<length]), type: type)).status
            #expect(status >= 400 || length > whole.count - 5, "\(length)")
        }
        #expect(await Answer(server.respond(.POST, configMaps, body("v1", "Nothing", Message()), type: type)).status == 400)
        var deep = Message()
        for _ in 0..<1000 { deep = Message().adding(1, deep) }
        #expect(await Answer(server.respond(.POST, configMaps, body("v1", "ConfigMap", deep), type: type)).status >= 400)
        for seed in 0..<500 as Range<UInt64> {
            var state = seed &* 6_364_136_223_846_793_005 &+ 1
            let noise = (0..<64).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 33)
            }
            #expect((200..<500).contains(await Answer(server.respond(.POST, pods + "?dryRun=All", body("v1", "Pod", Message(bytes: noise)), type: type)).status))
        }
    }
}
