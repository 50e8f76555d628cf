import CLinux
import Glibc

/// Pipes, timers, signals and epoll: what an event loop is made of.
public enum Descriptors {
    /// pipe2(2), both ends close-on-exec.
    public static func pipe(nonBlocking: Bool = false) throws(SystemError) -> (read: FileDescriptor, write: FileDescriptor) {
        var fds: (Int32, Int32) = (-1, -1)
        _ = try systemCall("pipe2") {
            withUnsafeMutablePointer(to: &fds) { rawCall(Int32(SYS_pipe2), $0.argument, Int(O_CLOEXEC | (nonBlocking ? O_NONBLOCK : 0))) }
        }
        return (FileDescriptor(owning: fds.0), FileDescriptor(owning: fds.1))
    }

    /// memfd_create(2).
    /// - Parameter sealable: allows ``FileDescriptor/seal()``.
    public static func memory(_ name: String, sealable: Bool = true) throws(SystemError) -> FileDescriptor {
        let raw = try systemCall("memfd_create") { name.withCString { rawCall(Int32(SYS_memfd_create), $0.argument, 1 | (sealable ? 2 : 0)) } }
        return FileDescriptor(owning: Int32(raw))
    }

    /// eventfd(2), non-blocking.
    public static func event() throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: Int32(try systemCall("eventfd") { rawCall(Int32(SYS_eventfd2), 0, Int(O_CLOEXEC | O_NONBLOCK)) }))
    }

    /// timerfd on the monotonic clock, non-blocking, disarmed.
    public static func timer() throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: Int32(try systemCall("timerfd_create") { rawCall(Int32(SYS_timerfd_create), 1, Int(O_CLOEXEC | O_NONBLOCK)) }))
    }

    /// Blocks the signals in this thread and delivers them to a non-blocking descriptor (signalfd(2)).
    public static func signals(_ signals: [Int32]) throws(SystemError) -> FileDescriptor {
        var mask = signals.reduce(UInt64(0)) { $0 | 1 << UInt64($1 - 1) }
        try Signals.setMask(mask)
        let raw = try systemCall("signalfd") {
            withUnsafePointer(to: &mask) { rawCall(Int32(SYS_signalfd4), -1, $0.argument, 8, Int(O_CLOEXEC | O_NONBLOCK)) }
        }
        return FileDescriptor(owning: Int32(raw))
    }
}

extension FileDescriptor {
    /// Seals a memfd against writing, growing, shrinking and further seals.
    public func seal() throws(SystemError) {
        _ = try systemCall("fcntl F_ADD_SEALS") { rawCall(Int32(SYS_fcntl), Int(raw), 1033, 1 | 2 | 4 | 8) }
    }

    /// Arms a timerfd once, `nanoseconds` from now; 0 disarms.
    public func arm(nanoseconds: UInt64) throws(SystemError) {
        var value: (Int64, Int64, Int64, Int64) = (0, 0, Int64(nanoseconds / 1_000_000_000), Int64(nanoseconds % 1_000_000_000))
        _ = try systemCall("timerfd_settime") { withUnsafePointer(to: &value) { rawCall(Int32(SYS_timerfd_settime), Int(raw), 0, $0.argument, 0) } }
    }

    /// Terminal size (TIOCSWINSZ).
    public func setWindowSize(columns: UInt16, rows: UInt16) throws(SystemError) {
        var size: (UInt16, UInt16, UInt16, UInt16) = (rows, columns, 0, 0)
        _ = try systemCall("ioctl TIOCSWINSZ") { withUnsafePointer(to: &size) { rawCall(Int32(SYS_ioctl), Int(raw), 0x5414, $0.argument) } }
    }
}

/// Signals of the calling thread, by the kernel's own 64-bit masks.
public enum Signals {
    /// Replaces the mask; bit n-1 blocks signal n.
    public static func setMask(_ mask: UInt64) throws(SystemError) {
        var mask = mask
        _ = try systemCall("rt_sigprocmask") { withUnsafePointer(to: &mask) { rawCall(Int32(SYS_rt_sigprocmask), 2, $0.argument, 0, 8) } }
    }

