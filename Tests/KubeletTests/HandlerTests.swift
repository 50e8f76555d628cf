import JSONTree
import KubeHTTP
import NIOHTTP1
import Testing
@testable import Kubelet

@Suite("The kubelet's API", .timeLimit(.minutes(1)))
struct HandlerTests {
    private static let server = ClientCertificate(commonName: "kube-apiserver-kubelet-client", organizations: [])

    private static func request(_ path: String, query: QueryItems = [:], headers: HTTPHeaders = [:], certificate: ClientCertificate? = server) -> ServerRequest {
        ServerRequest(method: .GET, path: path, query: query, headers: headers, clientCertificate: certificate)
    }

    private static func body(_ response: ServerResponse) async throws -> (status: Int, text: String) {
        switch response {
        case .full(let status, _, let body): return (Int(status.code), String(decoding: body, as: UTF8.self))
        case .stream(let status, _, let produce):
            let output = Recorded<[UInt8]>()
            try await produce(ResponseWriter { output.append($0) })
            return (Int(status.code), String(decoding: output.all.joined(), as: UTF8.self))
        default: return (0, "")
        }
    }

    @Test("only the API server and administrators may use it")
    func authentication() async throws {
        let handler = try Bench().kubelet().handler
        func status(_ certificate: ClientCertificate?) async throws -> Int { try await Self.body(handler.respond(to: Self.request("/healthz", certificate: certificate))).status }
        #expect(try await status(nil) == 401)
        #expect(try await status(ClientCertificate(commonName: "system:node:other", organizations: ["system:nodes"])) == 403)
        #expect(try await status(Self.server) == 200)
        #expect(try await status(ClientCertificate(commonName: "admin", organizations: ["system:masters"])) == 200)
        #expect(try await Self.body(handler.respond(to: Self.request("/nope"))).status == 404)
    }

    @Test("attach is refused with its reason: no such pod, no stream asked for, no WebSocket")
    func attach() async throws {
        let bench = Bench()
        try await bench.run { kubelet async throws in
            func answer(_ container: String, _ query: QueryItems = [:]) async throws -> (status: Int, text: String) {
                try await Self.body(kubelet.handler.respond(to: Self.request("/attach/default/web/\(container)", query: query)))
            }
            #expect(try await answer("web") == (404, "pod \"web\" not found"))
            await bench.start(pod(oneContainer)) { $0.isReady }
            #expect(try await answer("nope", ["output": "1"]) == (404, "container not found (\"nope\")"))
            #expect(try await answer("web") == (400, "you must specify at least 1 of stdin, stdout, stderr"))
            #expect(try await answer("web", ["output": "1"]).text.hasPrefix("expected a WebSocket with one of "))
        }
    }

    @Test("logs of the latest and the previous instance, and why there are none")
    func logs() async throws {
        let bench = Bench()
        try await bench.run { kubelet in
            func logs(_ pod: String = "web", _ container: String = "web", _ query: QueryItems = [:]) async throws -> (status: Int, text: String) {
                try await Self.body(kubelet.handler.respond(to: Self.request("/containerLogs/default/\(pod)/\(container)", query: query, headers: ["accept": "application/json, */*"])))
            }
            await bench.start(pod(oneContainer)) { $0.isReady }
            let directory = bench.directory.path + "/logs/default_web_uid-1/web"
            try HostFiles.makeDirectory(directory)
            try HostFiles.write(Array("2027-01-15T08:00:01Z stdout F first\n2027-01-15T08:00:02Z stdout F second\n".utf8), to: directory + "/0.log")
            #expect(try await logs() == (200, "first\nsecond\n"))
            #expect(try await logs("web", "web", ["tailLines": "1"]) == (200, "second\n"))
            #expect(try await logs("nope").status == 404)
            #expect(try await logs("web", "nope").text.contains("container nope is not valid for pod web"))
            #expect(try await logs("web", "web", ["previous": "true"]).text.contains("previous terminated container \\\"web\\\" in pod \\\"web\\\" not found"))
            #expect(try await logs("web", "web", ["tailLines": "x"]).status == 400)

            bench.runtime.exit("web", code: 1)
            _ = await bench.api.status(of: "web") { $0.container("web")?["restartCount"]?.int == 1 && $0.isReady }
            #expect(try await logs("web", "web", ["previous": "true"]) == (200, "first\nsecond\n"))
        }
    }

