import Glibc

/// Clocks, without Foundation.
public enum Clocks {
    /// Nanoseconds since 1970 (CLOCK_REALTIME).
    public static func now() -> Int64 { read(CLOCK_REALTIME) }
    /// Nanoseconds of a clock that never jumps (CLOCK_MONOTONIC).
    public static func monotonic() -> Int64 { read(CLOCK_MONOTONIC) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
