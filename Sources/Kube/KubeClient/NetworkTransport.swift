import AsyncHTTPClient
import Glibc
public import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// Speaks to an API server over TLS: HTTP/2 where the server does, so that all watches share one connection.
///
/// A connection whose peer has vanished is noticed by TCP itself (keep-alives, and a limit on unacknowledged data), a
/// server that has gone silent by the read timeout; watches are never silent for that long, since they have bookmarks.
public final class NetworkTransport: Transport {
    /// How often, and how patiently, to try again.
    public struct Limits: Sendable {
        /// For a connection, TLS included.
        public var connect: Duration = .seconds(5)
        /// Without a byte of an answer that has begun; longer than the server's bookmarks are apart.
        public var silence: Duration = .seconds(100)
        /// Tries in all when the server cannot be reached or asks for patience.
        public var tries = 4
        /// The largest answer that is read whole, in bytes.
        public var answer = 256 << 20

        public init() {}
    }

    private let server: String
    private let client: HTTPClient
    private let ownGroup: (any EventLoopGroup)?
    private let limits: Limits
    private let backoff: Backoff
    private let credentials: Mutex<Credentials>

    private struct Credentials {
        var tls: TLSConfiguration
        var token: String?
    }

    /// - Parameters:
    ///   - eventLoopGroup: The event loops to use; by default one thread of the transport's own.
    ///   - backoff: The waits between tries.
    /// - Throws: `KubeError` with `badRequest` when the certificates cannot be read.
    public convenience init(
        kubeconfig: Kubeconfig, eventLoopGroup: (any EventLoopGroup)? = nil, limits: Limits = .init(),
        backoff: Backoff = .init(first: .milliseconds(50), limit: .seconds(1))
    ) throws(KubeError) {
        self.init(
            server: kubeconfig.server, credentials: try Self.credentials(kubeconfig), eventLoopGroup: eventLoopGroup, limits: limits, backoff: backoff)
    }

    /// Speaks to a server whose certificate nobody looks at, without saying who one is. For what proves itself, such as the signed
    /// `cluster-info`, and for nothing else.
    /// - Parameter unverifiedServer: `https://host:port`.
    public convenience init(unverifiedServer server: String, limits: Limits = .init()) {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        tls.certificateVerification = .none
        self.init(
            server: server, credentials: Credentials(tls: tls, token: nil), eventLoopGroup: nil, limits: limits,
            backoff: .init(first: .milliseconds(50), limit: .seconds(1)))
    }

