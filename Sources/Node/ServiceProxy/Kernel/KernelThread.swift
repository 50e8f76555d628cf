internal import Glibc
internal import LinuxSystem
internal import Synchronization

/// A thread that runs an actor's work: netlink calls block, and the cooperative pool must not.
final class KernelThread: SerialExecutor {
    private let queue = Queue()

    init() throws(SystemError) {
        let queue = queue
        let body = Body { queue.run() }
        let context = Unmanaged.passRetained(body)
        var thread = pthread_t()
        let error = pthread_create(&thread, nil, { raw in
            if let raw { Unmanaged<Body>.fromOpaque(raw).takeRetainedValue().run() }
            return nil
        }, context.toOpaque())
        guard error == 0 else {
            context.release()
            throw SystemError(operation: "pthread_create", errno: error)
        }
        pthread_detach(thread)
    }

    /// The actor is gone, so nothing can be enqueued any more: the thread ends after what it has.
    deinit { queue.close() }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = asUnownedSerialExecutor()
        queue.add { job.runSynchronously(on: executor) }
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private final class Queue: Sendable {
        private struct State {
            var work: [@Sendable () -> Void] = []
            var isClosed = false
        }
        private let state = Mutex(State())
        private let signal = Semaphore()

        func add(_ body: @escaping @Sendable () -> Void) {
            state.withLock { $0.work.append(body) }
            signal.post()
        }

        func close() {
            state.withLock { $0.isClosed = true }
            signal.post()
        }

        func run() {
            while true {
                signal.wait()
                let (work, isClosed) = state.withLock { state in
                    defer { state.work = [] }
                    return (state.work, state.isClosed)
                }
                for body in work { body() }
                if isClosed { return }
            }
        }
    }

    /// sem_t wants an address that stays. It may be used by any thread at any time, hence unchecked.
    private final class Semaphore: @unchecked Sendable {
        private let pointer = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        init() { sem_init(pointer, 0, 0) }
        deinit {
            sem_destroy(pointer)
            pointer.deallocate()
        }
        func post() { sem_post(pointer) }
        func wait() { while sem_wait(pointer) != 0 {} }  // EINTR: again
    }
}
