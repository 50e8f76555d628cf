import BlockingCalls
import Glibc
import LinuxSystem
import Synchronization
import Testing

/// A call that blocks its thread until as many others have come.
private final class Barrier: @unchecked Sendable {  // pthread_barrier_t may be used by any thread; the address stays.
    private let pointer = UnsafeMutablePointer<pthread_barrier_t>.allocate(capacity: 1)
    init(_ count: UInt32) { pthread_barrier_init(pointer, nil, count) }
    deinit {
        pthread_barrier_destroy(pointer)
        pointer.deallocate()
    }
    func wait() { pthread_barrier_wait(pointer) }
}

@Suite("Blocking calls", .timeLimit(.minutes(1)))
struct BlockingCallsTests {
    struct Refused: Error, Equatable {}

    @Test("more calls block at once than there are processors, and none of them on a thread of the cooperative pool")
    func pool() async throws {
        let (threads, calls) = (BlockingThreads(), 24)
        // The last call and this test's own thread meet only if every call has a thread.
        let barrier = Barrier(UInt32(calls))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<calls { group.addTask { try await threads.run { barrier.wait() } } }
            try await group.waitForAll()
        }
        await #expect(throws: Refused()) { try await threads.run { throw Refused() } }
        #expect(try await threads.run { 7 } == 7)
    }

    @Test("no more calls run at once than the pool allows, and the others get their turn")
    func bound() async throws {
        let threads = BlockingThreads(maximum: 2)
        let counter = Counter()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    try await threads.run {
                        counter.enter()
                        sched_yield()
                        counter.leave()
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect((1...2).contains(counter.most))
    }

    private final class Counter: Sendable {
        private let state = Mutex((now: 0, most: 0))
        var most: Int { state.withLock { $0.most } }
        func enter() { state.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) } }
        func leave() { state.withLock { $0.now -= 1 } }
    }

    private actor Owner {
        var answered = 0
        func answer() { answered += 1 }
        func block(_ threads: BlockingThreads, _ barrier: Barrier) async throws { try await threads.run { barrier.wait() } }
    }

    @Test("an actor goes on while a call of its own blocks")
    func actorStaysFree() async throws {
        let (owner, threads, barrier) = (Owner(), BlockingThreads(), Barrier(2))
        async let blocked: Void = owner.block(threads, barrier)
        await owner.answer()
        try await threads.run { barrier.wait() }
        try await blocked
        #expect(await owner.answered == 1)
    }

    @Test("a thread of one's own ends with its work, so that what it joined or became goes with it")
    func ownThread() async throws {
        let (place, name) = try await OwnThread.run("own") {
            (try Files.readLink("/proc/thread-self"), try Files.readString("/proc/thread-self/comm"))
        }
        #expect(name == "own\n")
        // The kernel takes the thread down after its last call has returned.
        while Files.exists("/proc/\(place)") { await Task.yield() }
        await #expect(throws: Refused()) { try await OwnThread.run("own") { throw Refused() } }
        let seen = Counter()
        let thread = try OwnThread("joined") { seen.enter() }
        thread.join()
        #expect(seen.most == 1)
    }

    @Test("cancelling the task stops work that looks for it")
    func cancellation() async throws {
        let (started, start) = AsyncStream<Void>.makeStream()
        let task = Task {
            try await OwnThread.run("cancelled", cancellable: { cancellation in
                start.finish()
                while !cancellation.isCancelled { sched_yield() }
                throw Refused()
            }) as Void
        }
        for await _ in started {}
        task.cancel()
        await #expect(throws: Refused()) { try await task.value }
    }
}
