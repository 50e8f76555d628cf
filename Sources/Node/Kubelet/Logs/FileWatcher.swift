import Dispatch
import Glibc
import Synchronization

/// Tells when something in a directory changes, by inotify: followers of logs wait for the kernel, not for a timer.
///
/// One descriptor for the whole agent; a directory followed by several readers is watched once.
final class FileWatcher: Sendable {
    private struct State {
        var watches: [Int32: [UInt64: AsyncStream<Void>.Continuation]] = [:]
        var next: UInt64 = 0
    }
    private let descriptor: Int32
    private let state = Mutex(State())
    /// Written once in `init`; dispatch sources may be cancelled from any thread.
    private nonisolated(unsafe) let source: any DispatchSourceRead

    init() throws {
        descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard descriptor >= 0 else { throw HostFiles.failure("inotify_init1", "inotify") }
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: DispatchQueue(label: "swiftlet.kubelet.inotify"))
        let descriptor = self.descriptor
        source.setEventHandler { [weak self] in self?.drain() }
        source.setCancelHandler { close(descriptor) }
        source.activate()
    }

    deinit { source.cancel() }

    /// Yields after changes in `directory` (many changes, one element), from the moment this returns.
    func changes(in directory: String) throws -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let mask = UInt32(IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF)
        let (watch, id) = try state.withLock { state in
            let watch = inotify_add_watch(descriptor, directory, mask)
            guard watch >= 0 else { throw HostFiles.failure("inotify_add_watch", directory) }
            state.next += 1
            state.watches[watch, default: [:]][state.next] = continuation
            return (watch, state.next)
        }
        continuation.onTermination = { [weak self] _ in self?.remove(watch, id) }
        return stream
    }

    private func remove(_ watch: Int32, _ id: UInt64) {
        state.withLock { state in
            state.watches[watch]?[id] = nil
            if state.watches[watch]?.isEmpty == true {
                state.watches[watch] = nil
                inotify_rm_watch(descriptor, watch)
            }
        }
    }

    private func drain() {
        var touched: Set<Int32> = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            buffer.withUnsafeBytes { bytes in
                var offset = 0
                while offset + MemoryLayout<inotify_event>.size <= count {
                    let event = bytes.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
                    touched.insert(event.wd)
                    offset += MemoryLayout<inotify_event>.size + Int(event.len)
                }
            }
        }
        let continuations = state.withLock { state in touched.flatMap { state.watches[$0].map { Array($0.values) } ?? [] } }
        for continuation in continuations { continuation.yield() }
    }
}
