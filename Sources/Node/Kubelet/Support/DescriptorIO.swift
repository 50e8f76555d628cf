import Dispatch
import Glibc
import Synchronization

/// Reads and writes one pipe or terminal without holding a thread while it waits. Does not own the descriptor.
final class DescriptorIO: Sendable {
    enum Direction: Sendable { case read, write }

    private let descriptor: Int32
    private let ready: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation
    /// Written once in `init`; dispatch sources are safe to use from any thread.
    private nonisolated(unsafe) let source: any DispatchSourceProtocol
    /// A source is active only while someone waits, or it would fire over and over for unread data.
    private let isSuspended = Mutex(true)

    init(_ descriptor: Int32, _ direction: Direction) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        (ready, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        source = switch direction {
        case .read: DispatchSource.makeReadSource(fileDescriptor: descriptor)
        case .write: DispatchSource.makeWriteSource(fileDescriptor: descriptor)
        }
        source.setEventHandler { [weak self] in
            self?.suspend()
            self?.continuation.yield()
        }
    }

    deinit {
        // A suspended source may be cancelled, but not released.
        source.cancel()
        isSuspended.withLock { if $0 { source.resume(); $0 = false } }
    }

    private func suspend() {
        isSuspended.withLock { if !$0 { source.suspend(); $0 = true } }
    }

    /// - Returns: false when the waiting task was cancelled.
    private func waitUntilReady() async -> Bool {
        isSuspended.withLock { if $0 { source.resume(); $0 = false } }
        for await _ in ready { return true }
        return false
    }

    /// The next bytes, at most `limit`; nil at the end (a terminal whose last process is gone counts as its end).
    func read(upTo limit: Int = 32 << 10) async throws -> [UInt8]? {
        while true {
            try Task.checkCancellation()
            var buffer = [UInt8](repeating: 0, count: limit)
            let count = Glibc.read(descriptor, &buffer, limit)
            if count > 0 { return Array(buffer[..<count]) }
            if count == 0 || errno == EIO { return nil }
            switch errno {
            case EINTR: continue
            case EAGAIN: guard await waitUntilReady() else { throw CancellationError() }
            default: throw HostFiles.failure("read", "descriptor \(descriptor)")
            }
        }
    }

    func write(_ bytes: [UInt8]) async throws {
        var offset = 0
        while offset < bytes.count {
            try Task.checkCancellation()
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress?.advanced(by: offset), bytes.count - offset) }
            if count >= 0 {
                offset += count
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: guard await waitUntilReady() else { throw CancellationError() }
            default: throw HostFiles.failure("write", "descriptor \(descriptor)")
            }
        }
    }
}
