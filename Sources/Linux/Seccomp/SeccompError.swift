/// Why a profile could not become a program.
public struct SeccompError: Error, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// libseccomp refused; the message names the call.
        case libraryRefused
        /// The program could not be written out or read back.
        case export
        /// The program has more instructions than the kernel takes (4096).
        case tooLong
    }
    public let code: Code
    public let message: String
    public let cause: (any Error)?

    init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        (self.code, self.message, self.cause) = (code, message, cause)
    }

    public var description: String { message }
}