    @Test("a container that has not started says what it waits for")
    func waiting() async throws {
        let bench = Bench()
        try await bench.run { kubelet in
            let spec: JSON = ["containers": [["name": "web", "image": "nope", "imagePullPolicy": "Never"]]]
            await bench.start(pod(spec)) { $0.waitingReason("web") == "ErrImageNeverPull" }
            let message = "container \"web\" in pod \"web\" is waiting to start: ErrImageNeverPull"
            func answer(_ headers: HTTPHeaders) async throws -> (status: Int, text: String) {
                try await Self.body(kubelet.handler.respond(to: Self.request("/containerLogs/default/web/web", headers: headers)))
            }
            // Upstream's API server says nothing of what it accepts, and puts the text into a Status of its own.
            #expect(try await answer([:]) == (400, message))
            #expect(try await answer(["accept": "text/plain"]) == (400, message))
            for accept in ["application/json, */*", "application/vnd.kubernetes.protobuf,application/json;q=0.9", "*/*"] {
                let status = try await answer(["accept": accept])
                #expect(status.status == 400)
                let json = try JSON(parsing: Array(status.text.utf8))
                #expect(json["kind"]?.string == "Status")
                #expect(json["reason"]?.string == "BadRequest")
                #expect(json["code"]?.int == 400)
                #expect(json["message"]?.string == message)
            }
        }
    }

    @Test("an image that cannot be pulled is told in words")
    func waitingForImage() async throws {
        let bench = Bench()
        try await bench.run { kubelet in
            func text() async throws -> String { try await Self.body(kubelet.handler.respond(to: Self.request("/containerLogs/default/web/web"))).text }
            await bench.start(pod(["containers": [["name": "web", "image": "nope", "imagePullPolicy": "IfNotPresent"]]])) { $0.waitingReason("web") == "ErrImagePull" }
            let failed = try await text()
            #expect(failed == "container \"web\" in pod \"web\" is waiting to start: image can't be pulled")
            await bench.clock.advance(by: .seconds(2))
            _ = await bench.api.status(of: "web") { $0.waitingReason("web") == "ImagePullBackOff" }
            let waiting = try await text()
            #expect(waiting == "container \"web\" in pod \"web\" is waiting to start: trying and failing to pull image")
        }
    }

    /// Runs an exec over a WebSocket in memory; returns what the client saw, by channel.
    private func exec(_ handler: KubeletHandler, query: QueryItems, input: [[UInt8]] = []) async throws -> [UInt8: String] {
        let headers: HTTPHeaders = ["connection": "Upgrade", "upgrade": "websocket", "sec-websocket-protocol": "v5.channel.k8s.io"]
        let response = await handler.respond(to: Self.request("/exec/default/web/web", query: query, headers: headers))
        guard case .webSocket(let subprotocol, let run) = response else { return [0: try await Self.body(response).text] }
        #expect(subprotocol == "v5.channel.k8s.io")
        let seen = Recorded<[UInt8]>()
        let (messages, continuation) = AsyncStream<WebSocketMessage>.makeStream()
        for message in input { continuation.yield(.binary(message)) }
        let source = MessageSource(messages)
        let connection = WebSocketConnection(
            subprotocol: subprotocol, receive: { await source.next() }, send: { seen.append($0.bytes) }, close: { _, _ in continuation.finish() })
        try await run(connection)
        var channels: [UInt8: String] = [:]
        for message in seen.all { channels[message[0], default: ""] += String(decoding: message.dropFirst(), as: UTF8.self) }
        return channels
    }

    @Test("exec: output, exit code and input")
    func exec() async throws {
        let bench = Bench()
        try await bench.run { kubelet in
            await bench.start(pod(oneContainer)) { $0.isReady }
            let echo = try await exec(kubelet.handler, query: QueryItems(parsing: "command=echo&command=hi&output=1&error=1"))
            #expect(echo[1] == "echo hi")
            #expect(echo[3]?.contains("\"Success\"") == true)
            let failed = try await exec(kubelet.handler, query: QueryItems(parsing: "command=exit&command=7&output=1"))
            #expect(failed[3]?.contains("ExitCode") == true)
            #expect(failed[3]?.contains("\"7\"") == true)
            let cat = try await exec(
                kubelet.handler, query: QueryItems(parsing: "command=cat&input=1&output=1"), input: [[0] + Array("typed".utf8), [255, 0]])
            #expect(cat[1] == "typed")
            #expect(cat[3]?.contains("Success") == true)
            #expect(try await exec(kubelet.handler, query: QueryItems(parsing: "output=1"))[0]?.contains("at least 1 command") == true)
        }
    }
}

/// Messages for one reader.
actor MessageSource {
    private var iterator: AsyncStream<WebSocketMessage>.Iterator
    init(_ stream: AsyncStream<WebSocketMessage>) { iterator = stream.makeAsyncIterator() }
    func next() async -> WebSocketMessage? {
        var copy = iterator
        return await copy.next(isolation: self)
    }
}
