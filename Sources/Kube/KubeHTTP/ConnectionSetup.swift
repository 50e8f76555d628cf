import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOSSL
import SwiftASN1
import X509

/// Builds the pipeline of a connection.
struct ConnectionSetup: Sendable {
    let configuration: HTTPServerConfiguration
    let handler: any RequestHandler

    func configure(_ channel: any Channel) -> EventLoopFuture<Void> {
        guard let tls = configuration.tls else {
            return channel.eventLoop.makeCompletedFuture { try addHTTP1(to: channel) }
        }
        // Until the handlers of HTTP are there, nothing else limits how long a client may take.
        let handshake = channel.eventLoop.scheduleTask(in: configuration.timeouts.head) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in handshake.cancel() }
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls.current))
        }.flatMap {
            channel.configureHTTP2SecureUpgrade(
                h2ChannelConfigurator: { channel in
                    handshake.cancel()
                    return channel.eventLoop.makeCompletedFuture { try addHTTP2(to: channel) }
                },
                http1ChannelConfigurator: { channel in
                    handshake.cancel()
                    return channel.eventLoop.makeCompletedFuture { try addHTTP1(to: channel) }
                })
        }
    }

    private func addHTTP1(to channel: any Channel) throws {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderListSize = configuration.limits.headSize
        limits.maxHeaderFieldSize = configuration.limits.headSize
        limits.maxHeaderFieldCount = configuration.limits.headerCount
        // Left-over bytes exist after an upgrade only, and belong to the protocol that was upgraded to.
        let decoder = ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: limits))
        let encoder = HTTPResponseEncoder()
        let exchanges = ExchangeHandler(connection: try context(of: channel), codec: .init(decoder: decoder, encoder: encoder))
        try channel.pipeline.syncOperations.addHandlers([encoder, decoder, exchanges])
    }

    private func addHTTP2(to channel: any Channel) throws {
        let eventLoop = channel.eventLoop
        let context = try context(of: channel)
        let streams = HTTP2Streams(eventLoop: eventLoop)
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: configuration.limits.concurrentStreams),
            HTTP2Setting(parameter: .maxHeaderListSize, value: configuration.limits.headSize),
        ]
        let http2 = NIOHTTP2Handler(
            mode: .server, eventLoop: eventLoop, connectionConfiguration: connection, streamDelegate: streams
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandlers([
                    HTTP2FramePayloadToHTTP1ServerCodec(), ExchangeHandler(connection: context, codec: nil),
                ])
            }
        }
        try channel.pipeline.syncOperations.addHandlers([
            http2, HTTP2ConnectionHandler(idle: configuration.timeouts.idle, streams: streams),
        ])
    }

    private func context(of channel: any Channel) throws -> ConnectionContext {
        let certificate = configuration.tls == nil ? nil : try channel.pipeline.syncOperations.nioSSL_peerCertificate()
        return ConnectionContext(
            configuration: configuration, handler: handler,
            remoteAddress: channel.remoteAddress.map { "\($0.ipAddress ?? ""):\($0.port ?? 0)" } ?? "",
            clientCertificate: try certificate.map { try ClientCertificate(der: $0.toDERBytes()) })
    }
}

extension ClientCertificate {
    /// Reads the subject of a certificate. The TLS library has verified it already.
    init(der: [UInt8]) throws {
        let subject = try Certificate(derEncoded: der).subject
        var commonName = ""
        var organizations: [String] = []
        for attribute in subject.joined() {
            switch attribute.type {
            case .RDNAttributeType.commonName: commonName = String(attribute.value) ?? ""
            case .RDNAttributeType.organizationName: if let name = String(attribute.value) { organizations.append(name) }
            default: break
            }
        }
        self.init(commonName: commonName, organizations: organizations)
    }
}
