internal import KubeHTTP
internal import Logging
import Synchronization

/// SPDY: each connection is a pair of streams with the same `requestID`, one for data, one for an error.
extension PortForwarder {
    func serveStreams(_ connection: SPDYConnection) async throws {
        let pairs = StreamPairs()
        let (begun, begin) = AsyncStream<@Sendable () async -> Void>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { begin.finish() }
                try await connection.run { stream in
                    if let work = self.take(stream, pairs) { begin.yield(work) }
                }
            }
            group.addTask {
                await withDiscardingTaskGroup { forwards in
                    for await work in begun { forwards.addTask(operation: work) }
                    forwards.cancelAll()
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// What there is to do about a new stream.
    private func take(_ stream: SPDYStream, _ pairs: StreamPairs) -> (@Sendable () async -> Void)? {
        guard let port = stream.header("port").flatMap(UInt16.init), port > 0 else { return refuse(stream) }
        switch pairs.add(stream) {
        case .refused: return refuse(stream)
        case .waiting: return nil
        case .complete(let data, let error): return { await self.serve(port, data, error) }
        }
    }

    private func refuse(_ stream: SPDYStream) -> (@Sendable () async -> Void) {
        logger.debug("a stream of a port forwarding was refused", metadata: [
            "pod": "\(pod)", "port": "\(stream.header("port") ?? "")", "streamtype": "\(stream.header("streamtype") ?? "")",
        ])
        return { await Self.ignoringDepartures { try await stream.reset() } }
    }

    private func serve(_ port: UInt16, _ data: SPDYStream, _ error: SPDYStream) async {
        var failure: String?
        await Self.ignoringDepartures {
            failure = try await forward(
                port, ForwardedStream(read: { try await data.read() }, write: { try await data.write($0) }, finish: { try await data.finish() }))
        }
        // However the data ended (kubectl resets it): the client waits for the end of its error.
        await Self.ignoringDepartures {
            if let failure {
                logger.debug("\(failure)")
                try await error.write(Array(failure.utf8))
            }
            try await error.finish()
            try await data.finish()
        }
        // Whatever the client still sends is for nobody. A stream that has ended on both sides is not reset.
        await Self.ignoringDepartures { try await data.reset() }
    }

    /// A client that has gone needs no answer.
    private static func ignoringDepartures(_ body: () async throws -> Void) async {
        do { try await body() } catch {}
    }
}

/// Streams that wait for the other one of their pair. There is no time limit: the connection's limit of streams bounds them.
final class StreamPairs: Sendable {
    struct Pair {
        var data: SPDYStream?
        var error: SPDYStream?
    }

    enum Outcome {
        case waiting
        case complete(data: SPDYStream, error: SPDYStream)
        /// A stream without a type, or the second of its type.
        case refused
    }

    private let pairs = Mutex<[String: Pair]>([:])

    func add(_ stream: SPDYStream) -> Outcome {
        let kind = stream.header("streamtype")
        guard kind == "data" || kind == "error" else { return .refused }
        // Clients before Kubernetes 1.3 sent no id: their data stream came right after its error stream.
        let id = stream.header("requestid") ?? String(kind == "error" ? stream.id : stream.id &- 2)
        return pairs.withLock { pairs in
            var pair = pairs[id] ?? Pair()
            guard kind == "data" ? pair.data == nil : pair.error == nil else { return .refused }
            if kind == "data" { pair.data = stream } else { pair.error = stream }
            guard let data = pair.data, let error = pair.error else {
                pairs[id] = pair
                return .waiting
            }
            pairs[id] = nil
            return .complete(data: data, error: error)
        }
    }
}