    private init(server: String, credentials: Credentials, eventLoopGroup: (any EventLoopGroup)?, limits: Limits, backoff: Backoff) {
        self.server = server
        self.limits = limits
        self.backoff = backoff
        self.credentials = Mutex(credentials)
        let group = eventLoopGroup ?? MultiThreadedEventLoopGroup(numberOfThreads: 1)
        ownGroup = eventLoopGroup == nil ? group : nil
        var settings = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(connect: TimeAmount(limits.connect), read: TimeAmount(limits.silence)))
        // Tries are made here, where it is known what may be repeated.
        settings.connectionPool.retryConnectionEstablishment = false
        settings.http1_1ConnectionDebugInitializer = { Self.watchOver($0) }
        settings.http2ConnectionDebugInitializer = { Self.watchOver($0) }
        client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: settings)
    }

    /// Uses other credentials from the next request on: certificates rotate while the process runs.
    public func replaceCredentials(_ kubeconfig: Kubeconfig) throws(KubeError) {
        let new = try Self.credentials(kubeconfig)
        credentials.withLock { $0 = new }
    }

    /// Ends all connections. To be called once, when the transport is not needed any more.
    public func shutdown() async throws {
        try await client.shutdown()
        try await ownGroup?.shutdownGracefully()
    }

    // MARK: Transport

    public func send(_ request: APIRequest) async throws -> APIResponse {
        try await withTries(request) {
            let response = try await execute(request)
            let body = try await response.body.collect(upTo: limits.answer)
            return APIResponse(status: Int(response.status.code), headers: Self.pairs(response.headers), body: Array(body.readableBytesView))
        } patience: { response in
            Self.patience(asked: response.status, response.header("retry-after"))
        }
    }

    public func stream(_ request: APIRequest) async throws -> APIStream {
        try await withTries(request) {
            let response = try await execute(request)
            let reader = BodyReader(response.body.makeAsyncIterator(), request)
            return APIStream(
                status: Int(response.status.code), headers: Self.pairs(response.headers),
                body: AsyncThrowingStream { try await reader.next() })
        } patience: { response in
            Self.patience(asked: response.status, response.headers.first { $0.name.lowercased() == "retry-after" }?.value)
        }
    }

    private func execute(_ request: APIRequest) async throws -> HTTPClientResponse {
        let (tls, token) = credentials.withLock { ($0.tls, $0.token) }
        var outgoing = HTTPClientRequest(url: server + request.target)
        outgoing.method = HTTPMethod(rawValue: request.method.rawValue)
        outgoing.tlsConfiguration = tls
        outgoing.headers.add(name: "accept", value: request.accept)
        outgoing.headers.add(name: "user-agent", value: "swiftlet")
        if let contentType = request.contentType { outgoing.headers.add(name: "content-type", value: contentType) }
        if let token { outgoing.headers.add(name: "authorization", value: "Bearer \(token)") }
        for pair in request.headers { outgoing.headers.add(name: pair.name, value: pair.value) }
        if let body = request.body { outgoing.body = .bytes(ByteBuffer(bytes: body)) }
        return try await client.execute(outgoing, deadline: .now() + TimeAmount(request.timeout))
    }

    // MARK: Tries

    /// A request that never reached the server may always be sent again; one that may have, only if it changes nothing.
    private func withTries<Answer>(
        _ request: APIRequest, _ body: () async throws -> Answer, patience: (Answer) -> Duration?
    ) async throws -> Answer {
        let end = ContinuousClock.now + request.timeout
        var failures = 0
        while true {
            failures += 1
            let isLast = failures >= limits.tries || ContinuousClock.now >= end
            do {
                let answer = try await body()
                guard !isLast, let wait = patience(answer) else { return answer }
                try await Task.sleep(for: wait)
            } catch is CancellationError {
                throw CancellationError()
            } catch let error as HTTPClientError where error == .cancelled {
                throw CancellationError()
            } catch {
                let failure = Self.failure(error, request, server)
                let mayRepeat = Self.isBeforeSending(error) || (request.method == .get && failure.reason == .connection)
                guard mayRepeat, !isLast else { throw failure }
                try await backoff.pause(failures)
            }
        }
    }

    /// The wait that a busy server asks for, within reason.
    private static func patience(asked status: Int, _ retryAfter: String?) -> Duration? {
        guard status == 429 || status == 503, let seconds = retryAfter.flatMap({ Int($0) }) else { return nil }
        return .seconds(min(max(seconds, 0), 10))
    }

    private static func isBeforeSending(_ error: any Error) -> Bool {
        error is NIOConnectionError || (error as? HTTPClientError) == .connectTimeout || (error as? IOError)?.errnoCode == ECONNREFUSED
    }

    fileprivate static func failure(_ error: any Error, _ request: APIRequest, _ server: String) -> KubeError {
        let what = "\(request.method.rawValue) \(request.path)"
        switch error as? HTTPClientError {
        case .some(.connectTimeout):
            return KubeError(reason: .connection, message: "cannot connect to \(server) in time", cause: error)
        case .some(.readTimeout), .some(.deadlineExceeded):
            return KubeError(reason: .timeout, message: "no answer in time to \(what)", cause: error)
        default:
            if error is NIOConnectionError || (error as? IOError)?.errnoCode == ECONNREFUSED {
                return KubeError(reason: .connection, message: "cannot connect to \(server)", cause: error)
            }
            return KubeError(reason: .connection, message: "the connection to \(server) broke during \(what)", cause: error)
        }
    }

    private static func pairs(_ headers: HTTPHeaders) -> [APIRequest.Pair] {
        headers.map { APIRequest.Pair($0.name, $0.value) }
    }

    // MARK: Connections

    private static func credentials(_ configuration: Kubeconfig) throws(KubeError) -> Credentials {
        do {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.minimumTLSVersion = .tlsv12
            tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(configuration.authority.utf8)))
            if let certificate = configuration.clientCertificate, let key = configuration.clientKey {
                tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(certificate.utf8)).map { .certificate($0) }
                tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))
            }
            return Credentials(tls: tls, token: configuration.token)
        } catch {
            throw KubeError(reason: .badRequest, message: "expected the certificates and key for \(configuration.server) to be valid PEM", cause: error)
        }
    }

    /// Lets TCP notice that the peer is gone: after 60 s of silence, or 30 s without an acknowledgement.
    private static func watchOver(_ channel: any Channel) -> EventLoopFuture<Void> {
        func option(_ level: NIOBSDSocket.OptionLevel, _ name: CInt) -> ChannelOptions.Types.SocketOption {
            .init(level: level, name: NIOBSDSocket.Option(rawValue: name))
        }
        // Linux numbers (netinet/tcp.h): TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT in milliseconds.
        return channel.setOption(.socketOption(.so_keepalive), value: 1)
            .flatMap { channel.setOption(option(.tcp, 4), value: 30) }
            .flatMap { channel.setOption(option(.tcp, 5), value: 10) }
            .flatMap { channel.setOption(option(.tcp, 6), value: 3) }
            .flatMap { channel.setOption(option(.tcp, 18), value: 30_000) }
    }
}

/// Reads a body on demand. Unchecked, since the iterator is no `Sendable`; an `APIStream` is for one reader, so that two
/// tasks never use it at once.
private final class BodyReader: @unchecked Sendable {
    private var iterator: HTTPClientResponse.Body.AsyncIterator
    private let request: APIRequest

    init(_ iterator: HTTPClientResponse.Body.AsyncIterator, _ request: APIRequest) {
        self.iterator = iterator
        self.request = request
    }

    func next() async throws -> [UInt8]? {
        do {
            return try await iterator.next().map { Array($0.readableBytesView) }
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw NetworkTransport.failure(error, request, "the server")
        }
    }
}

extension TimeAmount {
    fileprivate init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