    /// Every signal to its default action: an ignored SIGPIPE would be inherited through exec.
    public static func resetAll() {
        var action: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0) // struct kernel_sigaction: SIG_DFL, no flags
        for signal in 1...64 {
            _ = withUnsafePointer(to: &action) { rawCall(Int32(SYS_rt_sigaction), signal, $0.argument, 0, 8) } // SIGKILL and SIGSTOP refuse
        }
    }
}

/// What epoll reports or is asked for.
public struct Readiness: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let readable = Readiness(rawValue: 1)
    public static let urgent = Readiness(rawValue: 2)
    public static let writable = Readiness(rawValue: 4)
    public static let error = Readiness(rawValue: 8)
    public static let hangUp = Readiness(rawValue: 16)
    public static let readHangUp = Readiness(rawValue: 0x2000)
    public static let edgeTriggered = Readiness(rawValue: 1 << 31)
}

/// epoll(7). A token identifies a registration, so that an event of a descriptor number used again is not mistaken.
public final class Poller: Sendable {
    public let descriptor: FileDescriptor

    public init() throws(SystemError) {
        descriptor = FileDescriptor(owning: Int32(try systemCall("epoll_create") { rawCall(Int32(SYS_epoll_create1), Int(O_CLOEXEC)) }))
    }

    public func add(_ fd: FileDescriptor, _ interest: Readiness, token: UInt64) throws(SystemError) { try control(1, fd, interest, token) }
    public func modify(_ fd: FileDescriptor, _ interest: Readiness, token: UInt64) throws(SystemError) { try control(3, fd, interest, token) }
    public func remove(_ fd: FileDescriptor) throws(SystemError) { try control(2, fd, [], 0) }

    private func control(_ operation: Int, _ fd: FileDescriptor, _ interest: Readiness, _ token: UInt64) throws(SystemError) {
        _ = try systemCall("epoll_ctl") {
            withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { event in
                event.storeBytes(of: interest.rawValue, as: UInt32.self)
                event.storeBytes(of: token, toByteOffset: Poller.dataOffset, as: UInt64.self)
                return rawCall(Int32(SYS_epoll_ctl), Int(descriptor.raw), operation, Int(fd.raw), Int(bitPattern: event.baseAddress))
            }
        }
    }

    // struct epoll_event is packed on x86-64 alone.
    #if arch(x86_64)
    private static let dataOffset = 4
    private static let stride = 12
    #else
    private static let dataOffset = 8
    private static let stride = 16
    #endif

    /// Waits for events.
    /// - Parameter milliseconds: -1 waits without end. A signal ends the wait early with no events.
    public func wait(milliseconds: Int = -1, maximum: Int = 16) throws(SystemError) -> [(token: UInt64, ready: Readiness)] {
        try withEvents(maximum) { buffer throws(SystemError) in
            let result = rawCall(Int32(SYS_epoll_pwait), Int(descriptor.raw), Int(bitPattern: buffer.baseAddress), maximum, milliseconds, 0, 8)
            if result == -Int(EINTR) { return [] }
            let count = try systemCall("epoll_wait", retry: false) { result }
            return (0..<count).map { index in
                let base = index * Poller.stride
                return (buffer.loadUnaligned(fromByteOffset: base + Poller.dataOffset, as: UInt64.self),
                        Readiness(rawValue: buffer.loadUnaligned(fromByteOffset: base, as: UInt32.self)))
            }
        }
    }

    private func withEvents<R>(_ maximum: Int, _ body: (UnsafeMutableRawBufferPointer) throws(SystemError) -> R) throws(SystemError) -> R {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: maximum * Poller.stride, alignment: 8)
        defer { buffer.deallocate() }
        return try body(buffer)
    }
}
