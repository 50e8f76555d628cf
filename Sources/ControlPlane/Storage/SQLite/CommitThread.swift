internal import Dispatch
internal import Foundation
internal import Synchronization

/// The one thread that writes. Jobs queue up while it commits, and the next commit takes all of them: group commit without a
/// timer. It is a thread of its own because a commit blocks on the disk, which no thread of the cooperative pool may do.
final class CommitThread<Job: Sendable>: Sendable {
    private struct Queue {
        var jobs: [Job] = []
        var closed = false
        /// A wake-up is on its way, so that a thousand jobs cost one.
        var signalled = false
    }

    private let queue = Mutex(Queue())
    private let wake = DispatchSemaphore(value: 0)

    /// Starts the thread. It keeps itself alive until it was told to close.
    /// - Parameters:
    ///   - idle: how long the thread may wait for jobs before it looks at the clock again, asked before each wait.
    ///   - body: runs on the thread with all jobs that have queued up, possibly none.
    ///   - end: runs on the thread after the last job.
    func start(
        idle: @escaping @Sendable () -> DispatchTimeInterval, body: @escaping @Sendable ([Job]) -> Void, end: @escaping @Sendable () -> Void
    ) {
        let thread = Thread { [self] in
            while let jobs = next(idle: idle()) { body(jobs) }
            end()
        }
        thread.name = "storage"
        thread.start()
    }

    /// Queues a job. False when the thread has been told to end.
    func submit(_ job: Job) -> Bool {
        let (accepted, signal) = queue.withLock { queue in
            guard !queue.closed else { return (false, false) }
            queue.jobs.append(job)
            defer { queue.signalled = true }
            return (true, !queue.signalled)
        }
        if signal { wake.signal() }
        return accepted
    }

    /// Lets the thread finish what is queued, then end.
    func close() {
        queue.withLock { $0.closed = true }
        wake.signal()
    }

    private func next(idle: DispatchTimeInterval) -> [Job]? {
        _ = wake.wait(timeout: .now() + idle)
        return queue.withLock { queue in
            queue.signalled = false
            if queue.closed && queue.jobs.isEmpty { return nil }
            let jobs = queue.jobs
            queue.jobs = []
            return jobs
        }
    }
}
