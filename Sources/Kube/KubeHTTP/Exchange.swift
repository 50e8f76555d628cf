import NIOCore
import NIOHTTP1

/// One request and its response, as the event loop sees them.
final class Exchange {
    /// How far the response is.
    enum Response {
        /// The handler has not answered yet.
        case awaited
        /// The head is sent, the body is written through the queue.
        case streaming(OutboundQueue<[UInt8]>)
        /// Everything is written.
        case ended
    }

    let version: HTTPVersion
    let isHead: Bool
    /// The client offers to switch protocols; if that does not happen, the connection cannot be used again.
    let offersUpgrade: Bool
    let headers: HTTPHeaders
    let body: InboundQueue<[UInt8]>
    var keepAlive: Bool
    /// The client waits for `100 Continue` before it sends the body.
    var owesContinue: Bool
    var isRequestComplete = false
    var response = Response.awaited
    var task: Task<Void, Never>?

    init(head: HTTPRequestHead, body: InboundQueue<[UInt8]>) {
        version = head.version
        isHead = head.method == .HEAD
        offersUpgrade = head.headers.contains(name: "upgrade")
            && head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
        headers = head.headers
        keepAlive = head.isKeepAlive
        owesContinue = !head.version.isBeforeHTTP11 && head.headers[canonicalForm: "expect"].contains { $0.lowercased() == "100-continue" }
        self.body = body
    }
}

/// What all exchanges of a connection share.
final class ConnectionContext: Sendable {
    let configuration: HTTPServerConfiguration
    let handler: any RequestHandler
    let remoteAddress: String
    let clientCertificate: ClientCertificate?

    init(
        configuration: HTTPServerConfiguration, handler: any RequestHandler, remoteAddress: String, clientCertificate: ClientCertificate?
    ) {
        self.configuration = configuration
        self.handler = handler
        self.remoteAddress = remoteAddress
        self.clientCertificate = clientCertificate
    }
}

/// Sent down every pipeline when the server shuts down.
struct ShutdownEvent: Sendable {}

extension HTTPVersion {
    /// HTTP/1.0 knows neither chunks nor informational responses.
    var isBeforeHTTP11: Bool { major == 0 || (major == 1 && minor == 0) }
}
