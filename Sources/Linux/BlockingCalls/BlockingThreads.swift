internal import Glibc

/// Threads for work that blocks in system calls, so that the cooperative pool never does.
///
/// A task executor: everything a task does while it prefers this executor, the bodies of actors included, runs here. Threads
/// are made as they are needed and end after ten idle seconds, so an idle node keeps none.
public final class BlockingThreads: TaskExecutor, @unchecked Sendable { // all state below is guarded by `mutex`
    private let maximum: Int
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var jobs: [UnownedJob] = []
    /// Index of the first job not taken yet: a queue without moving its elements.
    private var head = 0
    private var threads = 0
    private var idle = 0

    /// - Parameter maximum: the number of calls that may block at one time; more wait for a thread.
    public init(maximum: Int = 32) {
        self.maximum = maximum
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    /// Runs one blocking call here, off every actor: the caller's stays free meanwhile.
    public nonisolated func run<R: Sendable>(_ body: @Sendable () throws -> R) async throws -> R {
        try await withTaskExecutorPreference(self) { try body() }
    }

    deinit {
        // A thread holds the pool while it runs, so none is left here.
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        pthread_mutex_lock(mutex)
        jobs.append(job)
        // A thread that has been woken counts as idle until it runs: there must be one for every job that waits.
        let hasIdle = idle >= jobs.count - head
        if !hasIdle, threads < maximum { startThread() }
        pthread_mutex_unlock(mutex)
        // After the mutex: the thread would wake up only to wait for it.
        if hasIdle { pthread_cond_signal(condition) }
    }

    /// With the mutex held. If no thread can be made, the ones there are will come to the job; with none at all, the caller runs it.
    private func startThread() {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(&thread, nil, { raw in
            if let raw { Unmanaged<BlockingThreads>.fromOpaque(raw).takeRetainedValue().run() }
            return nil
        }, context.toOpaque())
        guard code == 0 else {
            context.release()
            if threads == 0, let job = take() {
                pthread_mutex_unlock(mutex)
                job.runSynchronously(on: asUnownedTaskExecutor())
                pthread_mutex_lock(mutex)
            }
            return
        }
        threads += 1
        pthread_detach(thread)
    }

    private func run() {
        pthread_mutex_lock(mutex)
        while true {
            if let job = take() {
                pthread_mutex_unlock(mutex)
                job.runSynchronously(on: asUnownedTaskExecutor())
                pthread_mutex_lock(mutex)
                continue
            }
            idle += 1
            var deadline = timespec()
            clock_gettime(CLOCK_REALTIME, &deadline)
            deadline.tv_sec += 10
            let code = pthread_cond_timedwait(condition, mutex, &deadline)
            idle -= 1
            if code == ETIMEDOUT, head == jobs.count { break }
        }
        threads -= 1
        pthread_mutex_unlock(mutex)
    }

    /// With the mutex held.
    private func take() -> UnownedJob? {
        guard head < jobs.count else { return nil }
        let job = jobs[head]
        head += 1
        if head == jobs.count {
            jobs.removeAll(keepingCapacity: jobs.capacity <= 256)
            head = 0
        }
        return job
    }
}
