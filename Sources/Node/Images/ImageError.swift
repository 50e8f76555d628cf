public import OCISpec
public import LinuxSystem

/// Why an image could not be read, stored, found or removed. Messages are shown to users as they are.
public struct ImageError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, Hashable {
        /// The archive is damaged, truncated, ambiguous or no image archive.
        case invalidArchive
        /// Content does not have the digest or size that it was promised to have.
        case digestMismatch
        /// A media type, compression or platform that this node cannot run.
        case unsupported
        /// A layer tries to leave its root.
        case escape
        /// More bytes, files or longer paths than allowed.
        case limitExceeded
        case invalidReference
        case notFound
        /// A container uses the image.
        case inUse
        /// The store's own files are damaged.
        case corruptStore
        /// The kernel refused: full disk, missing permission.
        case system
        case cancelled
    }

    public let code: Code
    public let message: String
    public let cause: (any Error)?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        (self.code, self.message, self.cause) = (code, message, cause)
    }

    public var description: String { cause.map { "\(message): \($0)" } ?? message }

    /// A document or name that breaks the specification.
    public init(_ error: OCIError) {
        let code: Code = switch error.code {
        case .malformed, .ambiguous: .invalidArchive
        case .unsupported: .unsupported
        case .invalidReference: .invalidReference
        }
        self.init(code, error.message, cause: error.cause)
    }

    /// A system call that failed while doing `what`.
    public init(_ what: String, _ error: SystemError) {
        self.init(.system, what, cause: error)
    }

    /// The same error, told as part of a larger step.
    func during(_ step: String) -> ImageError { ImageError(code, "\(step): \(message)", cause: cause) }
}

/// Runs `body` and translates the specification's errors.
func spec<T>(_ body: () throws(OCIError) -> T) throws(ImageError) -> T {
    do throws(OCIError) { return try body() } catch { throw ImageError(error) }
}

/// Runs `body` and says what it was for when the kernel refuses.
func system<T>(_ what: @autoclosure () -> String, _ body: () throws(SystemError) -> T) throws(ImageError) -> T {
    do throws(SystemError) { return try body() } catch { throw ImageError(what(), error) }
}
