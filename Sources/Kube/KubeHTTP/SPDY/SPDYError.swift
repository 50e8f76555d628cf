/// Why a SPDY session, or one of its streams, cannot go on.
struct SPDYError: Error, Sendable, Hashable, CustomStringConvertible {
    enum Code: String, Sendable {
        /// A frame that the specification does not allow.
        case malformedFrame
        /// A frame, header block or value above a limit of ours.
        case tooLarge
        /// A header block that is not what zlib or the name/value format allow.
        case malformedHeaders
    }

    var code: Code
    var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    var description: String { message }
}
