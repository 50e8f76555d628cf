import NIOCore
import NIOHTTP1
import NIOPosix
import Testing
@testable import KubeHTTP
@testable import Kubelet

/// Port forwarding through the kubelet's handler: both protocols, against real sockets of this machine.
@Suite("Port forwarding", .timeLimit(.minutes(1)))
struct PortForwardTests {
    private static let server = ClientCertificate(commonName: "kube-apiserver-kubelet-client", organizations: [])

    /// A client's end of the WebSocket, in memory.
    struct Wire {
        let toServer = InboundQueue<[UInt8]>(highWatermark: .max, lowWatermark: 0) {}
        let fromServer = InboundQueue<[UInt8]>(highWatermark: .max, lowWatermark: 0) {}

        var connection: WebSocketConnection {
            let (input, output) = (toServer, fromServer)
            return WebSocketConnection(
                subprotocol: nil, receive: { try await input.next().map { .binary($0) } }, send: { _ = output.push($0.bytes, size: 1) },
                close: { _, _ in output.finish(throwing: nil) })
        }

        func send(_ bytes: [UInt8]) { _ = toServer.push(bytes, size: bytes.count) }
    }

    /// A TCP server on this machine: says `hello `, then what it is sent, in capitals; ends when the client does.
    static func withEchoServer(_ body: (UInt16) async throws -> Void) async throws {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Shouter()) } }
            .bind(host: "127.0.0.1", port: 0).get()
        do { try await body(UInt16(try #require(listener.localAddress?.port))) } catch {
            try await listener.close()
            throw error
        }
        try await listener.close()
    }

    private final class Shouter: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        func channelActive(context: ChannelHandlerContext) { context.writeAndFlush(NIOAny(ByteBuffer(string: "hello ")), promise: nil) }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let text = String(buffer: unwrapInboundIn(data)).uppercased()
            context.writeAndFlush(NIOAny(ByteBuffer(string: text)), promise: nil)
        }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
        }
    }

    static func respond(_ kubelet: Kubelet, _ subprotocol: String, query: QueryItems = [:], pod: String = "web") async -> ServerResponse {
        await kubelet.handler.respond(to: ServerRequest(
            method: .GET, path: "/portForward/default/\(pod)", query: query,
            headers: ["connection": "Upgrade", "upgrade": "websocket", "sec-websocket-protocol": subprotocol], clientCertificate: server))
    }

    /// Plays the client of a forwarding to a ready pod.
    static func withForwarding(_ subprotocol: String, query: QueryItems = [:], _ body: @escaping @Sendable (Wire, Bench) async throws -> Void) async throws {
        let bench = Bench()
        try await bench.run { kubelet in
            await bench.start(pod(oneContainer)) { $0.isReady }
            guard case .webSocket(let chosen, let run) = await respond(kubelet, subprotocol, query: query) else {
                Issue.record("expected a WebSocket")
                return
            }
            #expect(chosen == subprotocol)
            let wire = Wire()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    // As the server does it: the connection ends with the handler.
                    defer { wire.fromServer.finish(throwing: nil) }
                    try await run(wire.connection)
                }
                try await body(wire, bench)
                wire.toServer.finish(throwing: nil)
                try await group.waitForAll()
            }
        }
    }

    /// A SPDY client of one tunnel.
    final class Tunnel {
        let wire: Wire
        private let compressor: SPDYHeaderCompressor
        private var reader = SPDYFrameReader()
        private var next: UInt32 = 1
        private(set) var received: [UInt32: String] = [:]
        private(set) var ended: Set<UInt32> = []
        private(set) var resets: Set<UInt32> = []

        init(_ wire: Wire) throws {
            self.wire = wire
            compressor = try SPDYHeaderCompressor()
        }

        func open(_ headers: [(name: String, value: String)], isLast: Bool = false) -> UInt32 {
            defer { next += 2 }
            wire.send(SPDYFrame.synStream(
                stream: next, associated: 0, priority: 0, headers: compressor.compress(SPDYHeaders(headers).block), isLast: isLast, isUnidirectional: false).bytes)
            return next
        }

        /// As kubectl does: the error stream, which it ends at once, then the data stream.
        func forward(_ port: UInt16, request: Int) -> (data: UInt32, error: UInt32) {
            let error = open([("streamtype", "error"), ("port", "\(port)"), ("requestid", "\(request)")])
            wire.send(SPDYFrame.data(stream: error, bytes: [], isLast: true).bytes)
            return (open([("streamtype", "data"), ("port", "\(port)"), ("requestid", "\(request)")]), error)
        }

        func send(_ stream: UInt32, _ text: String, isLast: Bool = false) {
            wire.send(SPDYFrame.data(stream: stream, bytes: Array(text.utf8), isLast: isLast).bytes)
        }

        /// Reads until the condition holds, or the connection ends.
        func read(until isEnough: (Tunnel) -> Bool) async throws {
            while !isEnough(self), let bytes = try await wire.fromServer.next() {
                reader.append(bytes)
                while let frame = try reader.next() {
                    switch frame {
                    case .data(let id, let bytes, let isLast):
                        received[id, default: ""] += String(decoding: bytes, as: UTF8.self)
                        if isLast { ended.insert(id) }
                    case .resetStream(let id, _): resets.insert(id)
                    default: break
                    }
                }
            }
        }
    }

    @Test("two connections at once through one tunnel")
    func tunnel() async throws {
        try await Self.withEchoServer { port in
            try await Self.withForwarding("SPDY/3.1+portforward.k8s.io") { wire, _ in
                let tunnel = try Tunnel(wire)
                let (first, second) = (tunnel.forward(port, request: 0), tunnel.forward(port, request: 1))
                tunnel.send(second.data, "two")
                tunnel.send(first.data, "one", isLast: true)
                tunnel.send(second.data, "!", isLast: true)
                let streams: Set = [first.data, first.error, second.data, second.error]
                try await tunnel.read { streams.isSubset(of: $0.ended) }
                #expect(tunnel.received[first.data] == "hello ONE")
                #expect(tunnel.received[second.data] == "hello TWO!")
                #expect(tunnel.received[first.error] == "" && tunnel.resets.isEmpty)
            }
        }
    }

    @Test("a client that resets its data stream gets the end of its error stream, as kubectl waits for it")
    func resetByTheClient() async throws {
        try await Self.withEchoServer { port in
            try await Self.withForwarding("SPDY/3.1+portforward.k8s.io") { wire, _ in
                let tunnel = try Tunnel(wire)
                let streams = tunnel.forward(port, request: 0)
                try await tunnel.read { $0.received[streams.data] == "hello " }
                wire.send(SPDYFrame.resetStream(stream: streams.data, status: .cancel).bytes)
                try await tunnel.read { $0.ended.contains(streams.error) }
                #expect(tunnel.received[streams.error] == "")
            }
        }
    }

    @Test("a refused connection is told in Kubernetes' words, and the tunnel goes on")
    func refused() async throws {
        try await Self.withEchoServer { port in
            try await Self.withForwarding("SPDY/3.1+portforward.k8s.io") { wire, _ in
                let tunnel = try Tunnel(wire)
                // Port 1 of this machine: nobody listens there.
                let refused = tunnel.forward(1, request: 0)
                try await tunnel.read { $0.ended.contains(refused.error) }
                let message = tunnel.received[refused.error] ?? ""
                #expect(message.hasPrefix("error forwarding port 1 to pod web_default, uid uid-1: failed to connect to localhost:1 inside namespace \"sandbox"), "\(message)")
                #expect(message.contains("IPv4: dial tcp4 127.0.0.1:1: connect: connection refused"), "\(message)")
                let next = tunnel.forward(port, request: 1)
                tunnel.send(next.data, "on", isLast: true)
                try await tunnel.read { $0.ended.contains(next.error) }
                #expect(tunnel.received[next.data] == "hello ON")
            }
        }
    }

    @Test("streams that make no sense are reset")
    func strangeStreams() async throws {
        try await Self.withForwarding("SPDY/3.1+portforward.k8s.io") { wire, _ in
            let tunnel = try Tunnel(wire)
            let strange = [
                tunnel.open([("streamtype", "data"), ("requestid", "1")]), tunnel.open([("streamtype", "data"), ("port", "0"), ("requestid", "2")]),
                tunnel.open([("streamtype", "data"), ("port", "70000"), ("requestid", "3")]), tunnel.open([("streamtype", "other"), ("port", "80"), ("requestid", "4")]),
            ]
            _ = tunnel.open([("streamtype", "data"), ("port", "80"), ("requestid", "5")])
            let double = tunnel.open([("streamtype", "data"), ("port", "80"), ("requestid", "5")])
            try await tunnel.read { Set(strange + [double]).isSubset(of: $0.resets) }
            #expect(tunnel.resets == Set(strange + [double]))
        }
    }

    @Test("the tunnel ends with the pod's sandbox")
    func podEnds() async throws {
        try await Self.withEchoServer { port in
            try await Self.withForwarding("SPDY/3.1+portforward.k8s.io") { wire, bench in
                let tunnel = try Tunnel(wire)
                let open = tunnel.forward(port, request: 0)
                try await tunnel.read { $0.received[open.data] == "hello " }
                bench.runtime.failSandboxes()
                // This client says nothing: only the end of the handler ends this.
                try await tunnel.read { _ in false }
            }
        }
    }

    @Test("channels of the older protocol")
    func channels() async throws {
        try await Self.withEchoServer { port in
            try await Self.withForwarding("v4.channel.k8s.io", query: QueryItems(parsing: "port=\(port),1")) { wire, _ in
                var channels: [UInt8: [UInt8]] = [:]
                wire.send([0] + Array("abc".utf8))
                while channels[0]?.count ?? 0 < 11 || channels[3]?.count ?? 0 < 3, let message = try await wire.fromServer.next() {
                    channels[message[0], default: []] += message.dropFirst()
                }
                let (low, high) = (UInt8(port & 0xff), UInt8(port >> 8))
                #expect(channels[0] == [low, high] + Array("hello ABC".utf8))
                #expect(channels[1] == [low, high])
                #expect(channels[2] == [1, 0])
                #expect(channels[3]?.prefix(2) == [1, 0])
                #expect(String(decoding: channels[3] ?? [], as: UTF8.self).contains("connection refused"))
            }
        }
    }

    @Test("SPDY as it is, for clients that do not know the tunnel")
    func plainUpgrade() async throws {
        try await Self.withEchoServer { port in
            let bench = Bench()
            try await bench.run { kubelet in
                await bench.start(pod(oneContainer)) { $0.isReady }
                func respond(_ streamProtocol: String) async -> ServerResponse {
                    await kubelet.handler.respond(to: ServerRequest(
                        method: .POST, path: "/portForward/default/web",
                        headers: ["connection": "Upgrade", "upgrade": "SPDY/3.1", "x-stream-protocol-version": streamProtocol], clientCertificate: Self.server))
                }
                guard case .full(.forbidden, _, _) = await respond("other.k8s.io") else {
                    Issue.record("expected another protocol to be refused")
                    return
                }
                guard case .upgrade(let headers, let run) = await respond("portforward.k8s.io") else {
                    Issue.record("expected an upgrade")
                    return
                }
                #expect(headers["upgrade"] == ["SPDY/3.1"] && headers["x-stream-protocol-version"] == ["portforward.k8s.io"])
                let wire = Wire()
                let connection = UpgradedConnection(
                    receive: { try await wire.toServer.next() }, send: { _ = wire.fromServer.push($0, size: 1) })
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await run(connection) }
                    let tunnel = try Tunnel(wire)
                    let streams = tunnel.forward(port, request: 0)
                    tunnel.send(streams.data, "plain", isLast: true)
                    try await tunnel.read { $0.ended.contains(streams.error) }
                    #expect(tunnel.received[streams.data] == "hello PLAIN")
                    wire.toServer.finish(throwing: nil)
                    try await group.waitForAll()
                }
            }
        }
    }

    @Test("wrong requests get their reason")
    func requests() async throws {
        let bench = Bench()
        try await bench.run { kubelet in
            await bench.start(pod(oneContainer)) { $0.isReady }
            func refusal(_ subprotocol: String, query: QueryItems = [:], pod: String = "web") async -> String {
                guard case .full(let status, _, let body) = await Self.respond(kubelet, subprotocol, query: query, pod: pod) else { return "accepted" }
                return "\(status.code) \(String(decoding: body, as: UTF8.self))"
            }
            #expect(await refusal("SPDY/3.1+portforward.k8s.io", pod: "nope").contains("pod \"nope\" not found"))
            #expect(await refusal("v9").hasPrefix("400"))
            #expect(await refusal("v4.channel.k8s.io").contains("query parameter \"port\" is required"))
            #expect(await refusal("v4.channel.k8s.io", query: ["port": "0"]).contains("must be a number from 1 to 65535"))
            #expect(await refusal("v4.channel.k8s.io", query: ["port": "80,"]).contains("must be a number"))
        }
    }
}
