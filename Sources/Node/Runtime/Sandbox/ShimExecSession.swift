import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// A command that a shim runs in a container.
final class ShimExecSession: ExecSession {
    private enum Outcome {
        case running([CheckedContinuation<Int32, any Error>])
        case ended(Result<Int32, RuntimeError>)
    }

    let id: UInt64
    let input: Int32?
    let output: Int32
    let errorOutput: Int32?
    private let shim: ShimClient
    /// A second descriptor of the terminal: the caller's may be closed, and its number used again, when the size changes.
    /// Let go with the session or the command, whichever ends first, so that closing the caller's hangs up no later than that.
    private let terminal: FileDescriptor?
    private let outcome = Mutex(Outcome.running([]))

    init(id: UInt64, shim: ShimClient, input: Int32?, output: Int32, errorOutput: Int32?, terminal: FileDescriptor?) {
        self.id = id
        self.shim = shim
        self.input = input
        self.output = output
        self.errorOutput = errorOutput
        self.terminal = terminal
    }

    func resize(columns: UInt16, rows: UInt16) async throws {
        guard let terminal else { throw RuntimeError(.wrongState, "the command has no terminal to resize") }
        do { try terminal.setWindowSize(columns: columns, rows: rows) } catch {
            throw RuntimeError(.execFailed, "resize the terminal: \(error)", step: error.operation, errno: error.errno)
        }
    }

    func wait() async throws -> Int32 {
        try await withCheckedThrowingContinuation { continuation in
            let result: Result<Int32, RuntimeError>? = outcome.withLock { outcome in
                switch outcome {
                case .ended(let result): return result
                case .running(let waiters):
                    outcome = .running(waiters + [continuation])
                    return nil
                }
            }
            if let result { continuation.resume(with: result.mapError { $0 as any Error }) }
        }
    }

    func kill() async {
        if case .ended = outcome.withLock({ $0 }) { return }
        do { try await shim.killExec(id, signal: SIGKILL) } catch {
            // It ended meanwhile, or the shim is gone and the container with it: both end the session.
        }
    }

    func finish(_ result: Result<Int32, RuntimeError>) {
        let waiters: [CheckedContinuation<Int32, any Error>] = outcome.withLock { outcome in
            guard case .running(let waiters) = outcome else { return [] }
            outcome = .ended(result)
            return waiters
        }
        terminal?.close()
        for waiter in waiters { waiter.resume(with: result.mapError { $0 as any Error }) }
    }
}
