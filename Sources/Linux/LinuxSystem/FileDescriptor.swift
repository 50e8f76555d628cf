import CLinux
import Glibc
import Synchronization

/// A descriptor that is closed when nobody holds it any more.
///
/// A class, because descriptors live in dictionaries and enum cases that noncopyable values cannot enter. It is always
/// close-on-exec unless ``duplicate(to:)`` gave it away.
public final class FileDescriptor: Sendable, CustomStringConvertible {
    private let number: Atomic<Int32>

    /// Takes over a descriptor.
    public init(owning raw: Int32) { number = Atomic(raw) }

    /// The number, -1 once closed or released.
    public var raw: Int32 { number.load(ordering: .relaxed) }

    public var description: String { "fd \(raw)" }

    /// Gives up ownership: the caller closes it.
    public func release() -> Int32 { number.exchange(-1, ordering: .relaxed) }

    /// Closes now; a second time does nothing. The kernel frees the number even when it reports an error.
    public func close() {
        let raw = release()
        if raw >= 0 { _ = rawCall(Int32(SYS_close), Int(raw)) }
    }

    deinit { close() }

    /// A second descriptor for the same open file, close-on-exec.
    public func duplicate() throws(SystemError) -> FileDescriptor {
        let copy = try systemCall("dup") { rawCall(Int32(SYS_fcntl), Int(raw), Int(F_DUPFD_CLOEXEC), 3) }
        return FileDescriptor(owning: Int32(copy))
    }

    /// dup3 onto a fixed number, without close-on-exec: for a child about to execute.
    public func duplicate(to target: Int32) throws(SystemError) {
        if raw == target {
            _ = try systemCall("fcntl F_SETFD") { rawCall(Int32(SYS_fcntl), Int(target), Int(F_SETFD), 0) }
        } else {
            _ = try systemCall("dup3") { rawCall(Int32(SYS_dup3), Int(raw), Int(target), 0) }
        }
    }

    /// Sets or clears O_NONBLOCK, which belongs to the open file, not to this descriptor alone.
    public func setNonBlocking(_ on: Bool) throws(SystemError) {
        let flags = try systemCall("fcntl F_GETFL") { rawCall(Int32(SYS_fcntl), Int(raw), Int(F_GETFL), 0) }
        let wanted = on ? flags | Int(O_NONBLOCK) : flags & ~Int(O_NONBLOCK)
        _ = try systemCall("fcntl F_SETFL") { rawCall(Int32(SYS_fcntl), Int(raw), Int(F_SETFL), wanted) }
    }

    /// Reads at most `buffer.count` bytes; 0 at the end.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
        try systemCall("read") { rawCall(Int32(SYS_read), Int(raw), Int(bitPattern: buffer.baseAddress), buffer.count) }
    }

    /// Writes at most `buffer.count` bytes.
    public func write(_ buffer: UnsafeRawBufferPointer) throws(SystemError) -> Int {
        try systemCall("write") { rawCall(Int32(SYS_write), Int(raw), Int(bitPattern: buffer.baseAddress), buffer.count) }
    }

    /// Reads to the end.
    /// - Parameter limit: more bytes than that are EFBIG.
    public func readAll(limit: Int = 64 << 20) throws(SystemError) -> [UInt8] {
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let (count, code) = chunk.withUnsafeMutableBytes { buffer -> (Int, SystemError?) in
                do throws(SystemError) { return (try read(into: buffer), nil) } catch { return (0, error) }
            }
            if let code { throw code }
            if count == 0 { return result }
            guard result.count + count <= limit else { throw SystemError(operation: "read", errno: EFBIG) }
            result.append(contentsOf: chunk[..<count])
            if count == chunk.count, chunk.count < 1 << 18 { chunk = [UInt8](repeating: 0, count: chunk.count * 4) }
        }
    }

    /// Writes everything.
    public func writeAll(_ bytes: [UInt8]) throws(SystemError) {
        var written = 0
        while written < bytes.count {
            let result = bytes.withUnsafeBytes { buffer -> Result<Int, SystemError> in
                do throws(SystemError) { return .success(try write(UnsafeRawBufferPointer(rebasing: buffer[written...]))) } catch { return .failure(error) }
            }
            written += try result.get()
        }
    }

    /// fsync(2).
    public func synchronize() throws(SystemError) {
        _ = try systemCall("fsync") { rawCall(Int32(SYS_fsync), Int(raw)) }
    }

    /// flock(2): true if this open file now holds the exclusive lock; false if another has it (never waits).
    public func tryLock() throws(SystemError) -> Bool {
        let result = rawCall(Int32(SYS_flock), Int(raw), 2 | 4)
        if result == -Int(EWOULDBLOCK) { return false }
        _ = try systemCall("flock") { result }
        return true
    }

    /// The magic number of the file system it lies on (``FilesystemType``).
    public func filesystemType() throws(SystemError) -> UInt64 {
        var type: UInt64 = 0
        _ = try systemCall("fstatfs") { clinux_filesystem_type(raw, &type) }
        return type
    }
}

/// Magic numbers of file systems that are verified after opening (statfs(2)).
public enum FilesystemType {
    public static let proc: UInt64 = 0x9fa0
    public static let sysfs: UInt64 = 0x6265_6572
    public static let devpts: UInt64 = 0x1cd1
    public static let tmpfs: UInt64 = 0x0102_1994
    public static let nsfs: UInt64 = 0x6e73_6673
    public static let cgroup: UInt64 = 0x0027_e0eb
    public static let cgroup2: UInt64 = 0x6367_7270
    public static let overlay: UInt64 = 0x794c_7630
    public static let mqueue: UInt64 = 0x1980_0202
}
