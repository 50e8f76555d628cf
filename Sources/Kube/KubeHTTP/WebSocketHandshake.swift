import Crypto
import NIOHTTP1

/// The server's side of the opening handshake (RFC 6455, section 4.2).
enum WebSocketHandshake {
    /// The headers of the 101 response.
    /// - Throws: `HTTPServerError` with `badRequest` when the request is no valid handshake.
    static func responseHeaders(to request: ServerRequest, subprotocol: String?) throws(HTTPServerError) -> HTTPHeaders {
        guard request.method == .GET, request.asksForWebSocket else {
            throw HTTPServerError(.badRequest, "expected a WebSocket handshake (GET with Connection: Upgrade and Upgrade: websocket)")
        }
        guard request.headers["sec-websocket-version"].first == "13" else {
            throw HTTPServerError(.badRequest, "expected Sec-WebSocket-Version 13")
        }
        guard let key = request.headers["sec-websocket-key"].first, isKey(key) else {
            throw HTTPServerError(.badRequest, "expected Sec-WebSocket-Key to be 16 bytes in base64")
        }
        var headers: HTTPHeaders = ["upgrade": "websocket", "connection": "Upgrade", "sec-websocket-accept": accept(key)]
        if let subprotocol {
            guard request.headers[canonicalForm: "sec-websocket-protocol"].contains(where: { $0 == subprotocol }) else {
                throw HTTPServerError(.badRequest, "expected the client to offer the subprotocol \(subprotocol)")
            }
            headers.add(name: "sec-websocket-protocol", value: subprotocol)
        }
        return headers
    }

    /// The answer that proves that the server has read the key.
    static func accept(_ key: String) -> String {
        base64(Insecure.SHA1.hash(data: Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
    }

    private static func isKey(_ key: String) -> Bool {
        let bytes = Array(key.utf8)
        return bytes.count == 24 && bytes.hasSuffix("==") && bytes.dropLast(2).allSatisfy { alphabet.contains($0) }
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static func base64(_ bytes: some Sequence<UInt8>) -> String {
        var result: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 6 {
                count -= 6
                result.append(alphabet[Int(bits >> UInt32(count) & 63)])
            }
        }
        if count > 0 { result.append(alphabet[Int(bits << UInt32(6 - count) & 63)]) }
        while result.count % 4 != 0 { result.append(UInt8(ascii: "=")) }
        return String(decoding: result, as: UTF8.self)
    }
}

extension [UInt8] {
    fileprivate func hasSuffix(_ text: String) -> Bool { suffix(text.utf8.count).elementsEqual(text.utf8) }
}
