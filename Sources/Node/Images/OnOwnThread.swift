import BlockingCalls
import LinuxSystem

extension Cancellation {
    /// Throws when the job is to stop; called between chunks.
    func check() throws(ImageError) {
        if isCancelled { throw ImageError(.cancelled, "cancelled") }
    }
}

/// Runs work that blocks for long on a thread of its own; cancelling the task cancels the work.
func onOwnThread<T: Sendable>(_ name: String, _ body: @escaping @Sendable (Cancellation) throws(ImageError) -> T) async throws(ImageError) -> T {
    do {
        return try await OwnThread.run(name, cancellable: body)
    } catch let error as ImageError {
        throw error
    } catch {
        // The body throws nothing else: there was no thread to be had.
        throw ImageError(.system, "\(name)", cause: error)
    }
}
