/// Why a request to the API server failed: the server's own `Status`, or what kept the answer from arriving.
public struct KubeError: Error, Sendable, CustomStringConvertible {
    /// The reasons of `Status`, and three of the client's own.
    public struct Reason: Sendable, Hashable, RawRepresentable, CustomStringConvertible {
        public var rawValue: String

        public init(rawValue: String) {
            self.rawValue = rawValue
        }

        public var description: String { rawValue }

        public static let unauthorized = Self(rawValue: "Unauthorized")
        public static let forbidden = Self(rawValue: "Forbidden")
        public static let notFound = Self(rawValue: "NotFound")
        public static let alreadyExists = Self(rawValue: "AlreadyExists")
        public static let conflict = Self(rawValue: "Conflict")
        public static let gone = Self(rawValue: "Gone")
        public static let invalid = Self(rawValue: "Invalid")
        public static let expired = Self(rawValue: "Expired")
        public static let badRequest = Self(rawValue: "BadRequest")
        public static let methodNotAllowed = Self(rawValue: "MethodNotAllowed")
        public static let tooManyRequests = Self(rawValue: "TooManyRequests")
        public static let serviceUnavailable = Self(rawValue: "ServiceUnavailable")
        public static let internalError = Self(rawValue: "InternalError")
        public static let unknown = Self(rawValue: "Unknown")
        /// Client: no connection, or it broke.
        public static let connection = Self(rawValue: "Connection")
        /// Client: no answer in time.
        public static let timeout = Self(rawValue: "Timeout")
        /// Client: the answer is not what the API says.
        public static let decoding = Self(rawValue: "Decoding")
    }

    /// The HTTP status; 0 when there was no answer.
    public var code: Int
    public var reason: Reason
    public var message: String
    /// What the server says of single fields, and how long to wait.
    public var details: Details?
    public var cause: (any Error)?

    /// The `details` of a `Status`.
    public struct Details: Sendable, Hashable {
        public struct Cause: Sendable, Hashable {
            public var reason: String
            public var message: String
            public var field: String

            public init(reason: String, message: String, field: String) {
                self.reason = reason
                self.message = message
                self.field = field
            }
        }

        public var name: String
        public var kind: String
        public var causes: [Cause]
        public var retryAfterSeconds: Int?

        public init(name: String = "", kind: String = "", causes: [Cause] = [], retryAfterSeconds: Int? = nil) {
            self.name = name
            self.kind = kind
            self.causes = causes
            self.retryAfterSeconds = retryAfterSeconds
        }
    }

    public init(code: Int = 0, reason: Reason, message: String, details: Details? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.cause = cause
    }

    public var description: String {
        guard let cause else { return message }
        return "\(message): \(cause)"
    }

    public var isNotFound: Bool { reason == .notFound }
    public var isAlreadyExists: Bool { reason == .alreadyExists }
    public var isConflict: Bool { reason == .conflict }
    /// The resource version is too old to list or watch from: list again.
    public var isExpired: Bool { code == 410 || reason == .expired || reason == .gone }
    /// The same request may succeed later.
    public var isTransient: Bool {
        switch reason {
        case .connection, .timeout, .tooManyRequests, .serviceUnavailable, .internalError: true
        default: code >= 500
        }
    }
}
