import NIOCore

/// A timer that is moved often and rarely fires: moving it costs a store, not a new entry in the event loop's heap.
/// For use on one event loop.
struct LazyDeadline {
    private var deadline: NIODeadline?
    private var scheduledFor: NIODeadline?

    /// Moves the deadline. Returns the time for which the owner must schedule a call of `fire`, if it must.
    mutating func set(_ deadline: NIODeadline?) -> NIODeadline? {
        self.deadline = deadline
        guard let deadline, deadline < scheduledFor ?? .distantFuture else { return nil }
        scheduledFor = deadline
        return deadline
    }

    enum Verdict: Equatable {
        case expired
        /// Not yet: schedule another call.
        case again(NIODeadline)
        /// Nothing to do: there is no deadline, or another call is scheduled for it.
        case off
    }

    /// What a scheduled call means.
    mutating func fire(now: NIODeadline) -> Verdict {
        if let scheduledFor, scheduledFor <= now { self.scheduledFor = nil }
        guard let deadline else { return .off }
        if deadline <= now {
            self.deadline = nil
            return .expired
        }
        guard scheduledFor == nil else { return .off }
        scheduledFor = deadline
        return .again(deadline)
    }
}
