/// A whole message, put together from its fragments.
public enum WebSocketMessage: Sendable, Hashable {
    case text(String)
    case binary([UInt8])

    /// The payload, whichever the type.
    public var bytes: [UInt8] {
        switch self {
        case .text(let text): Array(text.utf8)
        case .binary(let bytes): bytes
        }
    }
}

/// Why a WebSocket ends (RFC 6455, section 7.4).
public struct WebSocketCloseCode: Sendable, Hashable, RawRepresentable {
    public var rawValue: UInt16

    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    public static let normal = Self(rawValue: 1000)
    public static let goingAway = Self(rawValue: 1001)
    public static let protocolError = Self(rawValue: 1002)
    public static let unsupportedData = Self(rawValue: 1003)
    public static let invalidPayload = Self(rawValue: 1007)
    public static let policyViolation = Self(rawValue: 1008)
    public static let messageTooBig = Self(rawValue: 1009)
    public static let internalError = Self(rawValue: 1011)
}

/// One end of a WebSocket. Pings are answered and fragments put together underneath.
public struct WebSocketConnection: Sendable {
    /// The subprotocol that was agreed on.
    public let subprotocol: String?
    private let receiveMessage: @Sendable () async throws -> WebSocketMessage?
    private let sendMessage: @Sendable (WebSocketMessage) async throws -> Void
    private let closeConnection: @Sendable (WebSocketCloseCode, String) async -> Void

    /// Makes a connection over closures: the server does, and tests of handlers can.
    public init(
        subprotocol: String?,
        receive: @escaping @Sendable () async throws -> WebSocketMessage?,
        send: @escaping @Sendable (WebSocketMessage) async throws -> Void,
        close: @escaping @Sendable (WebSocketCloseCode, String) async -> Void
    ) {
        self.subprotocol = subprotocol
        receiveMessage = receive
        sendMessage = send
        closeConnection = close
    }

    /// The next message; `nil` when the peer has closed the WebSocket in order. For one task at a time.
    /// - Throws: `HTTPServerError`: `clientGone` when the connection broke, `protocolViolation`, `shuttingDown`.
    public func receive() async throws -> WebSocketMessage? {
        try await receiveMessage()
    }

    /// Sends a message; suspends while the peer is slower than the sender. Several tasks may send.
    /// - Throws: `HTTPServerError` with `clientGone`, or `CancellationError`.
    public func send(_ message: WebSocketMessage) async throws {
        try await sendMessage(message)
    }

    /// Sends a binary message.
    public func send(_ bytes: [UInt8]) async throws {
        try await sendMessage(.binary(bytes))
    }

    /// Sends what is queued, then the close frame, and waits shortly for the peer's.
    public func close(_ code: WebSocketCloseCode = .normal, reason: String = "") async {
        await closeConnection(code, reason)
    }
}
