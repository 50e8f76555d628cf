/// Why the storage did not do what it was asked.
public struct StorageError: Error, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The key to create is there already.
        case keyExists
        /// The key to change is not there.
        case notFound
        /// The key was changed since the revision that the caller knew.
        case conflict
        /// The revision asked for is older than what is kept.
        case compacted
        /// The revision asked for has not happened yet.
        case futureRevision
        /// A key or prefix that cannot be stored.
        case invalidKey
        /// The storage was closed.
        case closed
        /// The caller's task was cancelled.
        case cancelled
        /// Another process has the data directory open.
        case locked
        /// The data was written by a newer version of the program.
        case newerFormat
        /// The watcher did not keep up and was cut off.
        case tooSlow
        /// The medium failed: disk full, no permission, damaged file.
        case failed
    }

    public let code: Code
    public let message: String
    /// The key's present state, for `.keyExists` and `.conflict`.
    public let current: KeyValue?
    /// The oldest revision that can still be read, for `.compacted`.
    public let compactedRevision: Revision?
    public let cause: (any Error)?

    public init(
        _ code: Code, _ message: String, current: KeyValue? = nil, compactedRevision: Revision? = nil, cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.current = current
        self.compactedRevision = compactedRevision
        self.cause = cause
    }

    public var description: String {
        cause.map { "\(message): \($0)" } ?? message
    }
}
