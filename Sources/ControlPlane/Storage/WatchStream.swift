/// A watch as an asynchronous sequence, for callers that are tasks. It holds at most `capacity` deliveries: a reader that
/// falls behind is cut off with `.tooSlow`, so that it can never make the store's memory grow.
public struct WatchStream: AsyncSequence, Sendable {
    public typealias Element = (events: [StorageEvent], through: Revision)

    private let stream: AsyncThrowingStream<Element, any Error>
    private let continuation: AsyncThrowingStream<Element, any Error>.Continuation

    public init(capacity: Int = 1024) {
        (stream, continuation) = AsyncThrowingStream.makeStream(of: Element.self, bufferingPolicy: .bufferingOldest(capacity))
    }

    /// What to give to `Storage.watch` as the receiver.
    public var receiver: WatchReceiver {
        { [continuation] delivery in
            switch delivery {
            case .events(let events, let through):
                if case .dropped = continuation.yield((events, through)) {
                    continuation.finish(throwing: StorageError(.tooSlow, "the watcher fell behind at revision \(through)"))
                }
            case .ended(let error):
                continuation.finish(throwing: error)
            }
        }
    }

    /// Cancels the watch when the reader stops or falls behind.
    public func cancelOnEnd(_ handle: WatchHandle) {
        continuation.onTermination = { _ in handle.cancel() }
    }

    public func makeAsyncIterator() -> AsyncThrowingStream<Element, any Error>.Iterator { stream.makeAsyncIterator() }
}

extension Storage {
    /// `watch(prefix:after:receive:)` as a sequence.
    public func changes(prefix: String, after: Revision, capacity: Int = 1024) async throws(StorageError) -> WatchStream {
        let stream = WatchStream(capacity: capacity)
        stream.cancelOnEnd(try await watch(prefix: prefix, after: after, receive: stream.receiver))
        return stream
    }
}
