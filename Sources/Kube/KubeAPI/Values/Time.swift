#if canImport(Glibc)
import Glibc
#else
import Musl
#endif

/// A point in time, written as RFC 3339 with whole seconds in UTC (Kubernetes' meta/v1 Time).
public struct Time: Sendable, Hashable, Comparable {
    /// Seconds since 1970-01-01T00:00:00Z.
    public let seconds: Int64
    /// 0 to 999,999,999; kept for arithmetic, not written.
    public let nanoseconds: Int32

    public init(seconds: Int64, nanoseconds: Int32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// The time of the system's clock.
    public static func now() -> Time {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Time(seconds: Int64(now.tv_sec), nanoseconds: Int32(now.tv_nsec))
    }

    public static func < (left: Time, right: Time) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }

    public static func + (time: Time, duration: Duration) -> Time {
        let (seconds, attoseconds) = duration.components
        let nanoseconds = Int64(time.nanoseconds) + attoseconds / 1_000_000_000
        let carry = nanoseconds < 0 ? -1 : nanoseconds / 1_000_000_000
        return Time(seconds: time.seconds + seconds + carry, nanoseconds: Int32(nanoseconds - carry * 1_000_000_000))
    }

    public static func - (left: Time, right: Time) -> Duration {
        .seconds(left.seconds - right.seconds) + .nanoseconds(Int64(left.nanoseconds) - Int64(right.nanoseconds))
    }

    /// The same second without its fraction: what is left after writing and reading.
    public var truncatedToSeconds: Time { Time(seconds: seconds) }
}

/// A point in time written with six decimals (Kubernetes' meta/v1 MicroTime).
public struct MicroTime: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let time: Time

    public init(_ time: Time) { self.time = time }

    public init(_ text: String) throws(APIValueError) { time = try Time(text) }

    public static func now() -> MicroTime { MicroTime(.now()) }

    public static func < (left: MicroTime, right: MicroTime) -> Bool { left.time < right.time }

    public var description: String { time.text(decimals: 6) }
}
