import CLinux
import Glibc

/// The one funnel of system calls: `body` returns a result or a negative errno (as ``rawCall`` does); EINTR is tried again.
///
/// - Parameter retry: false where a second try would be wrong (`close`, a wait with a timeout).
public func systemCall(_ operation: String, path: String? = nil, retry: Bool = true, _ body: () -> Int) throws(SystemError) -> Int {
    while true {
        let result = body()
        if result >= 0 { return result }
        if retry, result == -Int(EINTR) { continue }
        throw SystemError(operation: operation, errno: Int32(truncatingIfNeeded: -result), path: path)
    }
}

/// syscall(2) by number; the result, or a negative errno.
@inline(__always)
public func rawCall(_ number: Int32, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0) -> Int {
    clinux_call(Int(number), a, b, c, d, e, f)
}

extension UnsafePointer {
    /// The address as a system call's argument.
    @inline(__always) public var argument: Int { Int(bitPattern: self) }
}

extension UnsafeMutablePointer {
    /// The address as a system call's argument.
    @inline(__always) public var argument: Int { Int(bitPattern: self) }
}

extension UnsafeRawPointer {
    /// The address as a system call's argument.
    @inline(__always) public var argument: Int { Int(bitPattern: self) }
}

extension UnsafeMutableRawPointer {
    /// The address as a system call's argument.
    @inline(__always) public var argument: Int { Int(bitPattern: self) }
}

/// Calls with a C string or, for nil, a null pointer.
func withOptionalCString<R>(_ string: String?, _ body: (Int) -> R) -> R {
    guard let string else { return body(0) }
    return string.withCString { body($0.argument) }
}
