import Testing

@testable import Controllers

@Suite struct WorkStateTests {
    private func backoff(_ failures: Int) -> Duration { .seconds(1 << (failures - 1)) }

    @Test("a key that comes twice while it waits is worked on once")
    func coalescing() {
        var state = WorkState<String>(limit: 4)
        state.add("a")
        state.add("b")
        state.add("a")
        #expect(state.next() == "a")
        #expect(state.next() == "b")
        #expect(state.next() == nil)
    }

    @Test("a key is never worked on twice at once, and what came meanwhile is not lost")
    func cameAgain() {
        var state = WorkState<String>(limit: 4)
        state.add("a")
        #expect(state.next() == "a")
        state.add("a")
        #expect(state.next() == nil)
        #expect(state.finish("a", .done, now: .zero, backoff: backoff) == nil)
        #expect(state.next() == "a")
    }

    @Test("no more keys are worked on at once than the limit says")
    func limit() {
        var state = WorkState<String>(limit: 1)
        state.add("a")
        state.add("b")
        #expect(state.next() == "a")
        #expect(state.next() == nil)
        _ = state.finish("a", .done, now: .zero, backoff: backoff)
        #expect(state.next() == "b")
    }

    @Test("every failure in a row waits longer, success begins anew")
    func failures() {
        var state = WorkState<String>(limit: 1)
        var now = Duration.zero
        func run(_ result: WorkResult, _ state: inout WorkState<String>) -> Duration? {
            _ = state.next()
            return state.finish("a", result, now: now, backoff: backoff)
        }
        state.add("a")
        for wait in [1, 2, 4] {
            let wake = run(.retry, &state)
            #expect(wake == now + .seconds(wait))
            now += .seconds(wait)
            state.due("a", at: now)
        }
        #expect(run(.done, &state) == nil)
        state.add("a")
        #expect(run(.retry, &state) == now + .seconds(1))
    }

    @Test("of several alarms only the earliest rings")
    func alarms() {
        var state = WorkState<String>(limit: 1)
        func finish(_ wait: Int, _ state: inout WorkState<String>) -> Duration? {
            state.add("a")
            _ = state.next()
            return state.finish("a", .again(after: .seconds(wait)), now: .zero, backoff: backoff)
        }
        #expect(finish(600, &state) == .seconds(600))
        #expect(finish(700, &state) == nil, "an earlier alarm is set")
        #expect(finish(10, &state) == .seconds(10))
        state.due("a", at: .seconds(600))
        #expect(state.next() == nil, "an alarm that was replaced is not heard")
        state.due("a", at: .seconds(10))
        #expect(state.next() == "a")
    }

    @Test("an event about a key that waits after a failure makes it run at once")
    func eventAfterFailure() {
        var state = WorkState<String>(limit: 1)
        state.add("a")
        _ = state.next()
        #expect(state.finish("a", .retry, now: .zero, backoff: backoff) == .seconds(1))
        state.add("a")
        #expect(state.next() == "a")
    }
}
