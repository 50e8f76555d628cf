public import JSONTree

/// An error as the API tells it: what becomes the `Status` of a response.
public struct StatusError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The HTTP status.
    public let code: Int
    /// The machine-readable reason, such as `NotFound`.
    public let reason: String
    public let message: String
    /// `details` of the Status: group, kind, name, causes.
    public var details: JSONObject
    /// The error that led to this one, for the log.
    public let cause: (any Error)?

    public init(code: Int, reason: String, message: String, details: JSONObject = [:], cause: (any Error)? = nil) {
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.cause = cause
    }

    public var description: String { message }

    public static func == (left: StatusError, right: StatusError) -> Bool {
        left.code == right.code && left.reason == right.reason && left.message == right.message && left.details == right.details
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(code)
        hasher.combine(message)
    }

    /// This error as a `Status` object.
    public var json: JSON {
        var status: JSONObject = [
            "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure", "message": .string(message), "reason": .string(reason),
        ]
        if !details.isEmpty { status["details"] = .object(details) }
        status["code"] = JSON(code)
        return .object(status)
    }

    private static func details(_ resource: ResourceReference, name: String) -> JSONObject {
        var details = JSONObject()
        if !name.isEmpty { details["name"] = .string(name) }
        if !resource.group.isEmpty { details["group"] = .string(resource.group) }
        details["kind"] = .string(resource.resource)
        return details
    }
}

extension StatusError {
    public static func badRequest(_ message: String, cause: (any Error)? = nil) -> StatusError {
        StatusError(code: 400, reason: "BadRequest", message: message, cause: cause)
    }

    public static func unauthorized() -> StatusError {
        StatusError(code: 401, reason: "Unauthorized", message: "Unauthorized")
    }

    public static func forbidden(_ resource: ResourceReference, name: String, _ detail: String) -> StatusError {
        let subject = name.isEmpty ? resource.groupResource : "\(resource.groupResource) \"\(name)\""
        return StatusError(code: 403, reason: "Forbidden", message: "\(subject) is forbidden: \(detail)", details: details(resource, name: name))
    }

    public static func notFound(_ resource: ResourceReference, name: String) -> StatusError {
        StatusError(
            code: 404, reason: "NotFound", message: "\(resource.groupResource) \"\(name)\" not found", details: details(resource, name: name))
    }

    /// A path that no resource is served under.
    public static func unknownPath() -> StatusError {
        StatusError(code: 404, reason: "NotFound", message: "the server could not find the requested resource")
    }

    public static func methodNotAllowed() -> StatusError {
        StatusError(code: 405, reason: "MethodNotAllowed", message: "the server does not allow this method on the requested resource")
    }

    public static func notAcceptable(_ types: [String]) -> StatusError {
        StatusError(
            code: 406, reason: "NotAcceptable",
            message: "only the following media types are accepted: \(types.joined(separator: ", "))")
    }

    public static func alreadyExists(_ resource: ResourceReference, name: String) -> StatusError {
        StatusError(
            code: 409, reason: "AlreadyExists", message: "\(resource.groupResource) \"\(name)\" already exists",
            details: details(resource, name: name))
    }

    public static func conflict(_ resource: ResourceReference, name: String, _ detail: String? = nil) -> StatusError {
        let detail = detail ?? "the object has been modified; please apply your changes to the latest version and try again"
        return StatusError(
            code: 409, reason: "Conflict", message: "Operation cannot be fulfilled on \(resource.groupResource) \"\(name)\": \(detail)",
            details: details(resource, name: name))
    }

    /// A resource version that is no longer kept.
    public static func expired(_ message: String) -> StatusError { StatusError(code: 410, reason: "Expired", message: message) }

    public static func unsupportedMediaType(_ types: [String]) -> StatusError {
        StatusError(
            code: 415, reason: "UnsupportedMediaType",
            message: "the body of the request was in an unknown format - accepted media types include: \(types.joined(separator: ", "))")
    }

    /// An object with wrong fields, every one of them told.
    public static func invalid(_ resource: ResourceReference, name: String, _ errors: [FieldError]) -> StatusError {
        var seen: Set<String> = []
        let messages = errors.map(\.description).filter { seen.insert($0).inserted }
        let kind = resource.group.isEmpty ? resource.kind : "\(resource.kind).\(resource.group)"
        let list = messages.count == 1 ? messages[0] : "[\(messages.joined(separator: ", "))]"
        var details: JSONObject = ["name": .string(name)]
        if !resource.group.isEmpty { details["group"] = .string(resource.group) }
        details["kind"] = .string(resource.kind)
        details["causes"] = .array(errors.map(\.cause))
        return StatusError(
            code: 422, reason: "Invalid", message: "\(kind) \"\(name)\" is invalid" + (messages.isEmpty ? "" : ": \(list)"), details: details)
    }

    /// A patch that cannot be applied.
    public static func unprocessablePatch(_ message: String) -> StatusError {
        StatusError(code: 422, reason: "Invalid", message: message)
    }

    public static func tooLarge(_ message: String) -> StatusError {
        StatusError(code: 413, reason: "RequestEntityTooLarge", message: message)
    }

    public static func tooManyRequests(_ message: String, retryAfterSeconds: Int) -> StatusError {
        StatusError(
            code: 429, reason: "TooManyRequests", message: message, details: ["retryAfterSeconds": JSON(retryAfterSeconds)])
    }

    public static func internalError(_ message: String, cause: (any Error)? = nil) -> StatusError {
        StatusError(code: 500, reason: "InternalError", message: "Internal error occurred: \(message)", cause: cause)
    }

    public static func serviceUnavailable(_ message: String) -> StatusError {
        StatusError(code: 503, reason: "ServiceUnavailable", message: message)
    }

    public static func timeout(_ message: String) -> StatusError { StatusError(code: 504, reason: "Timeout", message: message) }
}
