internal import Glibc
public import LinuxSystem

/// A thread that runs one closure and ends: for work that blocks for long, or that joins namespaces, which must never
/// leak into other work. Short blocking calls are better off on ``BlockingThreads``.
public final class OwnThread: Sendable {
    private let handle: pthread_t

    /// - Parameter name: what `top` shows; its first 15 bytes count.
    /// - Throws: if the kernel has no thread to give. The closure has not run then, and never will.
    public init(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let work = Unmanaged.passRetained(Work {
            try? Credentials.setName(String(name.prefix(15)))  // Nothing depends on the name.
            body()
        })
        var handle = pthread_t()
        let code = pthread_create(&handle, nil, { argument in
            // The argument is what was retained for this thread.
            if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
            return nil
        }, work.toOpaque())
        guard code == 0 else {
            work.release()
            throw SystemError(operation: "pthread_create", errno: code)
        }
        self.handle = handle
    }

    /// Waits for the end. Call this or ``detach()``, once; blocks.
    public func join() { pthread_join(handle, nil) }

    /// Lets the thread end alone.
    public func detach() { pthread_detach(handle) }

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` on a thread of its own and suspends until it has returned.
    /// - Throws: what `body` throws, or `SystemError` if there is no thread to be had.
    public static func run<R: Sendable>(_ name: String, _ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await withCheckedThrowingContinuation { continuation in
            do {
                try OwnThread(name) { continuation.resume(with: Result { try body() }) }.detach()
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }

    /// The same for work that can be stopped half-way: cancelling the task is seen by `body`, which looks for it.
    public static func run<R: Sendable>(_ name: String, cancellable body: @escaping @Sendable (Cancellation) throws -> R) async throws -> R {
        let cancellation = Cancellation()
        return try await withTaskCancellationHandler {
            try await run(name) { try body(cancellation) }
        } onCancel: {
            cancellation.cancel()
        }
    }
}
