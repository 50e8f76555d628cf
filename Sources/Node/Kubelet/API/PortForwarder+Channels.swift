internal import KubeHTTP
import Synchronization

/// The older protocol: for the port of index i, channel 2i is data both ways, channel 2i+1 an error message. The first
/// message on each is the port's number, little-endian.
extension PortForwarder {
    func serveChannels(_ connection: WebSocketConnection, ports: [UInt16]) async throws {
        let inputs = ports.map { _ in ChannelInput() }
        for (index, port) in ports.enumerated() {
            for channel in [2 * index, 2 * index + 1] {
                try await connection.send([UInt8(channel), UInt8(port & 0xff), UInt8(port >> 8)])
            }
        }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                while let bytes = try await connection.receive()?.bytes {
                    guard let channel = bytes.first else { continue }
                    guard channel & 1 == 0, Int(channel / 2) < inputs.count else {
                        throw HTTPServerError(.protocolViolation, "expected a message on a data channel, found channel \(channel)")
                    }
                    await inputs[Int(channel / 2)].put(Array(bytes.dropFirst()))
                }
                return true
            }
            for (index, port) in ports.enumerated() {
                group.addTask {
                    let stream = ForwardedStream(
                        read: { try await inputs[index].take() }, write: { try await connection.send([UInt8(2 * index)] + $0) },
                        // There is no message for the end of one direction.
                        finish: { inputs[index].finish() })
                    let failure = try await forward(port, stream)
                    inputs[index].finish()
                    if let failure { try await connection.send([UInt8(2 * index + 1)] + Array(failure.utf8)) }
                    return false
                }
            }
            defer { group.cancelAll() }
            var open = ports.count
            while open > 0, let clientIsGone = try await group.next() {
                if clientIsGone { break }
                open -= 1
            }
        }
        await connection.close()
    }
}

/// The pieces of one channel, handed over one at a time: a pod that does not read holds its client back.
final class ChannelInput: Sendable {
    private let pieces: AsyncStream<[UInt8]>
    private let continuation: AsyncStream<[UInt8]>.Continuation
    /// One permit for each piece that may wait.
    private let permits: AsyncStream<Void>
    private let permit: AsyncStream<Void>.Continuation
    private let isFinished = Mutex(false)

    init() {
        (pieces, continuation) = AsyncStream.makeStream()
        (permits, permit) = AsyncStream.makeStream()
        permit.yield()
    }

    /// Waits for room; what comes after the end is dropped.
    func put(_ bytes: [UInt8]) async {
        guard !bytes.isEmpty, !isFinished.withLock({ $0 }) else { return }
        for await _ in permits { break }
        continuation.yield(bytes)
    }

    func take() async throws -> [UInt8]? {
        for await piece in pieces {
            permit.yield()
            return piece
        }
        try Task.checkCancellation()
        return nil
    }

    func finish() {
        isFinished.withLock { $0 = true }
        continuation.finish()
        permit.finish()
    }
}
