import Glibc
import LinuxSystem
import Synchronization

/// Asks a blocking job to stop; looked at between chunks.
final class Cancellation: Sendable {
    private let flag = Atomic(false)
    func cancel() { flag.store(true, ordering: .relaxed) }

    func check() throws(ImageError) {
        if flag.load(ordering: .relaxed) { throw ImageError(.cancelled, "cancelled") }
    }
}

/// A thread that runs one closure and ends. Dispatch and the cooperative pool must not block on disk and locks.
final class OwnThread: Sendable {
    private let handle: pthread_t

    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Box {
            try? Credentials.setName(String(name.prefix(15))) // a name in `top`, nothing depends on it
            body()
        })
        var handle = pthread_t()
        let code = pthread_create(&handle, nil, { argument in
            // The argument is the box that was retained for this thread.
            Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        }, box.toOpaque())
        // Without threads (EAGAIN: a limit) nothing of the node works, so the work is done here rather than lost.
        if code != 0 {
            handle = pthread_self()
            box.takeRetainedValue().body()
        }
        self.handle = handle
        started = code == 0
    }

    private let started: Bool

    /// Waits for the end. Call it once.
    func join() {
        if started { pthread_join(handle, nil) }
    }

    func detach() {
        if started { pthread_detach(handle) }
    }

    private final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}

/// Runs blocking work on a thread of its own; cancelling the task cancels the work.
func onOwnThread<T: Sendable>(_ name: String, _ body: @escaping @Sendable (Cancellation) throws(ImageError) -> T) async throws(ImageError) -> T {
    let cancellation = Cancellation()
    let result: Result<T, ImageError> = await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
            OwnThread(name) {
                do throws(ImageError) {
                    continuation.resume(returning: .success(try body(cancellation)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }.detach()
        }
    } onCancel: {
        cancellation.cancel()
    }
    return try result.get()
}
