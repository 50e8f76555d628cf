import Dispatch
import Glibc
import Synchronization

/// SIGINT and SIGTERM as cancellation, so that a command shuts down in order.
enum Interrupts {
    /// Runs `body` and cancels it at the first signal; the second signal ends the process at once.
    /// - Parameter stopping: called at the first signal, before anything ends.
    static func cancelling(stopping: @Sendable () -> Void = {}, _ body: @escaping @Sendable () async throws -> Void) async throws {
        let (signals, continuation) = AsyncStream<Int32>.makeStream()
        let seen = Atomic<Int>(0)
        let sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                if seen.add(1, ordering: .relaxed).oldValue > 0 { Glibc.exit(128 + number) }
                continuation.yield(number)
            }
            source.resume()
            return source
        }
        defer { for source in sources { source.cancel() } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { continuation.finish() }
                try await body()
            }
            for await _ in signals {
                stopping()
                break
            }
            group.cancelAll()
            do {
                try await group.waitForAll()
            } catch is CancellationError {}
        }
    }
}
