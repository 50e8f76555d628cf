public import NIOHTTP1

/// The streams of `kubectl exec` and `attach` over one WebSocket: each message is a channel number and data.
///
/// Versions 4 and 5 of the protocol (`v4.channel.k8s.io`, `v5.channel.k8s.io`; KEP-4006); version 5 adds the signal
/// that standard input has ended.
public struct RemoteCommandConnection: Sendable {
    /// What the client sends.
    public enum Input: Sendable, Hashable {
        case standardInput([UInt8])
        /// Standard input has ended (version 5).
        case endOfStandardInput
        case resize(TerminalSize)
    }

    /// A terminal's size in characters.
    public struct TerminalSize: Sendable, Hashable {
        public var width: UInt16
        public var height: UInt16

        public init(width: UInt16, height: UInt16) {
            self.width = width
            self.height = height
        }
    }

    /// Where output goes.
    public enum Output: UInt8, Sendable {
        case standardOutput = 1
        case standardError = 2
    }

    /// The protocols that are spoken, the best first.
    public static let subprotocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"]

    /// The best protocol that the client of this request offers, or `nil`.
    public static func negotiate(_ headers: HTTPHeaders) -> String? {
        let offered = headers[canonicalForm: "sec-websocket-protocol"].map(String.init)
        return subprotocols.first { offered.contains($0) }
    }

    /// How long clients of version 5 are left alone after the first message. Those before Kubernetes 1.34 read before they have
    /// made their streams, and throw away what comes too early (kubernetes/kubernetes#131203); nothing tells when they are done.
    public static let headStart = Duration.milliseconds(100)

    private let connection: WebSocketConnection
    private let pause: @Sendable (Duration) async throws -> Void

    /// - Parameter pause: waits for a time.
    public init(_ connection: WebSocketConnection, pause: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }) {
        self.connection = connection
        self.pause = pause
    }

    /// Tells the client that the streams are open, with an empty message on the first of its output channels: clients
    /// wait for it. Returns when output may follow.
    public func open(standardOutput: Bool, standardError: Bool) async throws {
        let channel: UInt8 = standardOutput ? 1 : standardError ? 2 : 3
        try await connection.send([channel])
        if connection.subprotocol == "v5.channel.k8s.io" { try await pause(Self.headStart) }
    }

    /// The next input, or `nil` when the client has closed the connection.
    /// - Throws: `HTTPServerError` with `protocolViolation` for a message that no client sends.
    public func receive() async throws -> Input? {
        while let message = try await connection.receive() {
            let bytes = message.bytes
            guard let channel = bytes.first else { continue }
            switch channel {
            case 0:
                // Clients of version 4 send an empty message once at the start.
                if bytes.count > 1 { return .standardInput(Array(bytes.dropFirst())) }
            case 4:
                if let size = Self.parseSize(bytes.dropFirst()) { return .resize(size) }
            case 255 where connection.subprotocol == "v5.channel.k8s.io":
                if bytes.count == 2, bytes[1] == 0 { return .endOfStandardInput }
            default:
                throw HTTPServerError(.protocolViolation, "expected a message on channel 0, 4 or 255, found channel \(channel)")
            }
        }
        return nil
    }

    /// Sends output of the process.
    public func write(_ bytes: [UInt8], to output: Output) async throws {
        guard !bytes.isEmpty else { return }
        try await connection.send([output.rawValue] + bytes)
    }

    /// Sends how the command ended and closes the connection.
    public func finish(_ outcome: RemoteCommandOutcome) async throws {
        try await connection.send([3] + outcome.status)
        await connection.close()
    }

    /// `{"Width":80,"Height":24}`, in any order. Numbers that do not fit are refused: they would be cut to 16 bits.
    static func parseSize(_ json: some Collection<UInt8>) -> TerminalSize? {
        var values: [String: UInt16] = [:]
        for member in json.split(separator: UInt8(ascii: ",")) {
            let halves = member.split(separator: UInt8(ascii: ":"))
            guard halves.count == 2 else { continue }
            let name = String(decoding: halves[0].filter(isLetter), as: UTF8.self).lowercased()
            values[name] = UInt16(String(decoding: halves[1].filter { !isSpaceOrBrace($0) }, as: UTF8.self))
        }
        guard let width = values["width"], let height = values["height"] else { return nil }
        return TerminalSize(width: width, height: height)
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private static func isSpaceOrBrace(_ byte: UInt8) -> Bool {
        byte <= UInt8(ascii: " ") || byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}")
    }
}

/// How a remote command ended, as the client reads it on the error channel.
public enum RemoteCommandOutcome: Sendable, Hashable {
    case success
    /// The command ran and exited with another code than 0.
    case exited(code: Int32)
    /// The command could not be run, or was lost.
    case failed(message: String)

    /// The Kubernetes `Status`, as JSON.
    public var status: [UInt8] {
        switch self {
        case .success:
            return Array(#"{"metadata":{},"status":"Success"}"#.utf8)
        case .exited(let code):
            let message = "command terminated with non-zero exit code: exit status \(code)"
            return Array((#"{"metadata":{},"status":"Failure","message":"\#(message)","reason":"NonZeroExitCode","#
                + #""details":{"causes":[{"reason":"ExitCode","message":"\#(code)"}]}}"#).utf8)
        case .failed(let message):
            return Array((#"{"metadata":{},"status":"Failure","message":"\#(Self.escape(message))","#
                + #""reason":"InternalError","code":500}"#).utf8)
        }
    }

    private static func escape(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..<" ":
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
