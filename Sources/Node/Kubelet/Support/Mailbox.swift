import Synchronization

/// Messages for one consumer, who takes all that are waiting at once: many causes, one pass.
final class Mailbox<Message: Sendable>: Sendable {
    private let waiting = Mutex<[Message]>([])
    private let signal: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (signal, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    func send(_ message: Message) {
        waiting.withLock { $0.append(message) }
        continuation.yield()
    }

    /// Ends the consumer's loop once it has taken what is waiting.
    func close() { continuation.finish() }

    /// Every batch is non-empty; ends when closed or when the consumer's task is cancelled.
    var batches: some AsyncSequence<[Message], Never> & Sendable {
        signal.compactMap { [self] _ in
            let batch = waiting.withLock { messages in
                defer { messages = [] }
                return messages
            }
            return batch.isEmpty ? nil : batch
        }
    }
}
