@testable import KubeHTTP
import NIOHTTP1
import Synchronization
import Testing

@Suite struct RemoteCommandTests {
    /// A connection that delivers the given messages and records what is sent.
    final class Script: Sendable {
        let incoming: Mutex<[WebSocketMessage]>
        let sent = Mutex<[[UInt8]]>([])
        let closed = Mutex(false)
        /// How many messages had been sent when the connection paused, and for how long it did.
        let pauses = Mutex<[(after: Int, Duration)]>([])

        init(_ messages: [[UInt8]]) {
            incoming = Mutex(messages.map { .binary($0) })
        }

        func connection(_ subprotocol: String) -> RemoteCommandConnection {
            RemoteCommandConnection(WebSocketConnection(
                subprotocol: subprotocol,
                receive: { self.incoming.withLock { $0.isEmpty ? nil : $0.removeFirst() } },
                send: { message in self.sent.withLock { $0.append(message.bytes) } },
                close: { _, _ in self.closed.withLock { $0 = true } }),
                pause: { duration in
                    let count = self.sent.withLock { $0.count }
                    self.pauses.withLock { $0.append((count, duration)) }
                })
        }
    }

    @Test func negotiatesTheBestProtocol() {
        #expect(RemoteCommandConnection.negotiate(["sec-websocket-protocol": "v4.channel.k8s.io, v5.channel.k8s.io"]) == "v5.channel.k8s.io")
        #expect(RemoteCommandConnection.negotiate(["sec-websocket-protocol": "v4.channel.k8s.io"]) == "v4.channel.k8s.io")
        #expect(RemoteCommandConnection.negotiate(["sec-websocket-protocol": "v3.channel.k8s.io"]) == nil)
    }

    @Test func readsInput() async throws {
        let resize = [4] + Array(#"{"Width":120,"Height":40}"#.utf8)
        let connection = Script([[0], [0, 0x6c, 0x73], resize, [255, 0]]).connection("v5.channel.k8s.io")
        #expect(try await connection.receive() == .standardInput([0x6c, 0x73]))
        #expect(try await connection.receive() == .resize(.init(width: 120, height: 40)))
        #expect(try await connection.receive() == .endOfStandardInput)
        #expect(try await connection.receive() == nil)
    }

    @Test func refusesChannelsOfTheServer() async throws {
        for message: [UInt8] in [[1, 0x41], [3], [9]] {
            let connection = Script([message]).connection("v5.channel.k8s.io")
            await #expect(throws: HTTPServerError.self) { try await connection.receive() }
        }
        // Version 4 has no close signal.
        let connection = Script([[255, 0]]).connection("v4.channel.k8s.io")
        await #expect(throws: HTTPServerError.self) { try await connection.receive() }
    }

    @Test(arguments: [#"{"Width":70000,"Height":40}"#, #"{"Width":-1,"Height":1}"#, "{}", "x"])
    func ignoresImpossibleSizes(json: String) {
        #expect(RemoteCommandConnection.parseSize(Array(json.utf8)) == nil)
    }

    @Test(arguments: [("v5.channel.k8s.io", 1), ("v4.channel.k8s.io", 0)])
    func clientsThatReadTooEarlyGetAHeadStart(subprotocol: String, pauses: Int) async throws {
        let script = Script([])
        try await script.connection(subprotocol).open(standardOutput: true, standardError: false)
        #expect(script.sent.withLock { $0 } == [[1]])
        let seen = script.pauses.withLock { $0 }
        #expect(seen.count == pauses)
        #expect(seen.allSatisfy { $0.after == 1 && $0.1 == RemoteCommandConnection.headStart }, "the first message is out before the pause")
    }

    @Test func writesOutputAndOutcome() async throws {
        let script = Script([])
        let connection = script.connection("v5.channel.k8s.io")
        try await connection.open(standardOutput: true, standardError: true)
        try await connection.write([0x61], to: .standardOutput)
        try await connection.write([0x62], to: .standardError)
        try await connection.write([], to: .standardOutput)
        try await connection.finish(.exited(code: 3))
        let sent = script.sent.withLock { $0 }
        #expect(Array(sent.prefix(3)) == [[1], [1, 0x61], [2, 0x62]])
        #expect(sent.count == 4 && sent[3].first == 3)
        #expect(String(decoding: sent[3].dropFirst(), as: UTF8.self) == #"{"metadata":{},"status":"Failure","#
            + #""message":"command terminated with non-zero exit code: exit status 3","reason":"NonZeroExitCode","#
            + #""details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#)
        #expect(script.closed.withLock { $0 })
    }

    @Test func messagesAreEscaped() {
        let status = String(decoding: RemoteCommandOutcome.failed(message: "a\"b\\c\nd").status, as: UTF8.self)
        #expect(status.contains(#""message":"a\"b\\c\u000ad""#))
    }
}
