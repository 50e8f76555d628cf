import NIOCore
import NIOWebSocket

/// Puts messages together from a client's frames and checks them (RFC 6455, sections 5 and 7). Pure: it does no I/O.
struct WebSocketAssembler {
    enum Event: Equatable {
        case message(WebSocketMessage)
        case ping(ByteBuffer)
        /// The peer closes; the code is echoed.
        case close(WebSocketCloseCode?)
        /// Nothing to do yet.
        case none
        /// The peer broke the rules: close with the code.
        case violation(WebSocketCloseCode, String)
    }

    private let limit: Int
    private var opcode: WebSocketOpcode?
    private var fragments: [UInt8] = []

    /// - Parameter limit: The size of a message, in bytes.
    init(limit: Int) {
        self.limit = limit
    }

    mutating func receive(_ frame: WebSocketFrame) -> Event {
        guard frame.maskKey != nil else { return .violation(.protocolError, "expected a masked frame") }
        guard !frame.rsv1, !frame.rsv2, !frame.rsv3 else { return .violation(.protocolError, "expected no reserved bits") }
        switch frame.opcode {
        case .ping: return .ping(frame.unmaskedData)
        case .pong: return .none
        case .connectionClose: return close(frame.unmaskedData)
        case .text, .binary:
            guard opcode == nil else { return .violation(.protocolError, "expected the rest of a fragmented message") }
            opcode = frame.opcode
        case .continuation:
            guard opcode != nil else { return .violation(.protocolError, "expected a message to continue") }
        default: return .violation(.protocolError, "expected a known opcode")
        }
        return append(frame)
    }

    private mutating func append(_ frame: WebSocketFrame) -> Event {
        let data = frame.unmaskedData
        guard fragments.count + data.readableBytes <= limit else {
            return .violation(.messageTooBig, "expected at most \(limit) bytes in a message")
        }
        fragments += data.readableBytesView
        guard frame.fin else { return .none }
        defer {
            fragments = []
            opcode = nil
        }
        if opcode == .binary { return .message(.binary(fragments)) }
        guard let text = String(validating: fragments, as: UTF8.self) else {
            return .violation(.invalidPayload, "expected UTF-8 in a text message")
        }
        return .message(.text(text))
    }

    private func close(_ data: ByteBuffer) -> Event {
        var data = data
        guard data.readableBytes > 0 else { return .close(nil) }
        guard let code = data.readInteger(as: UInt16.self) else {
            return .violation(.protocolError, "expected a close code of two bytes")
        }
        guard Self.mayBeSent(code) else { return .violation(.protocolError, "expected a valid close code, found \(code)") }
        guard String(validating: data.readableBytesView, as: UTF8.self) != nil else {
            return .violation(.invalidPayload, "expected UTF-8 in the close reason")
        }
        return .close(WebSocketCloseCode(rawValue: code))
    }

    /// 1004 to 1006 and 1015 are reserved and never stand on the wire.
    private static func mayBeSent(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}
