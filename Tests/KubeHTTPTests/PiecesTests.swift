@testable import KubeHTTP
import NIOCore
import Synchronization
import Testing

@Suite struct QueryItemsTests {
    @Test(arguments: [
        ("a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        ("a+b=c+d", [("a b", "c d")]),
        ("a%3Db=%26", [("a=b", "&")]),
        ("flag", [("flag", "")]),
        ("a=b=c", [("a", "b=c")]),
        ("&&=&", [("", "")]),
        ("%zz=%4", [("%zz", "%4")]),
        ("x=%E2%82%AC", [("x", "€")]),
    ])
    func parses(text: String, pairs: [(String, String)]) {
        #expect(QueryItems(parsing: text).items == pairs.map { .init(name: $0.0, value: $0.1) })
    }

    @Test func encodedParsesBack() {
        let items = QueryItems([.init(name: "fieldSelector", value: "metadata.name=a b+c%"), .init(name: "é&", value: "")])
        #expect(QueryItems(parsing: items.encoded) == items)
    }
}

@Suite struct LazyDeadlineTests {
    private func at(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(UInt64(seconds) * 1_000_000_000) }

    @Test func laterDeadlinesAreNotScheduledAtOnce() {
        var deadline = LazyDeadline()
        #expect(deadline.set(at(10)) == at(10))
        #expect(deadline.set(at(20)) == nil)
        #expect(deadline.fire(now: at(10)) == .again(at(20)))
        #expect(deadline.fire(now: at(20)) == .expired)
        #expect(deadline.fire(now: at(21)) == .off)
    }

    @Test func earlierDeadlinesAreScheduledAtOnce() {
        var deadline = LazyDeadline()
        #expect(deadline.set(at(100)) == at(100))
        #expect(deadline.set(at(10)) == at(10))
        #expect(deadline.fire(now: at(10)) == .expired)
        #expect(deadline.set(nil) == nil)
        #expect(deadline.fire(now: at(100)) == .off)
    }
}

@Suite struct QueueTests {
    @Test func inboundPausesAndResumes() async throws {
        let demands = Mutex(0)
        let queue = InboundQueue<Int>(highWatermark: 10, lowWatermark: 5) { demands.withLock { $0 += 1 } }
        #expect(queue.push(1, size: 4))
        #expect(queue.push(2, size: 4))
        #expect(!queue.push(3, size: 4))
        #expect(try await queue.next() == 1)
        #expect(demands.withLock { $0 } == 0)
        #expect(try await queue.next() == 2)
        #expect(demands.withLock { $0 } == 1)
        queue.finish(throwing: HTTPServerError(.clientGone, "gone"))
        #expect(try await queue.next() == 3)
        await #expect(throws: HTTPServerError.self) { try await queue.next() }
    }

    @Test func inboundReaderIsCancelled() async throws {
        let (waiting, wait) = AsyncStream.makeStream(of: Void.self)
        let queue = InboundQueue<Int>(highWatermark: 10, lowWatermark: 5) { wait.yield() }
        let reader = Task { try await queue.next() }
        for await _ in waiting { break }
        reader.cancel()
        await #expect(throws: CancellationError.self) { try await reader.value }
    }

    @Test func outboundWriterWaitsForRoom() async throws {
        let (wakes, wake) = AsyncStream.makeStream(of: Void.self)
        let queue = OutboundQueue<Int>(limit: 10) { wake.yield() }
        try await queue.write(1, size: 9)
        let writer = Task { try await queue.write(2, size: 9) }
        // One wake for both: the second write joined the first.
        for await _ in wakes { break }
        var taken: [Int] = []
        while taken.count < 2 {
            taken += queue.take()
            queue.setChannelFull(false)
            await Task.yield()
        }
        try await writer.value
        #expect(taken == [1, 2])
        let stuck = Task { try await queue.write(3, size: 20) }
        queue.fail(HTTPServerError(.clientGone, "gone"))
        await #expect(throws: HTTPServerError.self) { try await stuck.value }
    }
}
