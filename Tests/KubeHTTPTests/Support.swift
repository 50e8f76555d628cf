import AsyncHTTPClient
import KubeHTTP
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization
import Testing

/// A handler made of a closure.
struct ClosureHandler: RequestHandler {
    let body: @Sendable (ServerRequest) async -> ServerResponse

    init(_ body: @escaping @Sendable (ServerRequest) async -> ServerResponse) {
        self.body = body
    }

    func respond(to request: ServerRequest) async -> ServerResponse {
        await body(request)
    }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Runs a server on loopback for as long as `body` runs.
func withServer<Result: Sendable>(
    tls: TLSServer? = nil, configure: (inout HTTPServerConfiguration) -> Void = { _ in },
    handler: @escaping @Sendable (ServerRequest) async -> ServerResponse,
    _ body: @Sendable (_ server: HTTPServer, _ port: Int) async throws -> Result
) async throws -> Result {
    var configuration = HTTPServerConfiguration(host: "127.0.0.1", port: 0, tls: tls)
    configuration.gracePeriod = .seconds(2)
    configure(&configuration)
    let server = HTTPServer(configuration: configuration, handler: ClosureHandler(handler), logger: quiet)
    try await server.start()
    let port = try #require(server.port)
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        let result: Result
        do {
            result = try await body(server, port)
        } catch {
            group.cancelAll()
            throw error
        }
        group.cancelAll()
        try await group.waitForAll()
        return result
    }
}

/// Runs an HTTP client for as long as `body` runs.
func withClient<Result>(
    authority: String? = nil, certificate: TLSMaterial? = nil, version: HTTPClient.Configuration.HTTPVersion = .automatic,
    _ body: (HTTPClient) async throws -> Result
) async throws -> Result {
    var tls = TLSConfiguration.makeClientConfiguration()
    if let authority { tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authority.utf8))) }
    if let certificate {
        tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(certificate.certificateChain.utf8)).map { .certificate($0) }
        tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(certificate.privateKey.utf8), format: .pem))
    }
    var configuration = HTTPClient.Configuration(tlsConfiguration: tls, timeout: .init(connect: .seconds(5), read: .seconds(20)))
    configuration.httpVersion = version
    configuration.connectionPool.retryConnectionEstablishment = false
    let client = HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: configuration)
    do {
        let result = try await body(client)
        try await client.shutdown()
        return result
    } catch {
        try await client.shutdown()
        throw error
    }
}

extension HTTPClient {
    func request(
        _ url: String, method: HTTPMethod = .GET, headers: HTTPHeaders = [:], body: [UInt8]? = nil
    ) async throws -> (response: HTTPClientResponse, body: [UInt8]) {
        var request = HTTPClientRequest(url: url)
        request.method = method
        request.headers = headers
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let response = try await execute(request, timeout: .seconds(20))
        let bytes = try await response.body.collect(upTo: 1 << 26)
        return (response, Array(bytes.readableBytesView))
    }
}

/// A TCP client that sends and receives bytes as they are.
final class RawClient: Sendable {
    private let channel: any Channel
    private let pieces: AsyncStream<[UInt8]>
    private let received = Mutex<[UInt8]>([])

    private final class Collector: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let continuation: AsyncStream<[UInt8]>.Continuation

        init(_ continuation: AsyncStream<[UInt8]>.Continuation) {
            self.continuation = continuation
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            continuation.yield(Array(unwrapInboundIn(data).readableBytesView))
        }

        func channelInactive(context: ChannelHandlerContext) {
            continuation.finish()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }

    init(port: Int, reads: Bool = true) async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        pieces = stream
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: reads)
            .channelOption(.allowRemoteHalfClosure, value: false)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Collector(continuation)) }
            }
            .connect(host: "127.0.0.1", port: port).get()
    }

    func send(_ bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes))
    }

    func send(_ text: String) async throws {
        try await send(Array(text.utf8))
    }

    /// Reads until what was read satisfies the condition, and returns it; or until the connection ends.
    func read(until isEnough: ([UInt8]) -> Bool) async -> [UInt8] {
        var bytes = received.withLock { $0 }
        var iterator = pieces.makeAsyncIterator()
        while !isEnough(bytes), let piece = await iterator.next() { bytes += piece }
        received.withLock { $0 = [] }
        return bytes
    }

    /// Reads this many bytes; what comes after them is kept.
    func read(count: Int) async -> [UInt8] {
        let bytes = await read { $0.count >= count }
        received.withLock { $0 = Array(bytes.dropFirst(count)) }
        return Array(bytes.prefix(count))
    }

    func readText(until text: String) async -> String {
        String(decoding: await read { String(decoding: $0, as: UTF8.self).contains(text) }, as: UTF8.self)
    }

    /// Reads until the server closes the connection.
    func readToEnd() async -> String {
        String(decoding: await read { _ in false }, as: UTF8.self)
    }

    func close() async {
        _ = try? await channel.close().get()
    }
}

/// Waits for a condition that no event announces.
func eventually(within limit: Duration = .seconds(10), _ condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now + limit
    while !condition() {
        try #require(ContinuousClock.now < deadline, "the condition did not come true in time")
        try await Task.sleep(for: .milliseconds(5))
    }
}
