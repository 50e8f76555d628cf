internal import JSONTree

/// A point in time as nanoseconds since the machine started: nobody sets this clock, it counts while the machine sleeps,
/// and every process sees the same one. So what an agent began to count with it, the next one goes on counting.
public struct BootTime: Sendable, Hashable, Comparable {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static func < (a: BootTime, b: BootTime) -> Bool { a.nanoseconds < b.nanoseconds }
    public static func + (a: BootTime, b: Duration) -> BootTime { BootTime(nanoseconds: a.nanoseconds &+ b.wholeNanoseconds) }
    public static func - (a: BootTime, b: BootTime) -> Duration { .nanoseconds(a.nanoseconds &- b.nanoseconds) }
}

extension BootTime {
    var json: JSON { JSON(nanoseconds) }

    init?(_ json: JSON?) {
        guard let value = json?.int else { return nil }
        self.init(nanoseconds: value)
    }
}
