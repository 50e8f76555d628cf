import CLinux

/// A system call that failed: which one, on what, and why.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The operation's name: the system call, or what it was for (`mount proc`).
    public var operation: String
    /// The positive errno.
    public var errno: Int32
    /// The path it was about, if any.
    public var path: String?

    public init(operation: String, errno: Int32, path: String? = nil) {
        (self.operation, self.errno, self.path) = (operation, errno, path)
    }

    /// `openat2 /etc/passwd: no such file or directory (ENOENT)`, in words that do not depend on the locale.
    public var description: String {
        let subject = path.map { "\(operation) \($0)" } ?? operation
        return "\(subject): \(SystemError.words(errno)) (\(SystemError.name(errno)))"
    }

    /// The same error, told as part of a larger step.
    public func during(_ step: String) -> SystemError {
        SystemError(operation: "\(step): \(operation)", errno: errno, path: path)
    }

    /// `ENOENT` for 2; `errno 999` for what has no name.
    public static func name(_ errno: Int32) -> String {
        clinux_error_name(errno).map { String(cString: $0) } ?? "errno \(errno)"
    }

    static func words(_ errno: Int32) -> String {
        guard let text = clinux_error_words(errno) else { return "error \(errno)" }
        let words = String(cString: text)
        return words.prefix(1).lowercased() + words.dropFirst()
    }
}
